"""Choice of the two photos that share a screen: similar colours, and taken at a similar time. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from contract.colour.histogram import Profile, nearness_of_profiles, profile

Entry = tuple[str, ...]
"""One photo, or two that share the screen: left and right, or upper and lower."""

LOOKAHEAD = 12
"""A partner is chosen among this many of the following pairable photos."""
TIME_WEIGHT = 0.5
"""The bonus for photos taken at the same time, added to the colour similarity of 0 to 1."""
HALVING_SECONDS = 6 * 3600.0
"""Between photos taken this far apart, the bonus is 1/2; at twice the distance 1/3, and so on."""

_decode = msgspec.json.Decoder(dict[str, int]).decode


class PairingFacts(Struct, frozen=True):
    """The facts of a photo that decide on its partner: its histogram as JSON, and the time when it was taken."""

    histogram: bytes | None = None
    captured_at: float | None = None


def paired(entries: Sequence[Entry], pairable: Mapping[str, PairingFacts]) -> list[Entry]:
    """Return the entries with a partner for every pairable photo, if one of the next `LOOKAHEAD` photos is free.

    Existing pairs stay as they are. The earlier photo of a new pair keeps its position. No photo is used twice.
    """
    result: list[Entry] = []
    used: set[str] = set()
    profiles: dict[str, Profile | None] = {}
    singles = [entry[0] for entry in entries if len(entry) == 1 and entry[0] in pairable]
    index = 0
    for entry in entries:
        photo = entry[0]
        if photo in used:
            continue
        if len(entry) > 1 or photo not in pairable:
            result.append(entry)
            continue
        while index < len(singles) and (singles[index] in used or singles[index] == photo):
            index += 1
        candidates: list[str] = []
        for candidate in singles[index:]:
            if candidate not in used:
                candidates.append(candidate)
                if len(candidates) == LOOKAHEAD:
                    break
        used.add(photo)
        if not candidates:
            result.append(entry)
            continue
        # On ties, max() returns the first, which is the next photo in the order.
        partner = max(candidates, key=lambda candidate: _similarity(photo, candidate, pairable, profiles))
        used.add(partner)
        result.append((photo, partner))
        for done in (photo, partner):
            profiles.pop(done, None)
    return result


def _similarity(
    first: str, second: str, pairable: Mapping[str, PairingFacts], profiles: dict[str, Profile | None]
) -> float:
    first_profile, second_profile = _profile(first, pairable, profiles), _profile(second, pairable, profiles)
    colours = nearness_of_profiles(first_profile, second_profile) if first_profile and second_profile else 0.0
    first_time, second_time = pairable[first].captured_at, pairable[second].captured_at
    if first_time is None or second_time is None:
        return colours
    return colours + TIME_WEIGHT / (1 + abs(first_time - second_time) / HALVING_SECONDS)


def _profile(photo: str, pairable: Mapping[str, PairingFacts], profiles: dict[str, Profile | None]) -> Profile | None:
    """Return the colour profile of a photo, cached in `profiles`.

    The caller drops profiles that are not needed any more: the profiles of a whole library need 100 MB or more.
    """
    if photo not in profiles:
        text = pairable[photo].histogram
        histogram = _decode(text) if text else {}
        profiles[photo] = profile(histogram) if histogram else None
    return profiles[photo]
