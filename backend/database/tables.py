"""The tables. Names that people query by hand are given; times are seconds since the epoch, UTC."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
    Column("processing_status", String(10), nullable=False, server_default="pending"),
    Column("processing_error", Text),
    Column("ingested_at", Float, nullable=False),
    # When the photo was taken, by the camera's own clock, as if that showed UTC.
    Column("captured_at", Float),
    # When the image last became pending; an update by hand leaves it, which makes it due at once.
    Column("queued_at", Float, nullable=False),
    # A stable hash of the id, so that a task finds its own shard without reading others.
    Column("shard", Integer, nullable=False),
    # When its first usable variant was made; never-rendered images go before back-fill.
    Column("rendered_at", Float),
    Column("lease_owner", Text),
    Column("lease_attempt", Integer),
    Column("lease_token", Text),
    Column("lease_until", Float),
    Column("claimed_at", Float),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Decoding has begun and nobody has reported yet: found open by the next claim, it makes a suspect.
    Column("attempt_open", Boolean, nullable=False, server_default=false()),
    Column("suspect", Boolean, nullable=False, server_default=false()),
    Column("strikes", Integer, nullable=False, server_default="0"),
    Column("color_palette", JSON(none_as_null=True)),
    Column("histogram", JSON(none_as_null=True)),
    Column("thumbnail_path", Text),
    # [x, y], fractions of the upright width and height: what the owner chose, and what the renderer found.
    Column("focus", JSON(none_as_null=True)),
    Column("found_focus", JSON(none_as_null=True)),
    # The families of the palette's colours, by which people look for photos: `,blue,green,`.
    Column("colours", Text, nullable=False, server_default=""),
    Column("processed_at", Float),
    Column("render_seconds", Float),
    # {stage: seconds} of that time, and of the report (`contract/messages/processing.py`).
    Column("stage_seconds", JSON(none_as_null=True)),
    # Raised by every change that the permanent record tells of, and the revision known to be in the bucket.
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("recorded", Integer, nullable=False, server_default="0"),
    CheckConstraint(
        "processing_status IN ('pending', 'processing', 'complete', 'failed')", name="known_processing_status"
    ),
    CheckConstraint("orientation IN ('portrait', 'landscape', 'square')", name="known_orientation"),
)
# What a claim looks through, in the order in which it takes. Over all states: SQLite uses a partial index only
# where the statement itself names the state, and ours bind it.
Index(
    "ix_images_queue",
    images.c.processing_status,
    text("(rendered_at IS NOT NULL)"),
    images.c.ingested_at,
    images.c.id,
)
# The images whose record in the bucket is, or may be, behind.
Index(
    "ix_images_unrecorded",
    images.c.id,
    sqlite_where=text("revision > recorded"),
    postgresql_where=text("revision > recorded"),
)
# The gallery's order, with all that it is filtered by: what a filter leaves out is never read.
Index(
    "ix_images_gallery",
    images.c.ingested_at,
    images.c.id,
    images.c.processing_status,
    images.c.orientation,
    images.c.colours,
    images.c.filename,
)
# What the rate of the tasks is measured from: the photos that they rendered last.
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
    # 'legacy' when the model system's processor made it.
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
    # The name at creation; a rename changes only the label.
    Column("key", Text, nullable=False, unique=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("orientation", String(9), nullable=False),
    Column("recipe", String(10), nullable=False),
    Column("token_hash", String(64)),
    Column("created_at", Float, nullable=False),
    # When its pictures last changed shape: a task that claimed before that owes no such picture.
    Column("changed_at", Float, nullable=False),
    # Seconds that each picture stays; 0: `next` moves on at each call.
    Column("interval_seconds", Integer, nullable=False, server_default="0"),
    # Pixels between two photos that share the screen.
    Column("gap", Integer, nullable=False, server_default="0"),
    Column("pairing", Boolean, nullable=False, server_default=false()),
    # That of its half pictures; without pairing there are none.
    Column("half_recipe", String(10)),
    # Which photos it shows; none: all.
    Column("filters", JSON(none_as_null=True)),
    # When it last asked, to the minute.
    Column("seen_at", Float),
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
    # What Cloud Run calls it (projects/.../executions/NAME), and the operation that ends with it.
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
    # With the pid it tells this process from a later one of the same number.
    Column("pid_started", Text, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

# Images that were deleted: a late result of one is refused, and what was begun is ended.
tombstones = Table(
    "tombstones",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("deleted_at", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    # Whether the record, the rows and the notes for removal all say so.
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

# Named locks with an end, for work that must not overlap even between two processes.
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
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`, for this connection's database."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
