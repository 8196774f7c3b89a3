"""Use the system's Chromium for page tests and screenshots; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
MISSING = "Chromium not found: install it (Debian: apt-get install chromium) or set CHROMIUM=/path/to/chromium"
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
    """Return the path of Chromium, or None."""
    path = os.environ.get("CHROMIUM")
    if path:
        return path if os.access(path, os.X_OK) else None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a headless Chromium. Raises FileNotFoundError if there is none."""
    path = chromium()
    if path is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: Browser, url: str, size: str = "desktop", theme: str = "light") -> BrowserContext:
    """Open a new browser profile with this screen size and theme."""
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


class WatchedPage:
    """A page, and the errors that the browser logs for it: script errors and policy violations."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._record)

    def _record(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


def log_in(page: Page, password: str) -> None:
    """Log in through the form."""
    page.goto("/login")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Photos", exact=True).wait_for()


def serious_problems(page: Page) -> list[str]:
    """Return the problems that axe-core rates serious or critical, with contrast checked in both themes."""
    problems = []
    for theme, options in (("light", None), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme="light" if theme == "light" else "dark")
        problems += [f"{theme}: {line}" for line in _problems(page, options)]
    page.emulate_media(color_scheme="light")
    return problems


def _problems(page: Page, options: dict[str, Any] | None) -> list[str]:
    """Return rule, explanation and elements of each problem."""
    violations = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url}: {violation['id']}: {violation['help']}: {[node['target'] for node in violation['nodes']][:3]}"
        for violation in violations
        if violation["impact"] in SERIOUS
    ]
