"""`slideshow`: the group of commands. A command is imported when it runs, so that `--help` is fast."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "demo": "Run the whole system on your photos, or on 12 generated ones.",
    "serve": "Run the backend, configured by environment variables.",
    "render": "Render photos for frames, without a backend.",
    "colours": "Show palettes and Material schemes of photos, without a backend.",
    "framing": "Write an HTML page that previews how photos are cropped for five screen sizes.",
    "upload": "Upload photos to a backend.",
    "devices": "List, add, resize or remove frames, and renew their tokens.",
    "status": "Show a backend's queue and its latest executions.",
    "verify": "Compare the database with the bucket, and repair the differences.",
    "rebuild": "Recreate the database from the bucket.",
    "cost": "Estimate what rendering costs on Google Cloud.",
    "logout-everywhere": "End the logins of all browsers and programs.",
    "doctor": "Check what a backend needs, and print a fix for each error.",
    "import-model": "Import the database of the legacy slideshow system.",
    "retry": "Put failed or stuck photos back into the queue.",
    "turn": "Turn photos that a camera stored with a wrong orientation.",
}
"""The name and the one-line help of each command."""
MODULES = {"import-model": "import_legacy", "logout-everywhere": "logout_everywhere"}
"""Modules of `slideshow.commands` that are not named like their command."""


class LazyGroup(click.Group):
    """A command group that lists its commands by `COMMANDS`, and imports only the command that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = MODULES.get(cmd_name, cmd_name)
        command = getattr(importlib.import_module(f"slideshow.commands.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="photo-slideshow", message="%(package)s %(version)s")
def main() -> None:
    """Render photos for picture frames, each in the frame's exact size and with matching colours.

    Start with "slideshow demo": it needs no other program and no photos. "slideshow COMMAND --help"
    explains a command.
    """


if __name__ == "__main__":
    main(prog_name="slideshow")
