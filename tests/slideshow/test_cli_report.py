"""Output of the demo: lines, figures, progress. Pure functions over messages."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from contract.messages.admin import ExecutionInfo, ImageInfo, Status
from contract.messages.processing import ImageState, Palette
from slideshow.client.uploads import SentPhoto
from slideshow.commands.status import status_lines
from slideshow.demo.progress import PlainDisplay, display
from slideshow.demo.report import figures_of, line_of, print_table, summary

EIGHT = ("#AA0000", "#00AA00", "#0000AA", "#111111", "#222222", "#333333", "#444444", "#555555")


def image(number: int, state: ImageState, error: str | None = None) -> ImageInfo:
    palette = Palette(primary=EIGHT[0], secondary=EIGHT[1], tertiary=EIGHT[2], source_color=EIGHT[0], all_colors=EIGHT)
    return ImageInfo(
        id=f"{number:032x}",
        filename=f"{number}.jpg",
        file_path="file:///x",
        width=40,
        height=30,
        orientation="landscape",
        processing_status=state,
        ingested_at=0.0,
        processing_error=error,
        color_palette=palette if state == "complete" else None,
    )


def sent(number: int, *, duplicate: bool = False) -> SentPhoto:
    return SentPhoto(Path(f"{number}.jpg"), image_id=f"{number:032x}", duplicate=duplicate)


def test_figures_count_every_file_once() -> None:
    known = {
        f"{number:032x}": found
        for number, found in {
            1: image(1, "complete"),
            2: image(2, "failed", "2.jpg is damaged"),
            3: image(3, "complete"),
            4: image(4, "failed", "4.jpg is damaged"),
            5: image(5, "pending"),
        }.items()
    }
    photos = [
        sent(1),
        sent(2),
        sent(3, duplicate=True),
        sent(4, duplicate=True),
        sent(5),
        sent(6),
        sent(7, duplicate=True),
        SentPhoto(Path("8.jpg"), rejected="8.jpg: no picture"),
    ]
    lines = [line_of(photo, known) for photo in photos]
    assert [line.outcome for line in lines] == [
        "complete",
        "failed",
        "duplicate",
        "duplicate",
        "failed",
        "failed",
        "duplicate",
        "rejected",
    ]
    assert lines[0].colours == EIGHT
    assert (lines[0].size, lines[0].reason) == ("40x30", "")
    assert "4.jpg is damaged" in lines[3].reason
    assert "still pending" in lines[4].reason
    assert "removed" in lines[5].reason
    figures = figures_of(lines, variants=5, wall_s=2.0, cpu_s=1.0, peak_rss_mb=99.96, data="/d", url="http://u")
    assert figures.complete + len(figures.failed) + len(figures.refused) + figures.duplicates == figures.images == 8
    assert [error.file for error in figures.failed] == ["2.jpg", "5.jpg", "6.jpg"]
    assert set(msgspec.json.decode(msgspec.json.encode(figures))) == {
        "images",
        "complete",
        "failed",
        "refused",
        "duplicates",
        "variants",
        "wall_s",
        "cpu_s",
        "peak_rss_mb",
        "data",
        "url",
    }


def test_summary_compares_with_the_goal() -> None:
    lines = [line_of(sent(number), {f"{number:032x}": image(number, "complete")}) for number in range(10)]
    one = summary(figures_of(lines, variants=50, wall_s=6.0, cpu_s=9.0, peak_rss_mb=200, data="", url=""), lines)
    assert "10 photos: 10 complete · 50 variants · 6.0 s wall · 9.0 s CPU · 1.7 photos/s" in one
    assert one.endswith("largest task 200 MB · 10 times as fast as the goal of 50 photos in 5 minutes")
    slow = summary(figures_of(lines, variants=1, wall_s=150.0, cpu_s=9.0, peak_rss_mb=200, data="", url=""), lines)
    assert slow.endswith("0.4 times as fast as the goal of 50 photos in 5 minutes")


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ([], "1 photo: 1 already uploaded (1 removed) · 0 variants"),
        (["complete"], "1 photo: 1 already uploaded (1 complete) · 0 variants"),
        (["complete", "failed", "complete"], "3 photos: 3 already uploaded (2 complete, 1 failed) · 0 variants"),
    ],
)
def test_summary_counts_duplicates_by_state(known: list[ImageState], words: str) -> None:
    images = {f"{number:032x}": image(number, state) for number, state in enumerate(known)}
    lines = [line_of(sent(number, duplicate=True), images) for number in range(max(1, len(known)))]
    nothing = summary(figures_of(lines, variants=0, wall_s=1.0, cpu_s=0.5, peak_rss_mb=0, data="", url=""), lines)
    assert nothing == f"{words} · 1.0 s wall · 0.5 s CPU · nothing to render"


def shown(lines: list[SentPhoto], known: dict[str, ImageInfo], **options: object) -> str:
    out = io.StringIO()
    print_table(Console(file=out, width=100, **options), [line_of(line, known) for line in lines])  # type: ignore[arg-type]
    return out.getvalue()


def test_print_table_shows_swatches_only_on_a_terminal() -> None:
    known = {f"{1:032x}": image(1, "complete")}
    plain = shown([sent(1)], known)
    assert "#AA0000 #00AA00 #0000AA" in plain
    coloured = shown([sent(1)], known, force_terminal=True, color_system="truecolor", legacy_windows=False)
    assert "#AA0000" not in coloured
    for colour in ("170;0;0", "0;170;0", "85;85;85"):
        assert f"\x1b[48;2;{colour}m   " in coloured


def test_print_table_does_not_interpret_markup_in_names() -> None:
    photo = SentPhoto(Path("[red]x[/red].jpg"), rejected="[bold]no[/bold]")
    text = shown([photo], {})
    assert "[red]x[/red].jpg" in text
    assert "[bold]no[/bold]" in text


def status(**images: int) -> Status:
    return Status(
        images=images,  # type: ignore[arg-type]
        variants=0,
        rendered_since=0,
        devices=5,
        executions=(),
    )


def test_plain_display_counts_this_run_only() -> None:
    out, now = io.StringIO(), [0.0]
    plain = PlainDisplay(Console(file=out, width=120), status(complete=7, failed=1), lambda: now[0])
    plain.sent(1, 4, 0)
    assert out.getvalue() == ""
    plain.sent(4, 4, 1)
    now[0] = 5.0
    plain.rendering(status(complete=7, failed=1))
    plain.rendering(status(pending=1, processing=1, complete=8, failed=1))
    plain.rendering(status(pending=1, processing=1, complete=8, failed=1))
    for _ in range(2):  # asked again while the last task ends
        plain.rendering(status(pending=0, processing=0, complete=10, failed=1))
        now[0] += 5.0
    assert out.getvalue().splitlines() == [
        "sent 4 of 4, 1 rejected",
        "rendered 1 of 3; in all 1 pending, 1 processing, 8 complete, 1 failed",
        "rendered 3 of 3; in all 0 pending, 0 processing, 10 complete, 1 failed",
    ]


def test_display_on_a_terminal_draws_bars() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, legacy_windows=False)
    with display(console, 2, status(complete=3)) as bars:
        bars.sent(2, 2, 1)
        bars.rendering(status(complete=3, processing=1))
        bars.rendering(status(complete=4))
    text = out.getvalue()
    for words in ("sent", "2/2", "1 rejected", "rendered", "1/1", "4 complete"):
        assert words in text


def test_status_lines_contain_counts_executions_and_errors() -> None:
    run = ExecutionInfo(
        name="run-1", state="failed", tasks=2, images=9, started_at=1.0, finished_at=3.5, error="broken"
    )
    now = msgspec.structs.replace(
        status(pending=3), executions=(run,), device_auth="open", last_error="disk full", bucket="file:///b"
    )
    text = "\n".join(status_lines(now, "http://here"))
    assert "3 pending, 0 processing, 0 complete, 0 failed" in text
    assert "run-1: failed, 2 tasks for 9 photos, 2.5 s; broken" in text
    assert "DEVICE_AUTH=open" in text
    assert "disk full" in text
    alone = msgspec.structs.replace(now, devices=1, executions=(msgspec.structs.replace(run, tasks=1, images=1),))
    text = "\n".join(status_lines(alone, "http://here"))
    assert "for 1 frame\n" in text
    assert "1 task for 1 photo, 2.5 s" in text
