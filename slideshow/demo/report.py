"""What came of a demo: one line a photo, one line of figures, or one JSON object."""

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
from slideshow.formatting import counted
from slideshow.photos.reading import printable

GOAL_IMAGES_PER_SECOND = 50 / 300
"""The pace that the system is built for: 50 images in 5 minutes."""

Outcome = Literal["complete", "failed", "refused", "duplicate"]
_STYLES: dict[Outcome, str] = {"complete": "green", "failed": "red", "refused": "yellow", "duplicate": "cyan"}


class FileError(Struct, frozen=True):
    file: str
    error: str


class PhotoLine(Struct, frozen=True, kw_only=True):
    """A file of this run. `colours` are `#RRGGBB`, best first; `size` that of the upright photo.

    `state` is the image's own in the backend, `removed` if it is there no more, and empty for what was refused.
    """

    file: str
    outcome: Outcome
    size: str = ""
    reason: str = ""
    state: str = ""
    colours: tuple[str, ...] = ()


class Figures(Struct, frozen=True, kw_only=True):
    """The JSON object of `--json`. Counts are of this run's files: `images` = complete + failed + refused +
    duplicates. `variants` were rendered in this run, thumbnails not counted; times in seconds, memory in MB (10^6
    bytes), of the largest task.
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


def line_of(photo: SentPhoto, known: Mapping[str, ImageInfo]) -> PhotoLine:
    """What became of one file, from its upload and from what the backend knows about its image now."""
    file = printable(photo.path)
    if photo.image_id is None:
        return PhotoLine(file=file, outcome="refused", reason=photo.refused or "refused without a reason")
    image = known.get(photo.image_id)
    if image is None:
        reason = "the backend does not know it any more; it was removed while the demo ran"
        return PhotoLine(
            file=file, outcome="duplicate" if photo.duplicate else "failed", reason=reason, state="removed"
        )
    state = image.processing_status
    reason = image.processing_error or ""
    if photo.duplicate:
        return PhotoLine(
            file=file,
            outcome="duplicate",
            size=f"{image.width}x{image.height}",
            reason=f"its bytes were there before, {state}" + (f": {reason}" if reason and state == "failed" else ""),
            state=state,
            colours=image.color_palette.all_colors if image.color_palette else (),
        )
    if state == "complete" and image.color_palette is not None:
        return PhotoLine(
            file=file,
            outcome="complete",
            size=f"{image.width}x{image.height}",
            reason=reason,  # complete with a remark, such as pixels that were cut off
            state=state,
            colours=image.color_palette.all_colors,
        )
    return PhotoLine(
        file=file,
        outcome="failed",
        size=f"{image.width}x{image.height}",
        reason=reason or f"it is still {state}, without a reason given",
        state=state,
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
    """Count the lines."""

    def errors(outcome: Outcome) -> tuple[FileError, ...]:
        return tuple(FileError(line.file, line.reason) for line in lines if line.outcome == outcome)

    return Figures(
        images=len(lines),
        complete=sum(line.outcome == "complete" for line in lines),
        failed=errors("failed"),
        refused=errors("refused"),
        duplicates=sum(line.outcome == "duplicate" for line in lines),
        variants=variants,
        wall_s=round(wall_s, 3),
        cpu_s=round(cpu_s, 3),
        peak_rss_mb=round(peak_rss_mb, 1),
        data=data,
        url=url,
    )


def print_table(console: Console, lines: Sequence[PhotoLine]) -> None:
    """A row a photo; where the terminal has no colours, the first three are written as numbers."""
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


def sentence_of(figures: Figures, lines: Sequence[PhotoLine]) -> str:
    """The figures as one line; `lines` are those that were counted."""
    before = Counter(line.state for line in lines if line.outcome == "duplicate")
    states = ", ".join(f"{number} {state}" for state, number in before.most_common())
    outcomes = [
        f"{number} {words}"
        for number, words in (
            (figures.complete, "complete"),
            (len(figures.failed), "failed"),
            (len(figures.refused), "refused"),
            (figures.duplicates, f"there before ({states})"),
        )
        if number
    ]
    parts = [
        f"{counted(figures.images, 'image')}: {outcomes[0] if outcomes else 'nothing done'}",
        *outcomes[1:],
        counted(figures.variants, "variant"),
        f"{figures.wall_s:.1f} s wall",
        f"{figures.cpu_s:.1f} s CPU",
    ]
    if figures.variants and figures.complete:
        pace = figures.complete / figures.wall_s
        parts += [
            f"{pace:.1f} images/s",
            f"largest task {figures.peak_rss_mb:.0f} MB",
            f"{_times(pace / GOAL_IMAGES_PER_SECOND)} as fast as the goal of 50 images in 5 minutes",
        ]
    elif not figures.variants:
        parts.append("nothing to render")
    return " · ".join(parts)


def _times(factor: float) -> str:
    """A slow machine's 0.4 must not become 0."""
    return f"{factor:.0f} times" if factor >= 9.95 else f"{factor:.1f} times"
