"""The result of one check of the doctor."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "odd", "wrong"]
"""`odd` works, but an operator should check whether it is intended."""


class Finding(Struct, frozen=True):
    """The result of a check. `fix` is a command or an instruction; empty if nothing has to be done."""

    level: Level
    subject: str
    sentence: str
    fix: str = ""

    def lines(self) -> list[str]:
        """Return the finding as lines of text."""
        first = f"{self.level:<6}{self.subject:<12}{self.sentence}"
        return [first, f"{'':18}fix: {self.fix}"] if self.fix else [first]

    def fields(self) -> dict[str, str]:
        """Return the finding for JSON, with the fix also under its former name."""
        return {
            "level": self.level,
            "subject": self.subject,
            "sentence": self.sentence,
            "fix": self.fix,
            "mend": self.fix,
        }


def ok(subject: str, sentence: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding("ok", subject, sentence)


def odd(subject: str, sentence: str, fix: str) -> Finding:
    """Return a finding that works but may not be intended."""
    return Finding("odd", subject, sentence, fix)


def wrong(subject: str, sentence: str, fix: str) -> Finding:
    """Return a finding that must be fixed."""
    return Finding("wrong", subject, sentence, fix)


def on_service(verb: str, project: str, region: str) -> str:
    """Return the gcloud command for the service without its options, under the name that deploy.sh gives it."""
    return f"gcloud run services {verb} slideshow-backend --project {project or 'PROJECT'} --region {region}"


def service_account(project: str) -> str:
    """Return the backend's service account as an IAM member, under the name that deploy.sh gives it."""
    return f"serviceAccount:slideshow-backend@{project}.iam.gserviceaccount.com"
