"""What a report costs the database: as many statements for a picture of five screens as for one of two."""

from __future__ import annotations

import sqlalchemy as sa
from core_library import Library

from contract.messages.processing import ClaimAnswer, ClaimedImage


def statements_of_a_report(library: Library, number: int, at: float) -> list[str]:
    library.add(number)
    answer = library.claim(at=at)
    (image,) = answer.images
    asked: list[str] = []

    @sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
    def listen(connection: object, cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    try:
        stored, errors = library.report(image, answer, at=at + 1)
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", listen)
    assert (stored, errors) == (len(image.work), [])
    return asked


def test_more_screens_cost_no_more_statements(library: Library) -> None:
    library.device("first")
    library.device("second")
    of_two = statements_of_a_report(library, 1, 100)
    for name in ("third", "fourth", "fifth"):
        library.device(name)
    library.report(*_first_again(library), at=201)
    of_five = statements_of_a_report(library, 2, 300)
    assert len(of_five) == len(of_two), of_five
    assert sum(statement.startswith("INSERT INTO processed_images") for statement in of_five) == 1


def _first_again(library: Library) -> tuple[ClaimedImage, ClaimAnswer]:
    answer = library.claim(at=200)
    (image,) = answer.images
    return image, answer
