"""Our pipeline. Only this module calls its internal functions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.contenders.contender import CannotDo, Contender, Output

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
    """Call `render_image` for the devices. It also renders the thumbnail."""

    def __init__(self) -> None:
        from processor.render.palette import load_kernels

        load_kernels()

    def versions(self) -> dict[str, str]:
        """Return the version of libvips. The Python packages are in the versions of the run."""
        from processor.codecs.vips import pyvips

        return {"libvips (ours)": ".".join(str(pyvips.version(part)) for part in range(3))}

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Create the devices."""
        from contract.messages.processing import Device

        self._path, self._data, self._outputs = path, data, tuple(outputs)
        self._devices = [
            Device(name=output.name, width=output.width, height=output.height)
            for output in outputs
            if output.name != "thumbnail"
        ]

    def run(self) -> list[bytes]:
        """Render the variants and the thumbnail."""
        from contract.recipes import CENTRE
        from processor.errors import RenderError
        from processor.render.pipeline import render_image

        try:
            rendered = render_image(self._data, self._devices, framing=CENTRE, name=self._path)
        except RenderError as error:
            raise CannotDo(str(error)) from error
        return [*(variant.data for variant in rendered.variants), rendered.thumbnail]

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Crop the same variants without encoding them."""
        from processor.render.decode import decode
        from processor.render.decode_plan import decode_steps
        from processor.render.decoded_image import cut
        from processor.render.header import read_header

        header = read_header(self._data, self._path)
        steps = decode_steps(header, self._devices)
        decoded = {step.shrink: decode(self._data, header, step.shrink, self._path) for step in steps}
        shrinks = {index: step.shrink for step in steps for index in step.indices}
        return [
            cut(decoded[shrinks.get(index, steps[-1].shrink)], header, output.width, output.height)
            for index, output in enumerate(self._outputs)
        ]
