"""Render every file of a folder whole, and compare it with an independent decoder: `python -m bench.fidelity FOLDER`.

Prints a line for each file and a table by format, and writes a page with the outliers side by side.
"""

from __future__ import annotations

import base64
import html
import io
from collections import defaultdict
from pathlib import Path

import click
import numpy as np
from msgspec import Struct
from PIL import Image

from backend.http.errors import HttpProblem
from backend.images.header import read_upload_header
from bench.fidelity.reference import reference
from processor.errors import RenderError
from processor.render.decode import decode
from processor.render.decoded_image import cut
from processor.render.header import read_header

LONG_SIDE = 1024
MAX_DIFFERENCE = 7.0
"""Mean difference, of 255, above which a picture is an outlier. Chroma subsampling and resizing reach 3."""
_MAX_PIXELS = 110_000_000


class Finding(Struct):
    """The comparison of one file. `difference` is None if one side has no picture."""

    name: str
    kind: str
    difference: float | None = None
    decoder: str = ""
    note: str = ""
    ours: Image.Image | None = None
    theirs: Image.Image | None = None

    @property
    def is_outlier(self) -> bool:
        """Return True for a picture that differs, a size that differs, and a file that only the other side opens."""
        return bool(self.note) or (self.difference is not None and self.difference > MAX_DIFFERENCE)


def fitted(width: int, height: int) -> tuple[int, int]:
    """Return the size at which a photo is compared: its own, or at most `LONG_SIDE` pixels on its long side."""
    scale = min(1.0, LONG_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def rendered(data: bytes, name: str) -> Image.Image:
    """Return the whole photo as the renderer decodes, converts and resizes it. Raises RenderError."""
    header = read_header(data, name)
    size = fitted(header.upright_width, header.upright_height)
    shrink = next(s for s in (8, 4, 2, 1) if s == 1 or max(header.width, header.height) // s >= LONG_SIDE)
    return Image.fromarray(cut(decode(data, header, shrink, name), header, *size))


def compare(data: bytes, name: str) -> Finding:
    """Compare one file."""
    finding = Finding(name, Path(name).suffix.lower().lstrip(".") or "none")
    problem = ""
    try:
        upload = read_upload_header(data, name, max_pixels=_MAX_PIXELS, max_progressive_pixels=_MAX_PIXELS)
        finding.kind = upload.extension.lstrip(".")
        finding.ours = rendered(data, name)
        if fitted(upload.width, upload.height) != finding.ours.size:
            finding.note = f"the upload reads {upload.width} x {upload.height}, the picture is {finding.ours.size}"
    except (HttpProblem, RenderError) as error:
        problem = str(error)
    try:
        full, finding.decoder = reference(data)
        finding.theirs = full.resize(fitted(*full.size), Image.Resampling.LANCZOS)
    except Exception as error:  # noqa: BLE001 - Pillow raises nearly any type of exception for a damaged file
        finding.decoder = f"not opened: {error}"
    if problem:
        finding.note = problem if finding.theirs is not None else ""
        finding.decoder = finding.decoder if finding.theirs is not None else f"both refuse it: {problem}"
    elif finding.theirs is None:
        finding.note = f"only we open it; {finding.decoder}"
    elif finding.ours is not None and finding.ours.size != finding.theirs.size:
        finding.note = f"ours is {finding.ours.size}, theirs is {finding.theirs.size}"
    elif finding.ours is not None:
        ours, theirs = (np.asarray(image, np.int16) for image in (finding.ours, finding.theirs))
        finding.difference = float(np.abs(ours - theirs).mean())
    return finding


def table(findings: list[Finding]) -> str:
    """Return the table by format."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.kind].append(finding)
    lines = ["format   files  compared  median  worst  outliers"]
    for kind, members in sorted(groups.items()):
        values = sorted(member.difference for member in members if member.difference is not None)
        middle, worst = (f"{values[len(values) // 2]:.2f}", f"{values[-1]:.2f}") if values else ("-", "-")
        outliers = sum(member.is_outlier for member in members)
        lines.append(f"{kind:8} {len(members):5}  {len(values):8}  {middle:>6}  {worst:>5}  {outliers:8}")
    return "\n".join(lines)


def page(findings: list[Finding]) -> str:
    """Return an HTML page with ours on the left and theirs on the right."""
    rows = "".join(
        f"<h2>{html.escape(finding.name)}</h2><p>{html.escape(describe(finding))}</p>"
        f"{_picture(finding.ours)} {_picture(finding.theirs)}"
        for finding in findings
        if finding.is_outlier
    )
    style = "body{font-family:sans-serif;background:#888}img{max-width:45vw;max-height:60vh;vertical-align:top}"
    return f"<!doctype html><meta charset=utf-8><title>Fidelity</title><style>{style}</style><h1>Outliers</h1>{rows}"


def describe(finding: Finding) -> str:
    """Return one line about a file."""
    difference = "" if finding.difference is None else f"difference {finding.difference:.2f}; "
    return f"{difference}{finding.decoder}{'; ' + finding.note if finding.note else ''}"


def _picture(image: Image.Image | None) -> str:
    if image is None:
        return "<em>no picture</em>"
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}" alt="">'


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--page", "output", type=click.Path(path_type=Path), default=Path("build/fidelity.html"), show_default=True
)
def main(folder: Path, output: Path) -> None:
    """Compare every file below FOLDER with an independent decoder."""
    findings = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        finding = compare(path.read_bytes(), str(path.relative_to(folder)))
        click.echo(f"{'!' if finding.is_outlier else ' '} {finding.name}: {describe(finding)}")
        if not finding.is_outlier:
            finding.ours = finding.theirs = None
        findings.append(finding)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page(findings), encoding="utf-8")
    click.echo(f"\n{table(findings)}\n\noutliers side by side: {output}")


if __name__ == "__main__":
    main()
