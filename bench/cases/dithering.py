"""Dithering for e-paper: CPU and error of 800 x 480 pixels, compared with Pillow, ImageMagick and epaper-dithering.

Two references, both in light after a blur:

- "same target": every contender has to show the same colours, those to which `native` fits the photo. The others get
  them as an 8-bit picture, so none is judged by another's tone.
- "own tone": each is judged by what it wants to show: the photo as its own tone and gamut options changed it, or the
  unchanged photo for a contender without such options.

All use the same measured inks. A sheet of all pictures is written into the folder that `BENCH_SHEETS` names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bench.contenders import dithering as contenders
from bench.contenders.dithering import Contender, EpaperDithering, Inks, Pixels, light_of
from bench.core.results import CaseFailed, CaseResult, Check, Sample, Series, at_most
from bench.core.runner import Context
from bench.core.samples import Photo
from bench.quality.oklab import blurred, blurred_error, chroma, oklab
from contract.panels import PANELS, PanelName

NAME = "dithering"
SUMMARY = "dithering for four e-paper panels, compared with Pillow, ImageMagick and epaper-dithering"

WIDTH, HEIGHT, PHOTOS = 800, 480, 12
PANEL_NAMES: tuple[PanelName, ...] = ("spectra6", "acep7", "bwry", "grey4")
LIBRARY = "epaper-dithering"
LIBRARY_FORMS = (LIBRARY, f"{LIBRARY}, Floyd-Steinberg", f"{LIBRARY}, tone and gamut")
MAX_CHROMA = 4.0
SHEETS = "BENCH_SHEETS"


def run(context: Context) -> CaseResult:
    """Run all contenders photo by photo."""
    pictures = dict(_pictures(context.photos))
    if not pictures:
        raise CaseFailed("none of the samples can be decoded")
    with closing(EpaperDithering(context.scratch)) as library:
        ways: dict[str, Contender] = {"ours": contenders.ours, "pillow": contenders.pillow}
        missing = []
        if reason := contenders.missing_imagemagick():
            missing.append(f"imagemagick: {reason}")
        else:
            ways["imagemagick"] = contenders.imagemagick(context.scratch)
        if library.missing:
            missing.append(f"{LIBRARY}: {library.missing}")
        else:
            forms = (library.contender(), library.contender(burkes=False), library.contender(tone=True))
            ways |= dict(zip(LIBRARY_FORMS, forms, strict=True))
        series = [
            _measured(context, panel, name, pixels, ways) for panel in PANEL_NAMES for name, pixels in pictures.items()
        ]
        facts = _neutrality(ways)
    flat = tuple(each for group in series for each in group)
    facts |= _facts(flat)
    return CaseResult(
        case=NAME,
        series=flat,
        facts=facts,
        checks=tuple(_checks(facts)),
        missing=tuple(missing),
        versions={LIBRARY: library.version} if library.version else {},
    )


def _pictures(photos: tuple[Photo, ...]) -> Iterable[tuple[str, Pixels]]:
    from processor.errors import RenderError
    from processor.render.decode import decode
    from processor.render.decode_plan import standard_shrink
    from processor.render.decoded_image import cut
    from processor.render.header import read_header

    count = 0
    for photo in photos:
        data = photo.read()
        try:
            header = read_header(data, photo.name)
            decoded = decode(data, header, standard_shrink(header), photo.name)
        except RenderError:  # a damaged photo cannot be dithered
            continue
        yield photo.name, cut(decoded, header, WIDTH, HEIGHT, (0.5, 0.5))
        count += 1
        if count == PHOTOS:
            return


def _measured(
    context: Context, panel: PanelName, photo: str, pixels: Pixels, ways: dict[str, Contender]
) -> list[Series]:
    """Measure all contenders on one photo, in turn."""
    inks = PANELS[panel].measured
    fitted = contenders.ours(pixels, inks).reference
    if fitted is None:
        raise CaseFailed("the fitted picture is missing")
    target = _as_pixels(fitted)
    references = {name: oklab(blurred(light)) for name, light in _references(pixels, target, fitted).items()}
    light = light_of(np.array(inks, np.uint8))
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    shown: dict[str, Pixels] = {}
    for number in range(context.rounds):
        for name, way in ways.items():
            own = way(pixels, inks)
            extra: dict[str, float] = {}
            if number == 0:
                same = own.numbers if name == "ours" else way(target, inks).numbers
                target_seen = references["fitted" if name == "ours" else "target"]
                extra["same_target_mean"], extra["same_target_p95"] = blurred_error(light[same], target_seen)
                wanted = references["photo"]
                if own.reference is not None:
                    wanted = references["fitted"] if name == "ours" else oklab(blurred(own.reference))
                extra["own_tone_mean"], extra["own_tone_p95"] = blurred_error(light[own.numbers], wanted)
                shown[name] = np.array(inks, np.uint8)[own.numbers]
            samples[name].append(Sample(cpu_s=own.cpu_ms / 1000, wall_s=0.0, extra=extra))
    context.report(f"  {panel}, {photo}")
    if folder := os.environ.get(SHEETS):
        _write_sheet(Path(folder) / f"{panel}-{Path(photo).stem}.png", {"photo": pixels, **shown})
    return [Series(contender=name, subject=photo, group=panel, samples=tuple(own)) for name, own in samples.items()]


def _references(pixels: Pixels, target: Pixels, fitted: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {"photo": light_of(pixels), "target": light_of(target), "fitted": fitted}


def _as_pixels(light: NDArray[np.float64]) -> Pixels:
    share = np.clip(light, 0, 1)
    level = np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * level), np.uint8)


def _write_sheet(path: Path, shown: dict[str, Pixels]) -> None:
    """Write the pictures side by side, at half of their size, averaged in light."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    halves = [
        _as_pixels(light_of(each).reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean((1, 3))) for each in shown.values()
    ]
    Image.fromarray(np.concatenate(halves, 1)).save(path)


def _neutrality(ways: dict[str, Contender]) -> dict[str, float]:
    """Return the mean CIELAB chroma of a grey ramp and of a white wall after the blur, for Spectra 6."""
    ramp = np.broadcast_to(
        np.linspace(0, 255, WIDTH).round().astype(np.uint8)[None, :, None], (HEIGHT, WIDTH, 3)
    ).copy()
    wall = np.full((HEIGHT, WIDTH, 3), 235, np.uint8)
    inks: Inks = PANELS["spectra6"].measured
    light = light_of(np.array(inks, np.uint8))
    return {
        f"{name}: chroma of a {kind}": float(chroma(blurred(light[way(pixels, inks).numbers])).mean())
        for name, way in ways.items()
        for kind, pixels in (("grey ramp", ramp), ("white wall", wall))
    }


def _facts(series: tuple[Series, ...]) -> dict[str, float]:
    facts = {}
    for panel in PANEL_NAMES:
        for name in dict.fromkeys(each.contender for each in series):
            own = [each for each in series if each.contender == name and each.group == panel]
            facts[f"{panel}, {name}: CPU ms, mean"] = 1000 * fmean(
                float(np.median([sample.cpu_s for sample in each.samples])) for each in own
            )
            for figure in ("same_target_mean", "same_target_p95", "own_tone_mean", "own_tone_p95"):
                facts[f"{panel}, {name}: {figure}"] = fmean(each.samples[0].extra[figure] for each in own)
    return facts


def _checks(facts: dict[str, float]) -> Iterable[Check]:
    if f"{PANEL_NAMES[0]}, {LIBRARY}: CPU ms, mean" not in facts:
        return
    for panel in PANEL_NAMES:
        barest = min(facts[f"{panel}, {form}: CPU ms, mean"] for form in LIBRARY_FORMS[:2])
        ratio = facts[f"{panel}, ours: CPU ms, mean"] / barest
        yield at_most(f"{panel}: CPU compared with the library at its barest", ratio, 1 / 3)
        for figure in ("same_target_p95", "own_tone_p95"):
            best = min(facts[f"{panel}, {form}: {figure}"] for form in LIBRARY_FORMS)
            yield at_most(
                f"{panel}: {figure} compared with the library's best", facts[f"{panel}, ours: {figure}"] / best, 1
            )
    for kind in ("grey ramp", "white wall"):
        ours = facts[f"ours: chroma of a {kind}"]
        yield at_most(
            f"chroma of a {kind} compared with the library", ours / facts[f"{LIBRARY}: chroma of a {kind}"], 1
        )
    yield at_most("chroma of a grey ramp", facts["ours: chroma of a grey ramp"], MAX_CHROMA, "")
