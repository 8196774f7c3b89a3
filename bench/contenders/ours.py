"""The pipeline itself. The one file of the suite that knows how its insides are called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.contenders.contender import CannotDo, Contender
from bench.quality.outputs import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTENDER = Contender(
    name="ours",
    summary="render_image: one decode (JPEG by libjpeg-turbo, else libvips), own resize and colours, libjpeg-turbo",
    command=lambda: (sys.executable, "-m", "bench.contenders.worker", "ours"),
    missing=lambda: "",
    colours=True,
)


class Way:
    """`render_image` on the devices; the thumbnail is part of it."""

    def __init__(self) -> None:
        from processor.render.palette import load_kernels

        load_kernels()

    def versions(self) -> dict[str, str]:
        """Libvips' version; simplejpeg, imagecodecs and the others are among those of the run."""
        from processor.codecs.vips import pyvips

        return {"libvips (ours)": ".".join(str(pyvips.version(part)) for part in range(3))}

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Name the devices."""
        from contract.messages.processing import Device

        self._path, self._data, self._outputs = path, data, tuple(outputs)
        self._devices = [
            Device(name=output.name, width=output.width, height=output.height)
            for output in outputs
            if output.name != "thumbnail"
        ]

    def run(self) -> list[bytes]:
        """The devices' pictures, and the thumbnail."""
        from contract.recipes import CENTRE
        from processor.errors import RenderError
        from processor.render.pipeline import render_image

        try:
            rendered = render_image(self._data, self._devices, framing=CENTRE, name=self._path)
        except RenderError as error:
            raise CannotDo(str(error)) from error
        return [*(variant.data for variant in rendered.variants), rendered.thumbnail]

    def pictures(self) -> list[NDArray[np.uint8]]:
        """The same pictures, cut and not encoded."""
        from processor.render.decode import decode
        from processor.render.decode_plan import decode_steps
        from processor.render.decoded_image import cut
        from processor.render.header import read_header

        header = read_header(self._data, self._path)
        steps = decode_steps(header, self._devices)
        bases = {step.shrink: decode(self._data, header, step.shrink, self._path) for step in steps}
        shrinks = {place: step.shrink for step in steps for place in step.indices}
        return [
            cut(bases[shrinks.get(place, steps[-1].shrink)], header, output.width, output.height)
            for place, output in enumerate(self._outputs)
        ]
