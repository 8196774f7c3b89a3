"""Stages over time: the steps of one image below each other, and what every thread of the tasks did."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.core.results import Span
from bench.report.drawing import Drawing, number, text_width, ticks

LOOKS = {
    "load": "load",
    "header": "read",
    "fetch": "read",
    "decode": "decode",
    "resize": "resize",
    "encode": "encode",
    "proxy": "colours",
    "colours": "colours",
}
"""The colour of a stage; every other one waits for the backend or the bucket."""

LEGEND = (
    ("decode", "decode"),
    ("resize", "resize"),
    ("encode", "encode"),
    ("colours", "proxy and colours"),
    ("load", "load rendering"),
    ("read", "fetch and header"),
    ("wait", "wait: claim, attempt, store, report"),
)


def look_of(stage: str) -> str:
    """The name of a stage's colour."""
    return LOOKS.get(stage, "wait")


def image_of(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The steps of one image: of all images that a thread rendered from a decode on, the one in the median of time.

    Empty where no thread decoded. A thread's last image counts only if its colours were found.
    """
    images: list[list[Span]] = []
    for subject in dict.fromkeys(span.subject for span in spans):
        own = sorted((span for span in spans if span.subject == subject), key=lambda span: span.begins_s)
        begun: list[Span] = []
        for span in own:
            if span.stage == "decode" and any(before.stage != "decode" for before in begun):
                begun = []
            if span.stage == "decode" or begun:
                begun.append(span)
            if span.stage == "colours" and begun and begun[0].stage == "decode":
                images.append(begun)
                begun = []
    if not images:
        return ()
    images.sort(key=lambda image: image[-1].ends_s - image[0].begins_s)
    return tuple(images[(len(images) - 1) // 2])


def waterfall(label: str, steps: Sequence[Span], width: float) -> Drawing:
    """A row for each stage, in the order of their first beginnings; the time that a stage took stands beside it."""
    zero, end = steps[0].begins_s, max(step.ends_s for step in steps)
    stages = list(dict.fromkeys(step.stage for step in steps))
    narrow = width < 480
    left = max(text_width(stage) for stage in stages) + 12
    right = 70.0 if narrow else 130.0
    scale = (width - left - right) / ((end - zero) * 1000)
    row, top = 28.0, 4.0
    bottom = top + row * len(stages)
    drawing = Drawing(width, bottom + 36, label)
    for tick in ticks((end - zero) * 1000, 3 if narrow else 6):
        drawing.line(left + tick * scale, top, left + tick * scale, bottom, "grid")
        drawing.text(left + tick * scale, bottom + 16, number(tick), "m", "middle")
    drawing.text(width - right, bottom + 33, "ms after its decode began (wall)", "m", "end")
    for place, stage in enumerate(stages):
        y = top + place * row
        own = [step for step in steps if step.stage == stage]
        drawing.text(0, y + 18, stage)
        for step in own:
            begin, long = (step.begins_s - zero) * 1000, (step.ends_s - step.begins_s) * 1000
            says = f"{stage}: {number(long)} ms, from {number(begin)} ms on"
            drawing.rect(left + begin * scale, y + 5, max(1.0, long * scale), 18, f"f-{look_of(stage)}", says, 1)
        total = sum(step.ends_s - step.begins_s for step in own) * 1000
        times = f" in {len(own)}" if len(own) > 1 and not narrow else ""
        drawing.text(left + (end - zero) * 1000 * scale + 10, y + 18, f"{number(total)} ms{times}", "v")
    return drawing


def lane_of(subject: str) -> tuple[str, str]:
    """(Task, lane) of a thread, such as ("task 0", "files") for "task 0, io_3": all threads of files are one lane."""
    task, _, thread = subject.partition(", ")
    if thread.startswith("render"):
        return task, f"render {int(re.sub(r'[^0-9]', '', thread) or 0) + 1}"
    return task, "backend" if thread == "MainThread" else "files"


def lanes(label: str, spans: Sequence[Span], width: float) -> Drawing:
    """What every task did over time, a lane for its talk with the backend, its files, and each thread that renders."""
    of = sorted({lane_of(span.subject) for span in spans})
    end = max(span.ends_s for span in spans)
    left = max(text_width(f"{task} {lane}") for task, lane in of) * 0.94
    scale = (width - left - 8) / end
    row, top, gap = 24.0, 4.0, 10.0
    places: dict[tuple[str, str], float] = {}
    y = top
    for place, (task, lane) in enumerate(of):
        y += gap if place and of[place - 1][0] != task else 0
        places[task, lane] = y
        y += row
    drawing = Drawing(width, y + 36, label)
    for tick in ticks(end, 4 if width < 480 else 8):
        drawing.line(left + tick * scale, top, left + tick * scale, y, "grid")
        drawing.text(left + tick * scale, y + 16, number(tick), "m", "middle")
    drawing.text(width, y + 33, "s after the first upload began", "m", "end")
    for task, lane in of:
        drawing.text(0, places[task, lane] + 16, f"{task} {lane}", "t" if lane.startswith("render") else "m")
    for span in spans:
        long = span.ends_s - span.begins_s
        if long * scale < 0.15:  # thinner than anything that could be seen
            continue
        height = places[lane_of(span.subject)]
        says = f"{span.stage}: {number(long * 1000)} ms at {number(span.begins_s)} s"
        drawing.rect(left + span.begins_s * scale, height + 4, long * scale, 16, f"f-{look_of(span.stage)}", says, 0)
    return drawing
