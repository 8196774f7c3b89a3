"""The contenders: a file each, and a place here."""

from __future__ import annotations

from bench.contenders import floor, imagemagick, ours, pillow, sharp
from bench.contenders.contender import Contender

CONTENDERS: tuple[Contender, ...] = (
    ours.CONTENDER,
    floor.CONTENDER,
    sharp.MODEL,
    sharp.TUNED,
    pillow.CONTENDER,
    imagemagick.CONTENDER,
)
