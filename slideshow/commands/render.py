"""`slideshow render`: render photos into a folder, without backend or bucket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from slideshow.errors import CommandFailed
from slideshow.output import counted, print_json

if TYPE_CHECKING:
    from contract.messages.processing import Device
    from contract.panels import PaletteKind, PanelSetting
    from slideshow.photos.render_to_folder import RenderedFile


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Output folder.",
)
@click.option(
    "--device",
    "devices",
    metavar="NAME=WxH",
    multiple=True,
    help="A frame, such as kitchen=800x480. May be repeated. Default: five common sizes.",
)
@click.option(
    "--panel",
    metavar="PANEL",
    help="Dither for this e-paper panel: spectra6, acep7, bwr, bwry, grey2, grey4, grey16 or custom. Default: JPEG.",
)
@click.option(
    "--container", type=click.Choice(["png", "packed", "bmp"]), help="Kind of file for a panel. Default: png."
)
@click.option(
    "--ink", "inks", metavar="#RRGGBB", multiple=True, help="An ink as measured; repeated in the panel's order."
)
@click.option(
    "--palette", type=click.Choice(["nominal", "measured"]), default="nominal", help="Colours in PNG and BMP."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside folders. On by default.")
def render(
    paths: tuple[Path, ...],
    out: Path,
    devices: tuple[str, ...],
    panel: str | None,
    container: str | None,
    inks: tuple[str, ...],
    palette: PaletteKind,
    as_json: bool,
    recurse: bool,
) -> None:
    """Render each photo for each frame, with a thumbnail and a file that contains its colours.

    PATH is a photo or a folder. Images are written to DIR/<device>/<photo>.jpg, thumbnails to
    DIR/thumbnails/<photo>.jpg, colours to DIR/palettes/<photo>.json. A photo that cannot be rendered is
    reported and skipped. With --panel, images are .png, .bmp or .bin (packed rows) instead.
    """
    from slideshow.photos.files import chosen_photos

    setting = chosen_panel(panel, container, inks)
    chosen = tuple(msgspec.structs.replace(device, panel=setting) for device in chosen_devices(devices))
    files = chosen_photos(paths, recurse=recurse, output=out)
    results = _render_all(files, out, chosen, palette, quiet=as_json)
    rendered = sum(result.error is None for result in results)
    if as_json:
        print_json({"results": results})
    else:
        photos, frames = counted(len(results), "photo"), counted(len(chosen), "frame")
        click.echo(f"rendered {rendered} of {photos} for {frames} into {out}")
    if not rendered:
        raise CommandFailed("none of the photos could be rendered")


def chosen_panel(name: str | None, container: str | None, inks: Sequence[str]) -> PanelSetting | None:
    """Return the panel that the options describe; None: JPEG. Raises click.UsageError."""
    from contract.panels import PanelError, panel_setting

    if name is None:
        if container is not None or inks:
            raise click.UsageError("--container and --ink need --panel")
        return None
    try:
        return panel_setting(name, container, inks)
    except PanelError as error:
        option = {"panel": "--panel", "container": "--container", "inks": "--ink"}[error.field]
        raise click.BadParameter(str(error).partition(": ")[2], param_hint=f"'{option}'") from error


def chosen_devices(texts: Sequence[str]) -> tuple[Device, ...]:
    """Return the devices that `--device` names, or the default ones. Raises click.BadParameter."""
    from slideshow.photos.render_to_folder import RESERVED_FOLDERS
    from slideshow.photos.screens import DEFAULT_SCREENS, screen

    if not texts:
        return DEFAULT_SCREENS
    devices: dict[str, Device] = {}
    for text in texts:
        name, sign, size = text.rpartition("=")
        if not sign:
            raise click.BadParameter(f"{text!r} should be NAME=WxH, such as kitchen=800x480", param_hint="'--device'")
        if name in devices or name in RESERVED_FOLDERS:
            why = "is given twice" if name in devices else "is reserved for an output folder; use another name"
            raise click.BadParameter(f"{name!r} {why}", param_hint="'--device'")
        try:
            devices[name] = screen(name, size)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--device'") from error
    return tuple(devices.values())


def _render_all(
    files: Sequence[Path], out: Path, devices: Sequence[Device], palette: PaletteKind, *, quiet: bool
) -> list[RenderedFile]:
    """Render all files. Report each in their order unless `quiet`; errors are always reported."""
    from slideshow.photos.files import map_photos
    from slideshow.photos.render_to_folder import output_names, render_file

    results: list[RenderedFile] = []
    named = zip(files, output_names(files), strict=True)
    try:
        for result in map_photos(lambda pair: render_file(pair[0], pair[1], out, devices, palette), named):
            results.append(result)
            if result.error is not None:
                click.echo(result.error, err=True)
            elif not quiet:
                click.echo(f"{result.file}: {result.width}x{result.height}, {' '.join(result.colours[:3])}")
    except OSError as error:
        raise CommandFailed(f"{out} cannot be written: {error.strerror or error} ({error.filename})") from error
    return results
