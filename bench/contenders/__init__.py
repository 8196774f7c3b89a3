"""The contenders: a file each, and a line here."""

from __future__ import annotations

from bench.contenders.contender import Contender

CONTENDERS: tuple[Contender, ...] = ()
