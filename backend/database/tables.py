"""The tables. Operators query some of them by hand, so their names are fixed.

Times are in seconds since the epoch, UTC.
Two table names are older than the terms of the code: `facts` holds key-value pairs, and `garbage` the deletion
schedule.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

metadata = MetaData()

images = Table(
    "images",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("file_path", Text, nullable=False),
    Column("file_hash", String(64), nullable=False, unique=True),
    Column("filename", Text, nullable=False, server_default=""),
    Column("byte_size", Integer, nullable=False, server_default="0"),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("orientation", String(9), nullable=False),
    # EXIF turns or mirrors the original, which the legacy system ignored: its variants of the photo lie on their side.
    Column("turned", Boolean, nullable=False, server_default=false()),
    Column("processing_status", String(10), nullable=False, server_default="pending"),
    Column("processing_error", Text),
    Column("ingested_at", Float, nullable=False),
    # When the photo was taken: the camera's local time, read as if it were UTC.
    Column("captured_at", Float),
    # When the image last became pending. An update of the state by hand does not change this time, so such an image is
    # due at once.
    Column("queued_at", Float, nullable=False),
    # A stable hash of the id, by which a task prefers images of its own shard.
    Column("shard", Integer, nullable=False),
    # When the first usable variant was stored. Images without one are claimed before images to be back-filled.
    Column("rendered_at", Float),
    Column("lease_owner", Text),
    Column("lease_attempt", Integer),
    Column("lease_token", Text),
    Column("lease_until", Float),
    Column("claimed_at", Float),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # True from the start of decoding until the report. If the next claim finds it true, the image is quarantined.
    Column("attempt_open", Boolean, nullable=False, server_default=false()),
    # Quarantined: the image is rendered alone in a sandbox process, and `strikes` counts the crashes of this process.
    Column("suspect", Boolean, nullable=False, server_default=false()),
    Column("strikes", Integer, nullable=False, server_default="0"),
    Column("color_palette", JSON(none_as_null=True)),
    Column("histogram", JSON(none_as_null=True)),
    Column("thumbnail_path", Text),
    # [x, y] as fractions of the upright width and height: the owner's choice, and the point that the renderer detected.
    Column("focus", JSON(none_as_null=True)),
    Column("found_focus", JSON(none_as_null=True)),
    # Quarter turns clockwise that the owner added to the EXIF orientation. Width, height, orientation and the focal
    # points are those of the turned photo.
    Column("turn", Integer, nullable=False, server_default="0"),
    # The names of the palette's hue groups, for the gallery's colour filter: `,blue,green,`.
    Column("colours", Text, nullable=False, server_default=""),
    Column("processed_at", Float),
    Column("render_seconds", Float),
    # {stage: seconds} of rendering and of the report (`StageSeconds` in `contract/messages/processing.py`).
    Column("stage_seconds", JSON(none_as_null=True)),
    # `revision` is incremented by every change of the permanent record's content. `recorded` is the revision that is
    # known to be in the bucket.
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("recorded", Integer, nullable=False, server_default="0"),
    CheckConstraint(
        "processing_status IN ('pending', 'processing', 'complete', 'failed')", name="known_processing_status"
    ),
    CheckConstraint("orientation IN ('portrait', 'landscape', 'square')", name="known_orientation"),
)
# For claims: the images in the order in which they are claimed. The index is not partial, because SQLite uses a partial
# index only if the state is a literal of the statement, and our statements bind it as a parameter.
Index(
    "ix_images_queue",
    images.c.processing_status,
    text("(rendered_at IS NOT NULL)"),
    images.c.ingested_at,
    images.c.id,
)
# The images whose record in the bucket is, or may be, out of date.
Index(
    "ix_images_unrecorded",
    images.c.id,
    sqlite_where=text("revision > recorded"),
    postgresql_where=text("revision > recorded"),
)
# The gallery's order with all columns of its filters, so that rows excluded by a filter are never read.
Index(
    "ix_images_gallery",
    images.c.ingested_at,
    images.c.id,
    images.c.processing_status,
    images.c.orientation,
    images.c.colours,
    images.c.filename,
)
# The few photos whose orientation turns them: every claim with room left looks for those that lie on their side.
Index(
    "ix_images_turned",
    images.c.turned,
    images.c.ingested_at,
    images.c.id,
    sqlite_where=text("turned = 1"),
    postgresql_where=text("turned"),
)
# The photos that were rendered last, from which throughput and stage times are measured.
Index("ix_images_processed", images.c.processed_at)

processed_images = Table(
    "processed_images",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("image_id", String(32), ForeignKey("images.id", ondelete="CASCADE"), nullable=False),
    Column("device_size", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("file_path", Text, nullable=False),
    Column("color_primary", String(7), nullable=False),
    Column("color_secondary", String(7), nullable=False),
    Column("color_tertiary", String(7), nullable=False),
    Column("color_source", String(7), nullable=False),
    Column("color_palette", JSON, nullable=False),
    Column("processed_at", Float, nullable=False),
    # 'legacy' if the legacy system's processor rendered the variant.
    Column("recipe", String(10), nullable=False),
    # One current row per image and device.
    UniqueConstraint("image_id", "device_size", name="one_row_per_image_and_device"),
)
Index("ix_processed_images_device", processed_images.c.device_size, processed_images.c.image_id)
Index("ix_processed_images_when", processed_images.c.processed_at)

devices = Table(
    "devices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # The name at creation. A rename changes only `name`, the label.
    Column("key", Text, nullable=False, unique=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("orientation", String(9), nullable=False),
    Column("recipe", String(10), nullable=False),
    Column("token_hash", String(64)),
    # True until the response that contains the device's first token: if that failed, a repeated request gets one.
    Column("token_pending", Boolean, nullable=False, server_default=false()),
    # Part of what the addresses of its pictures sign, so that they end with its token. Empty: of an earlier version.
    Column("picture_salt", Text, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    # When the size last changed. A task that claimed an image before this time is not expected to report this variant.
    Column("changed_at", Float, nullable=False),
    # Seconds for which each entry is shown; 0: each call of `next` advances the queue.
    Column("interval_seconds", Integer, nullable=False, server_default="0"),
    # The gutter in pixels between two photos that share the screen.
    Column("gap", Integer, nullable=False, server_default="0"),
    Column("pairing", Boolean, nullable=False, server_default=false()),
    # The recipe of split-screen variants; NULL if the device shows no pairs.
    Column("half_recipe", String(10)),
    # The photos that the device shows; NULL: all.
    Column("filters", JSON(none_as_null=True)),
    # The time of the device's latest request, to the minute.
    Column("seen_at", Float),
    # The e-paper panel (`contract.panels.PanelSetting`); NULL: JPEG.
    Column("panel", JSON(none_as_null=True)),
)

# The place of each photo in the order of each device: a row for each full-screen variant. The photo with the lowest
# (cycle, rank) is shown next. `excluded`: the device's filters do not select the photo.
queue_entries = Table(
    "queue_entries",
    metadata,
    Column("variant_id", Integer, ForeignKey("processed_images.id", ondelete="CASCADE"), primary_key=True),
    Column("device_key", Text, nullable=False),
    Column("image_id", String(32), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("excluded", Boolean, nullable=False),
)
Index(
    "ix_queue_entries_order",
    queue_entries.c.device_key,
    queue_entries.c.excluded,
    queue_entries.c.cycle,
    queue_entries.c.rank,
    queue_entries.c.variant_id,
)

# The position of each device in its queue. A device that has shown nothing yet has no row.
queue_positions = Table(
    "queue_positions",
    metadata,
    Column("device_id", Text, primary_key=True),
    # A random text from which the ranks of later cycles follow.
    Column("seed", Text, nullable=False),
    # The number of the current cycle.
    Column("cycle", Integer, nullable=False),
    # The entry that was shown last, as the ids of one or two photos, its cycle, and whether it was a new photo.
    Column("entry", JSON, nullable=False),
    Column("entry_cycle", Integer, nullable=False),
    Column("was_new", Boolean, nullable=False),
    # The interval and the time slot for which it was chosen; 0 without an interval.
    Column("interval_seconds", Integer, nullable=False),
    Column("slot", BigInteger, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", String(10), nullable=False),
    Column("tasks", Integer, nullable=False),
    Column("images", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("deadline", Float, nullable=False),
    Column("finished_at", Float),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("cpu_seconds", Float, nullable=False, server_default="0"),
    Column("peak_rss_mb", Float, nullable=False, server_default="0"),
    Column("error", Text),
    # Cloud Run's name of the execution (projects/.../executions/NAME), and of the operation that ends with it.
    Column("cloud_execution", Text),
    Column("cloud_operation", Text),
    CheckConstraint("state IN ('starting', 'running', 'succeeded', 'failed', 'lost')", name="known_state"),
)
# At most one execution is being started at a time.
Index(
    "one_execution_starting",
    executions.c.state,
    unique=True,
    sqlite_where=text("state = 'starting'"),
    postgresql_where=text("state = 'starting'"),
)
Index("ix_executions_started", executions.c.started_at)

local_tasks = Table(
    "local_tasks",
    metadata,
    Column("execution", Text, ForeignKey("executions.name", ondelete="CASCADE"), primary_key=True),
    Column("task_index", Integer, primary_key=True),
    Column("pid", Integer, nullable=False),
    # Start time, which distinguishes the process from a later one with the same pid.
    Column("pid_started", Text, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

# Deleted images. A late result of a deleted image is rejected, and an interrupted deletion is finished.
tombstones = Table(
    "tombstones",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("deleted_at", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    # True once the record is written, the rows are deleted and the objects are scheduled for deletion.
    Column("done", Boolean, nullable=False, server_default=false()),
)
Index(
    "ix_tombstones_undone",
    tombstones.c.image_id,
    sqlite_where=text("NOT done"),
    postgresql_where=text("NOT done"),
)

garbage = Table(
    "garbage",
    metadata,
    Column("object_name", Text, primary_key=True),
    Column("delete_after", Float, nullable=False),
)

# Named locks with an expiry time, for work that must not overlap, not even between two processes.
work_locks = Table(
    "work_locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Float, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT for this connection's database that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_if_absent(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless a constraint finds one like it; return True if it was inserted.

    The row is returned by the database, because psycopg has no row count for this statement.
    """
    statement = insert_into(connection, table).values(values).on_conflict_do_nothing()
    return connection.execute(statement.returning(literal(1))).first() is not None
