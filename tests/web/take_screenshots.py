"""`make screenshots`: every page, desktop and phone, light and dark, as PNG files in build/screenshots/.

Starts a backend that renders painted photos, or those of the folder SLIDESHOW_SAMPLES.
The exit code is 1 if there is no browser, or if the browser logged an error.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support import server
from tests.support.browser import (
    MISSING,
    SIZES,
    THEMES,
    WatchedPage,
    chromium,
    log_in,
    new_context,
    open_browser,
)
from tests.support.painted_photos import paint_all

OUT = Path(__file__).resolve().parents[2] / "build/screenshots"
DEVICES = (("living room", 1280, 800), ("kitchen", 800, 480), ("hall", 480, 800))
DONE_MS = 300_000
FAILED = "a photo whose file was cut off on its way.jpg"
SETTLED_MS = 600
WORKING = {"TICK_SECONDS": "0.2", "FLUSH_DELAY_SECONDS": "0.5"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".tif", ".gif")


def main() -> int:
    """Take all screenshots, and print where they are or what is missing."""
    if chromium() is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        photos = chosen_photos(Path(folder))
        with server.running(Path(folder) / "data", **WORKING) as backend:
            complaints = fill(browser, backend, photos)
            for size in SIZES:
                for theme in THEMES:
                    complaints += take(browser, backend, size, theme)
    for line in complaints:
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(f"{len(list(OUT.glob('*.png')))} screenshots in {OUT}\n")
    return 1 if complaints else 0


def chosen_photos(folder: Path) -> list[Path]:
    """Return the sample photos, or painted ones, and a damaged one that will fail."""
    samples = os.environ.get("SLIDESHOW_SAMPLES")
    if samples:
        photos = sorted(path for path in Path(samples).iterdir() if path.suffix.lower() in SUFFIXES)
    else:
        photos = paint_all(folder / "photos", 24)
    broken = folder / FAILED
    intact = next(path for path in photos if path.suffix == ".jpg").read_bytes()
    broken.write_bytes(intact[: len(intact) // 2])
    return [*photos, broken]


def fill(browser: Browser, backend: server.BackendServer, photos: list[Path]) -> list[str]:
    """Upload through the page, with screenshots of the work. Returns the errors that the browser logged."""
    context = new_context(browser, backend.url)
    watched = WatchedPage(context)
    page = watched.page
    for size in SIZES:
        for theme in THEMES:
            other = new_context(browser, backend.url, size, theme)
            shot(other.new_page(), "/login", "login", size, theme)
            other.close()
    log_in(page, backend.secrets["admin_password"])
    for name, width, height in DEVICES:
        backend.add_device(name, width, height)
    page.goto("/upload")
    page.locator("#files").set_input_files(photos)
    page.locator("#list li.done").nth(2).wait_for()
    page.screenshot(path=OUT / "upload-under-way-desktop-light.png")
    page.locator("#progress-title", has_text="Sent").wait_for(timeout=DONE_MS)
    page.goto("/activity")
    page.locator(".tasks li").first.wait_for(timeout=DONE_MS)
    page.screenshot(path=OUT / "activity-under-way-desktop-light.png")
    expect(page.locator("#activity")).to_contain_text("No photo is waiting", timeout=DONE_MS)
    for name, _, _ in DEVICES:
        backend.admin.get(f"/api/devices/{name}/next")
    context.close()
    return watched.complaints


def take(browser: Browser, backend: server.BackendServer, size: str, theme: str) -> list[str]:
    """Take every page in one size and theme. Returns the errors that the browser logged."""
    context = new_context(browser, backend.url, size, theme)
    watched = WatchedPage(context)
    page = watched.page
    log_in(page, backend.secrets["admin_password"])
    shot(page, "/", "gallery", size, theme)
    for box in range(3):
        page.locator(".pick input").nth(box).check()
    page.screenshot(path=OUT / f"gallery-selected-{size}-{theme}.png")
    shot(page, "/?state=failed", "gallery-failed", size, theme)
    failed = page.locator(".tile a").first.get_attribute("href") or ""
    page.goto("/?state=complete")
    complete = page.locator(".tile a").nth(2).get_attribute("href") or ""
    shot(page, complete, "photo", size, theme, whole=True)
    shot(page, failed, "photo-failed", size, theme, whole=True)
    shot(page, "/upload", "upload", size, theme)
    shot(page, "/devices", "devices", size, theme, whole=True)
    page.get_by_role("button", name="Add a frame").click()
    page.screenshot(path=OUT / f"devices-add-{size}-{theme}.png")
    shot(page, "/devices/living%20room/frame", "frame", size, theme)
    shot(page, "/activity", "activity", size, theme, whole=True)
    context.close()
    return [line for line in watched.complaints if "status of 415" not in line]


def shot(page: Page, path: str, name: str, size: str, theme: str, *, whole: bool = False) -> None:
    """Take one page; `whole` includes everything below the first screen."""
    page.goto(path)
    page.wait_for_timeout(SETTLED_MS)
    if whole:
        width, height = SIZES[size]
        full = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": max(height, full)})
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=OUT / f"{name}-{size}-{theme}.png")
        page.set_viewport_size({"width": width, "height": height})
    else:
        page.screenshot(path=OUT / f"{name}-{size}-{theme}.png")


if __name__ == "__main__":
    sys.exit(main())
