"""What a case is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.core.samples import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one case runs with.

    `photos`: the samples in the order of names, of any format. `contenders`: the names that were asked for, or
    None for all. `scratch`: an empty folder of the case's own. `say`: shows a line of progress to a person.
    `planted`: how much slower, as a share, "ours" is made on purpose, to see whether `compare` notices.
    """

    photos: tuple[Photo, ...]
    rounds: int
    scratch: Path
    say: Callable[[str], None]
    contenders: frozenset[str] | None = None
    seed: int = 0
    planted: float = 0.0

    def wants(self, contender: str) -> bool:
        """Whether this contender takes part."""
        return self.contenders is None or contender in self.contenders
