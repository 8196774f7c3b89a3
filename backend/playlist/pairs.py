"""Which photos share a screen: chosen among the next in the order, by their colours and when they were taken. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from contract.colour.histogram import Profile, nearness_of_profiles, profile

Entry = tuple[str, ...]
"""One photo, or two that share the screen: left and right, or upper and lower."""

LOOKAHEAD = 12
"""Partners are sought among so many of the following photos that can be a half."""
TIME_WEIGHT = 0.5
"""What photos of the same minute gain beside the nearness of colours, which is 0 to 1."""
HALVING_SECONDS = 6 * 3600.0
"""Each time the distance in time grows by this, the gain is halved, thirded, ..."""

_decode = msgspec.json.Decoder(dict[str, int]).decode


class HalfFacts(Struct, frozen=True):
    """What is known of a photo that can be a half: its histogram as JSON, and when it was taken."""

    histogram: bytes | None = None
    captured_at: float | None = None


def paired(entries: Sequence[Entry], halves: Mapping[str, HalfFacts]) -> list[Entry]:
    """The entries with every photo that can be a half given a partner, as far as one is near enough in the order.

    Pairs stay as they are, and so does the place of whoever comes first. No photo is used twice.
    """
    found: list[Entry] = []
    taken: set[str] = set()
    profiles: dict[str, Profile | None] = {}
    singles = [entry[0] for entry in entries if len(entry) == 1 and entry[0] in halves]
    place = 0
    for entry in entries:
        photo = entry[0]
        if photo in taken:
            continue
        if len(entry) > 1 or photo not in halves:
            found.append(entry)
            continue
        while place < len(singles) and (singles[place] in taken or singles[place] == photo):
            place += 1
        candidates: list[str] = []
        for other in singles[place:]:
            if other not in taken:
                candidates.append(other)
                if len(candidates) == LOOKAHEAD:
                    break
        taken.add(photo)
        if not candidates:
            found.append(entry)
            continue
        partner = max(candidates, key=lambda other: _likeness(photo, other, halves, profiles))  # of equals the first
        taken.add(partner)
        found.append((photo, partner))
        for used in (photo, partner):
            profiles.pop(used, None)
    return found


def _likeness(first: str, second: str, halves: Mapping[str, HalfFacts], profiles: dict[str, Profile | None]) -> float:
    one, other = _profile(first, halves, profiles), _profile(second, halves, profiles)
    colours = nearness_of_profiles(one, other) if one and other else 0.0
    taken, also = halves[first].captured_at, halves[second].captured_at
    if taken is None or also is None:
        return colours
    return colours + TIME_WEIGHT / (1 + abs(taken - also) / HALVING_SECONDS)


def _profile(photo: str, halves: Mapping[str, HalfFacts], profiles: dict[str, Profile | None]) -> Profile | None:
    """Made once and kept while the photo may still be compared: profiles of a whole library are 100 MB and more."""
    if photo not in profiles:
        text = halves[photo].histogram
        histogram = _decode(text) if text else {}
        profiles[photo] = profile(histogram) if histogram else None
    return profiles[photo]
