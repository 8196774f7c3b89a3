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


_UNKNOWN = PairingFacts()


class Partners:
    """Chooses partners among photos whose pairing facts are given; keeps the colour profiles that it has computed."""

    def __init__(self, facts: Mapping[str, PairingFacts]) -> None:
        """Photos without facts count as unknown."""
        self._facts = facts
        self._profiles: dict[str, Profile | None] = {}

    def best(self, photo: str, candidates: Sequence[str]) -> str | None:
        """Return the candidate that is most similar to the photo, on ties the first; None without candidates."""
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return max(candidates, key=lambda candidate: self._similarity(photo, candidate))

    def _similarity(self, first: str, second: str) -> float:
        first_profile, second_profile = self._profile(first), self._profile(second)
        colours = nearness_of_profiles(first_profile, second_profile) if first_profile and second_profile else 0.0
        first_time = self._facts.get(first, _UNKNOWN).captured_at
        second_time = self._facts.get(second, _UNKNOWN).captured_at
        if first_time is None or second_time is None:
            return colours
        return colours + TIME_WEIGHT / (1 + abs(first_time - second_time) / HALVING_SECONDS)

    def _profile(self, photo: str) -> Profile | None:
        if photo not in self._profiles:
            text = self._facts.get(photo, _UNKNOWN).histogram
            histogram = _decode(text) if text else {}
            self._profiles[photo] = profile(histogram) if histogram else None
        return self._profiles[photo]
