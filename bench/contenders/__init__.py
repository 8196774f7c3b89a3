"""The list of contenders. Each is a module of this folder."""

from __future__ import annotations

from bench.contenders import floor, floor_turbo, imagemagick, ours, pillow, sharp
from bench.contenders.contender import Contender

CONTENDERS: tuple[Contender, ...] = (
    ours.CONTENDER,
    floor.CONTENDER,
    floor_turbo.CONTENDER,
    sharp.MODEL,
    sharp.TUNED,
    pillow.CONTENDER,
    imagemagick.CONTENDER,
)
