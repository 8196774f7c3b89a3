"""How long one photo took in each stage: the parts of `ImageOutcome.seconds`, none counted twice, and the report."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MOST_SECONDS = 1e6
"""What is longer was measured by a clock that was set meanwhile."""

Seconds = Annotated[float, Meta(ge=0, le=MOST_SECONDS)]


class StageSeconds(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Seconds of wall time, in the order of the stages. A task tells all but `report`, which the backend adds.

    `waiting` is for memory and a thread; `fetching` for the original's bytes, as far as nothing else was done
    meanwhile (a photo is decoded while it arrives); `announcing` the attempt; `colours` takes in the search for the
    focus; `pictures` is resizing and encoding; `storing` ends when all pictures lie in the bucket; `report` is from
    there to the rows in the database, with the sidecar, by the clocks of both programs.
    """

    waiting: Seconds = 0.0
    fetching: Seconds = 0.0
    announcing: Seconds = 0.0
    decoding: Seconds = 0.0
    colours: Seconds = 0.0
    pictures: Seconds = 0.0
    storing: Seconds = 0.0
    report: Seconds = 0.0
