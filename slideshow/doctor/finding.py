"""What the doctor says: one finding a check, in words, with the command that mends what is wrong."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "odd", "wrong"]
"""`odd` works, but somebody should know of it."""


class Finding(Struct, frozen=True):
    """`mend` is a command, empty where nothing is to be done."""

    level: Level
    subject: str
    sentence: str
    mend: str = ""

    def lines(self) -> list[str]:
        """As a person reads it."""
        first = f"{self.level:<6}{self.subject:<12}{self.sentence}"
        return [first, f"{'':18}mend: {self.mend}"] if self.mend else [first]


def fine(subject: str, sentence: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", subject, sentence)


def wrong(subject: str, sentence: str, mend: str) -> Finding:
    """To be mended."""
    return Finding("wrong", subject, sentence, mend)


def account_of(project: str) -> str:
    """The backend's service account, by the name that deploy.sh gives it."""
    return f"serviceAccount:slideshow-backend@{project}.iam.gserviceaccount.com"
