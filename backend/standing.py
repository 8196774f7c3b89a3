"""What this process may answer: nothing but its health yet, reads, or everything."""

from __future__ import annotations

from typing import Literal

from backend.auth import Access
from backend.errors import Unavailable

State = Literal["loading", "reading", "writing", "lost"]

_READS = ("GET", "HEAD")
_REFUSALS: dict[State, str] = {
    "loading": "the database is being loaded from the bucket; try again in a moment",
    "reading": "this backend is about to take over and takes no changes yet; try again in a moment",
    "lost": "another backend has taken over; try again, and that one will answer",
}


class Standing:
    """Where the database outlives the process this is `writing` from the first moment."""

    def __init__(self, *, durable: bool) -> None:
        self.state: State = "writing" if durable else "loading"

    @property
    def writing(self) -> bool:
        """Whether changes are taken."""
        return self.state == "writing"

    def lose(self) -> None:
        """Another backend has taken over."""
        self.state = "lost"

    def admit(self, method: str, access: Access) -> None:
        """Let a request pass, or raise Unavailable: an unloaded database would give wrong answers."""
        if self.state == "writing":
            return
        if method in _READS and (self.state != "loading" or access is Access.PUBLIC):
            return
        raise self.refusal()

    def refusal(self) -> Unavailable:
        """What a request hears that this process may not answer."""
        return Unavailable(_REFUSALS.get(self.state, _REFUSALS["lost"]))

    def require_loaded(self) -> None:
        """Raise Unavailable while there is nothing to answer from."""
        if self.state == "loading":
            raise self.refusal()
