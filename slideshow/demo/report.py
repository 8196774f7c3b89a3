"""The report of a demo: one line per photo and one line of figures, or one JSON object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contract.messages.admin import ImageInfo
from slideshow.client.uploads import SentPhoto
from slideshow.output import counted
from slideshow.photos.files import printable

GOAL_IMAGES_PER_SECOND = 50 / 300
"""The design goal: 50 images in 5 minutes."""

Outcome = Literal["complete", "failed", "rejected", "duplicate"]
_STYLES: dict[Outcome, str] = {"complete": "green", "failed": "red", "rejected": "yellow", "duplicate": "cyan"}


class FileError(Struct, frozen=True):
    """A file that failed or was rejected, and why."""

    file: str
    error: str


class PhotoLine(Struct, frozen=True, kw_only=True):
    """The outcome for one file.

    Attributes:
        file: The path.
        outcome: The outcome of this run.
        size: Width and height of the upright photo.
        reason: Why it failed or was rejected, or a remark.
        state: The image's state in the backend; "removed" if it no longer exists, empty for a rejected file.
        colours: `#RRGGBB`, best first.
    """

    file: str
    outcome: Outcome
    size: str = ""
    reason: str = ""
    state: str = ""
    colours: tuple[str, ...] = ()


class Figures(Struct, frozen=True, kw_only=True):
    """The JSON object of `--json`, about the files of this run.

    `images` is the sum of complete, failed, refused (rejected) files and duplicates. `variants` counts those rendered
    in this run, without thumbnails. Times are in seconds; `peak_rss_mb` is the memory of the largest task in MB
    (10^6 bytes).
    """

    images: int
    complete: int
    failed: tuple[FileError, ...]
    refused: tuple[FileError, ...]
    duplicates: int
    variants: int
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    data: str
    url: str


def line_of(photo: SentPhoto, images: Mapping[str, ImageInfo]) -> PhotoLine:
    """Return the outcome for one file, from its upload and the backend's images by id."""
    file = printable(photo.path)
    if photo.image_id is None:
        return PhotoLine(file=file, outcome="rejected", reason=photo.rejected or "rejected without a reason")
    image = images.get(photo.image_id)
    if image is None:
        outcome: Outcome = "duplicate" if photo.duplicate else "failed"
        return PhotoLine(file=file, outcome=outcome, reason="it was removed while the demo ran", state="removed")
    state, error = image.processing_status, image.processing_error or ""
    if photo.duplicate:
        outcome = "duplicate"
        reason = f"already uploaded before, {state}" + (f": {error}" if error and state == "failed" else "")
    elif state == "complete" and image.color_palette is not None:
        outcome, reason = "complete", error  # a complete photo may have a remark, e.g. that it was cut off
    else:
        outcome, reason = "failed", error or f"it is still {state}, without a reason"
    return PhotoLine(
        file=file,
        outcome=outcome,
        size=f"{image.width}x{image.height}",
        reason=reason,
        state=state,
        colours=image.color_palette.all_colors if image.color_palette and outcome != "failed" else (),
    )


def figures_of(
    lines: Sequence[PhotoLine],
    *,
    variants: int,
    wall_s: float,
    cpu_s: float,
    peak_rss_mb: float,
    data: str,
    url: str,
) -> Figures:
    """Count the outcomes."""

    def errors(outcome: Outcome) -> tuple[FileError, ...]:
        return tuple(FileError(line.file, line.reason) for line in lines if line.outcome == outcome)

    return Figures(
        images=len(lines),
        complete=sum(line.outcome == "complete" for line in lines),
        failed=errors("failed"),
        refused=errors("rejected"),
        duplicates=sum(line.outcome == "duplicate" for line in lines),
        variants=variants,
        wall_s=round(wall_s, 3),
        cpu_s=round(cpu_s, 3),
        peak_rss_mb=round(peak_rss_mb, 1),
        data=data,
        url=url,
    )


def print_table(console: Console, lines: Sequence[PhotoLine]) -> None:
    """Print a row per photo. Without colours on the terminal, the first three are printed as numbers."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Photo", overflow="fold")
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("State", overflow="fold")
    table.add_column("Colours", no_wrap=True)
    for line in lines:
        state = Text(line.outcome, style=_STYLES[line.outcome])
        if line.reason:
            state.append(f": {line.reason}", style="default")
        table.add_row(Text(line.file), line.size, state, _swatches(line.colours, console.color_system is not None))
    console.print(table)


def _swatches(colours: Sequence[str], in_colour: bool) -> Text:
    if not in_colour:
        return Text(" ".join(colours[:3]))
    return Text.assemble(*(("   ", f"on {colour}") for colour in colours))


def summary(figures: Figures, lines: Sequence[PhotoLine]) -> str:
    """Return the figures as one line of text. `lines` are the counted ones."""
    states = Counter(line.state for line in lines if line.outcome == "duplicate")
    duplicates = ", ".join(f"{number} {state}" for state, number in states.most_common())
    outcomes = [
        f"{number} {label}"
        for number, label in (
            (figures.complete, "complete"),
            (len(figures.failed), "failed"),
            (len(figures.refused), "rejected"),
            (figures.duplicates, f"already uploaded ({duplicates})"),
        )
        if number
    ]
    parts = [
        f"{counted(figures.images, 'photo')}: {outcomes[0] if outcomes else 'nothing done'}",
        *outcomes[1:],
        counted(figures.variants, "variant"),
        f"{figures.wall_s:.1f} s wall",
        f"{figures.cpu_s:.1f} s CPU",
    ]
    if figures.variants and figures.complete:
        pace = figures.complete / figures.wall_s
        parts += [
            f"{pace:.1f} photos/s",
            f"largest task {figures.peak_rss_mb:.0f} MB",
            f"{_times(pace / GOAL_IMAGES_PER_SECOND)} as fast as the goal of 50 photos in 5 minutes",
        ]
    elif not figures.variants:
        parts.append("nothing to render")
    return " · ".join(parts)


def _times(factor: float) -> str:
    """Return the factor with a decimal if it is small, so that 0.4 does not become 0."""
    return f"{factor:.0f} times" if factor >= 9.95 else f"{factor:.1f} times"
