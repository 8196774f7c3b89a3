"""Start the backend in a Home Assistant add-on: its options become environment variables, and root is given up.

The supervisor writes the options to /data/options.json. The backend's own data are in /data/slideshow, which is part of
the backups of Home Assistant.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPTIONS = Path("/data/options.json")
DATA = Path("/data/slideshow")
USER = 10001
"""The user of the image."""


def variables(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables for these options. An option without a value is left out."""
    set_options = {name.upper(): str(value) for name, value in options.items() if value not in (None, "")}
    return {**set_options, "SLIDESHOW_DATA": str(DATA), "HOST": "0.0.0.0", "PORT": "8080"}


def main() -> None:
    """Prepare the data folder and replace this process by the backend."""
    try:
        options = json.loads(OPTIONS.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"the options of the add-on cannot be read: {error}")
    DATA.mkdir(mode=0o700, exist_ok=True)
    if os.getuid() == 0:
        os.chown(DATA, USER, USER)
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
    os.execve(sys.executable, [sys.executable, "-m", "backend"], {**os.environ, **variables(options)})


if __name__ == "__main__":
    main()
