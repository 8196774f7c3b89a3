"""The number of SQL statements of a report does not depend on the number of devices."""

from __future__ import annotations

import sqlalchemy as sa

from contract.messages.processing import ClaimAnswer, ClaimedImage
from tests.support.core_library import Library


def statements_of_report(library: Library, number: int, at: float) -> list[str]:
    library.add(number)
    answer = library.claim(at=at)
    (image,) = answer.images
    statements: list[str] = []

    @sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
    def listen(connection: object, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    try:
        stored, errors = library.report(image, answer, at=at + 1)
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", listen)
    assert (stored, errors) == (len(image.work), [])
    return statements


def test_record_runs_as_many_statements_for_five_devices_as_for_two(library: Library) -> None:
    library.device("first")
    library.device("second")
    of_two = statements_of_report(library, 1, 100)
    for name in ("third", "fourth", "fifth"):
        library.device(name)
    library.report(*_claim_again(library), at=201)
    of_five = statements_of_report(library, 2, 300)
    assert len(of_five) == len(of_two), of_five
    assert sum(statement.startswith("INSERT INTO processed_images") for statement in of_five) == 1


def _claim_again(library: Library) -> tuple[ClaimedImage, ClaimAnswer]:
    answer = library.claim(at=200)
    (image,) = answer.images
    return image, answer
