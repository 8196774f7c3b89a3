"""libvips as this process uses it. Every file that needs pyvips imports it from here.

The settings are process-wide and made once, before the first picture; nothing changes them later,
because pictures are rendered on several threads at once. What each one is good for:

- One libvips thread a picture. JPEG coding is single-threaded, so N pictures in flight on one thread
  each beat N threads on one picture. libvips would count the host's cores, not the container's share,
  and it reads the variable only while it starts: it has to be set before the import.
- No operation cache. No photo is ever asked for twice, so the cache would only hold memory.
- Loaders that libvips marks as untrusted are off, on top of our own list of formats.
- One libde265 thread a HEIC photo, for the same reason as the first.
"""

from __future__ import annotations

import os

os.environ["VIPS_CONCURRENCY"] = "1"

import pi_heif
import pyvips

pyvips.cache_set_max(0)
pyvips.block_untrusted_set(True)
pi_heif.options.DECODE_THREADS = 1

__all__ = ["pi_heif", "pyvips"]
