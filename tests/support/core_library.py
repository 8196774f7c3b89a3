"""A real database for the tests of the backend's core, called in the same way as by the backend."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from backend.database import Database, claims, devices, images, results
from backend.database.tables import images as image_table
from backend.database.tables import processed_images
from contract.messages.devices import DeviceBody
from contract.messages.processing import (
    ClaimAnswer,
    ClaimedImage,
    ClaimRequest,
    Histogram,
    ImageOutcome,
    Palette,
    ProcessedImage,
    RowError,
)

P = ParamSpec("P")
T = TypeVar("T")

PALETTE = Palette(
    primary="#112233",
    secondary="#445566",
    tertiary="#778899",
    source_color="#112233",
    all_colors=("#112233",) * 8,
)
HISTOGRAM: Histogram = {"#112233": 40, "#445566": 2}
LEASE_SECONDS = 60.0


def image_id(number: int) -> str:
    """Return the id of the test image with this number."""
    return hashlib.sha256(b"photo %d" % number).hexdigest()[:32]


def stored_path(path: str, device_key: str, image: str) -> str:
    """Return a URI for every path, except for one that contains `bad`."""
    if "bad" in path:
        raise ValueError(f"{path!r} is not allowed")
    return f"file:///bucket/{path}"


@functools.cache
def migrated_file() -> bytes:
    """Return the content of an empty database with all tables: migrating takes 40 ms of CPU, a copy almost none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "slideshow.db"
        database = Database(f"sqlite:///{file}")
        database.migrate()
        database.close()
        assert [path.name for path in file.parent.iterdir()] == [file.name], "the write-ahead log is not merged"
        return file.read_bytes()


class Library:
    """Photos and devices in a database, with synchronous calls that change them."""

    def __init__(self, file: Path | None = None, *, migrate: bool = True, url: str = "") -> None:
        """Use the SQLite database `file`, or the migrated database at `url`."""
        if file is not None and migrate:
            file.write_bytes(migrated_file())
        self.url = url or f"sqlite:///{file}"
        self.database = Database(self.url)
        self._loop = asyncio.new_event_loop()

    def another(self) -> Library:
        """Open the same database once more, as another backend does."""
        return Library(url=self.url)

    def close(self) -> None:
        """Close the database and end its threads."""
        self._loop.close()
        self.database.close()

    def run(self, call: Any) -> Any:
        """Return the result of a coroutine."""
        return self._loop.run_until_complete(call)

    def write(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a query function after it is committed."""
        return self._loop.run_until_complete(self.database.write(query, *args, **kwargs))

    def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a query function that changes nothing."""
        return self._loop.run_until_complete(self.database.read(query, *args, **kwargs))

    def by_hand(self, statement: str, **values: Any) -> int:
        """Run a statement as an operator does with sqlite3; return the number of changed rows."""
        return self.write(lambda connection: connection.execute(sa.text(statement), values).rowcount)

    def add(self, *numbers: int, at: float = 0.0) -> list[str]:
        """Insert photos, each a second after the previous one, and return their ids."""
        for index, number in enumerate(numbers):
            values = {
                "id": image_id(number),
                "file_path": f"file:///bucket/images/originals/{image_id(number)}.jpg",
                "file_hash": hashlib.sha256(b"photo %d" % number).hexdigest(),
                "filename": f"photo-{number}.jpg",
                "byte_size": 1000,
                "width": 40,
                "height": 30,
                "orientation": "landscape",
                "ingested_at": at + index,
            }
            assert self.write(images.add, values)
        return [image_id(number) for number in numbers]

    def device(
        self, name: str, width: int = 800, height: int = 480, *, at: float = 0.0, pairing: bool = False, gap: int = 0
    ) -> bool:
        """Create or change a device; return True if it is new."""
        body = DeviceBody(name=name, width=width, height=height, pairing=pairing, gap=gap)
        if not self.write(devices.save, name, body, "hash", at):
            return False
        assert self.write(devices.confirm_token, name, "hash")
        return True

    def claim(
        self,
        owner: str = "execution/0",
        *,
        at: float,
        limit: int = 50,
        attempt: int = 0,
        shard: int = 0,
        shards: int = 1,
        claim_id: str | None = None,
    ) -> ClaimAnswer:
        """Claim as a task does; without `claim_id` each claim has a new id."""
        self._claims = getattr(self, "_claims", 0) + 1
        request = ClaimRequest(owner=owner, attempt=attempt, shard=shard, shards=shards, limit=limit, claim_id=claim_id)
        used_id = claim_id or f"{self._claims:032x}"
        return self.write(claims.claim, request, used_id, at, LEASE_SECONDS)

    def report(
        self, claimed: ClaimedImage, answer: ClaimAnswer, *, at: float, skip: int = 0, outcome: bool = True
    ) -> tuple[int, list[RowError]]:
        """Report the variants of a claimed image, without the first `skip`."""
        rows = rows_of(claimed, answer)[skip:]
        return self.write(results.record, rows, [outcome_of(claimed)] if outcome else [], stored_path, at)

    def image(self, of: str) -> dict[str, Any]:
        """Return the row of an image."""
        query = sa.select(image_table).where(image_table.c.id == of)
        row = self.read(lambda connection: connection.execute(query).mappings().one())
        return dict(row)

    def everything(self) -> list[dict[str, Any]]:
        """Return all rows of images and variants, for comparison."""
        rows: list[dict[str, Any]] = []
        for table in (image_table, processed_images):
            query = sa.select(table).order_by(*table.primary_key.columns)
            rows += self.read(_rows, query)
        return rows

    def states(self) -> dict[str, str]:
        """Return the state of each image."""
        query = sa.select(image_table.c.id, image_table.c.processing_status)
        return self.read(lambda connection: {row.id: row.processing_status for row in connection.execute(query)})


def _rows(connection: Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def rows_of(claimed: ClaimedImage, answer: ClaimAnswer) -> list[ProcessedImage]:
    """Return the rows that a task reports for a claimed image."""
    screens = {device.key: device for device in answer.devices}
    return [
        ProcessedImage(
            image_id=claimed.id,
            device_size=item.device,
            width=screens[item.device].width,
            height=screens[item.device].height,
            file_path=f"processed/{item.device}/{claimed.id}-{item.recipe}.jpg",
            color_palette=PALETTE,
            lease=claimed.lease,
            recipe=item.recipe,
        )
        for item in claimed.work
    ]


def outcome_of(claimed: ClaimedImage) -> ImageOutcome:
    """Return the outcome that a task reports for a whole image."""
    return ImageOutcome(
        image_id=claimed.id, lease=claimed.lease, color_palette=PALETTE, histogram=HISTOGRAM, seconds=0.5
    )
