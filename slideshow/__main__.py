"""`slideshow`: the group of commands. Each is imported when it is asked for, so that help is quick."""

from __future__ import annotations

import importlib

import click

# name: (module, attribute, the line in the list of commands)
COMMANDS = {
    "demo": ("slideshow.commands.demo", "demo", "Run the whole system on a folder of photos, or on samples."),
    "serve": ("slideshow.commands.serve", "serve", "Run the backend alone, set up by the environment."),
    "render": ("slideshow.commands.render", "render", "Make pictures for screens, without a backend."),
    "colours": (
        "slideshow.commands.colours",
        "colours",
        "Show palettes and Material schemes of photos, without a backend.",
    ),
    "framing": (
        "slideshow.commands.framing",
        "framing",
        "Write a page of what screens of every shape get of each photo.",
    ),
    "upload": ("slideshow.commands.upload", "upload", "Send photos to a backend."),
    "devices": ("slideshow.commands.devices", "devices", "List, add, resize or remove frames."),
    "status": ("slideshow.commands.status", "status", "Show a backend's queue, and what its tasks did last."),
    "verify": (
        "slideshow.commands.verify",
        "verify",
        "Compare the database with the files in the bucket, and mend it.",
    ),
    "rebuild": ("slideshow.commands.rebuild", "rebuild", "Make the database again out of the bucket alone."),
    "cost": ("slideshow.commands.cost", "cost", "Show what rendering costs on Google Cloud."),
    "doctor": ("slideshow.commands.doctor", "doctor", "Check a backend's surroundings, and say what mends them."),
    "import-model": (
        "slideshow.commands.import_legacy",
        "import_model",
        "Take over the database of the system that this one follows.",
    ),
    "retry": ("slideshow.commands.retry", "retry", "Put failed or stuck photos back into the queue."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="photo-slideshow", message="%(package)s %(version)s")
def main() -> None:
    """Photos in, pictures and colours for every screen out.

    Begin with "slideshow demo", which needs nothing but this program. "slideshow COMMAND --help"
    explains a command.
    """


if __name__ == "__main__":
    main(prog_name="slideshow")
