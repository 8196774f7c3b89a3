"""The bill of a month on Google Cloud, item by item and the largest first. Pure arithmetic, without free allowances.

Prices of us-central1, November 2026: https://cloud.google.com/run/pricing, https://cloud.google.com/storage/pricing,
https://cloud.google.com/vpc/network-pricing, https://cloud.google.com/artifact-registry/pricing,
https://cloud.google.com/secret-manager/pricing and https://cloud.google.com/sql/pricing.
"""

from __future__ import annotations

from msgspec import Struct

from backend.jobs import bill

EGRESS_GIB = 0.12
"""US dollars per GiB that leaves Google's network (premium tier, to the Americas and Europe, up to 1 TiB)."""
STORED_GB = 0.020
CLASS_A_OPERATION = 0.005 / 1000
"""A write, a list or a delete rule of Cloud Storage."""
CLASS_B_OPERATION = 0.0004 / 1000
REGISTRY_GB = 0.10
SECRET_VERSION = 0.06
SQL_CPU_HOUR, SQL_GIB_HOUR, SQL_STORED_GB = 0.0413, 0.007, 0.17
HOURS = bill.MONTH_SECONDS / 3600
REQUEST_SECONDS = 0.1
"""Billed time of a short request, which is the least that is billed."""

RELEASE_GB = 0.5
"""Compressed size of the three images of a release, from 988 MB on top of a base of 125 MB."""
SECRET_VERSIONS = 2
UPTIME_CHECKS_AN_HOUR = 12 * 6
"""Every five minutes, from six regions."""
CALLS_A_PICTURE = 2
"""A frame asks for the next entry, and then for its picture."""
SOFT_DELETE_DAYS = 7.0


class Household(Struct, frozen=True, kw_only=True):
    """The use of the system by a household in a month.

    Attributes:
        frames: Number of frames.
        interval_seconds: Time after which a frame asks for the next picture.
        picture_kib: Size of a picture in KiB.
        library: Number of photos.
        original_mb: Size of an original in MB.
        uploads: New photos in the month.
        open_page_hours: Hours in which a page of the administrator is open, which holds an event stream.
        kept_releases: Releases whose images are kept.
    """

    frames: int = 5
    interval_seconds: float = 30.0
    picture_kib: float = 150.0
    library: int = 10_000
    original_mb: float = 3.0
    uploads: int = 200
    open_page_hours: float = 10.0
    kept_releases: int = 3


class Item(Struct, frozen=True):
    """A line of the bill: its name, its US dollars, and how they are calculated."""

    name: str
    dollars: float
    basis: str


def service_second(size: bill.Size) -> float:
    """Return US dollars per second in which a service with CPU during requests handles at least one request."""
    return size.cpus * bill.CPU_SECOND_ON_REQUEST + size.memory_gib * bill.GIB_SECOND_ON_REQUEST


def month(household: Household, rendering_dollars: float) -> list[Item]:
    """Return the lines of a month's bill, the largest first.

    Args:
        household: What happens in the month.
        rendering_dollars: The bill of the tasks, from the forecast.
    """
    pictures = household.frames * bill.MONTH_SECONDS / household.interval_seconds
    ticks = bill.MONTH_SECONDS / 60.0
    call = REQUEST_SECONDS * service_second(bill.SERVICE) + bill.REQUEST
    checks = UPTIME_CHECKS_AN_HOUR * HOURS
    variants = household.library * household.frames
    stored = household.library * household.original_mb / 1000 + variants * household.picture_kib * 1024 / 1e9
    uploads = household.uploads
    items = [
        Item(
            "pictures sent to frames",
            pictures * household.picture_kib / 1024**2 * EGRESS_GIB,
            f"{pictures * household.picture_kib / 1024**2:,.1f} GiB of traffic",
        ),
        Item("requests of frames", pictures * CALLS_A_PICTURE * call, f"{pictures * CALLS_A_PICTURE:,.0f} requests"),
        Item("stored photos", stored * STORED_GB, f"{stored:,.1f} GB of originals and variants"),
        Item(
            "open pages",
            household.open_page_hours * 3600 * service_second(bill.SERVICE),
            f"{household.open_page_hours:g} h with an event stream, which keeps the instance busy",
        ),
        Item("periodic work", bill.ticked_month(bill.SERVICE), f"Cloud Scheduler and {ticks:,.0f} requests"),
        Item(
            "operations of the bucket",
            (ticks + uploads * (4 + household.frames)) * CLASS_A_OPERATION
            + (ticks + checks + pictures) * CLASS_B_OPERATION,
            "a list and a read for each periodic run, a read for each picture, writes for each upload",
        ),
        Item("uptime check", checks * call, f"{checks:,.0f} requests; the checks themselves are free"),
        Item(
            "image repository",
            household.kept_releases * RELEASE_GB * REGISTRY_GB,
            f"{household.kept_releases} releases of {RELEASE_GB:g} GB",
        ),
        Item("secrets", SECRET_VERSIONS * SECRET_VERSION, f"{SECRET_VERSIONS} versions"),
        Item("rendering", rendering_dollars, f"{uploads:,} photos, one by one"),
    ]
    return sorted(items, key=lambda item: -item.dollars)


def soft_delete_month(snapshot_mib: float, every_seconds: float) -> float:
    """Return US dollars per month for overwritten snapshots in a bucket that keeps deleted objects for a week.

    Args:
        snapshot_mib: Size of a snapshot in MiB.
        every_seconds: Time between two snapshots, all month long.
    """
    kept = SOFT_DELETE_DAYS * 86_400 / every_seconds
    return kept * snapshot_mib * 1024**2 / 1e9 * STORED_GB


def cloud_sql_month(cpus: float, memory_gib: float, stored_gb: float) -> float:
    """Return US dollars per month for a Cloud SQL server (Enterprise edition) that runs all the time."""
    return HOURS * (cpus * SQL_CPU_HOUR + memory_gib * SQL_GIB_HOUR) + stored_gb * SQL_STORED_GB
