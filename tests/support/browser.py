"""A system Chromium for the tests and pictures of the pages; none is ever downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
HOW = "no Chromium was found: install one (Debian: apt-get install chromium) or name it with CHROMIUM=/path/to/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
THEMES = ("light", "dark")
WAIT_MS = 30_000
SERIOUS = ("serious", "critical")


def chromium() -> str | None:
    """The path of the Chromium to be used, or None."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if os.access(named, os.X_OK) else None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium. Raises FileNotFoundError where there is none."""
    path = chromium()
    if path is None:
        raise FileNotFoundError(HOW)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: Browser, url: str, size: str = "desktop", theme: str = "light") -> BrowserContext:
    """A profile of its own, on a screen of this size and theme."""
    width, height = SIZES[size]
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        has_touch=size == "phone",
        is_mobile=size == "phone",
        locale="en-GB",
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_MS)
    return context


class Watched:
    """A page, and whatever it complains about: errors of scripts, and what its own policy forbids."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


def log_in(page: Page, password: str) -> None:
    """Through the form, as a person does."""
    page.goto("/login")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Photos", exact=True).wait_for()


def serious_problems(page: Page) -> list[str]:
    """What axe-core finds serious or worse on this page, whose contrast is looked at in both themes."""
    found = []
    for theme, options in (("light", None), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme="light" if theme == "light" else "dark")
        found += [f"{theme}: {line}" for line in _problems(page, options)]
    page.emulate_media(color_scheme="light")
    return found


def _problems(page: Page, options: dict[str, Any] | None) -> list[str]:
    """The rule, its words, and where."""
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url}: {one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in SERIOUS
    ]
