"""A journey through all pages in a real browser, from the login to a filled frame."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support import server
from tests.support.browser import WatchedPage, log_in, new_context, serious_problems
from tests.support.painted_photos import paint_all

pytestmark = pytest.mark.browser

PHOTOS = 12
DONE_MS = 90_000
STORED_MS = 300
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".tif", ".gif")
RECORD = """() => { window.seen = []; const sample = () => {
  const bar = document.getElementById('sent');
  if (!bar) return;
  window.seen.push([bar.value / bar.max, document.querySelectorAll('#list li.sending progress').length]);
  requestAnimationFrame(sample); }; sample(); }"""


def test_an_owners_way_through_the_pages(
    working_backend: server.BackendServer, browser: Browser, tmp_path: Path
) -> None:
    working_backend.clear()
    files = paint_all(tmp_path / "photos", PHOTOS)
    Journey(working_backend, new_context(browser, working_backend.url), PHOTOS).go(files, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("size", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_journey_sample_photos(
    working_backend: server.BackendServer, browser: Browser, tmp_path: Path, size: str, theme: str
) -> None:
    folder = os.environ.get("SLIDESHOW_SAMPLES")
    if not folder:
        pytest.skip("real photos are taken from the folder that SLIDESHOW_SAMPLES names")
    working_backend.clear()
    files = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    context = new_context(browser, working_backend.url, size, theme)
    Journey(working_backend, context, len(files)).go(files, tmp_path)


class Journey:
    """The steps of an owner, page after page; `photos` is the number of complete photos at the end."""

    def __init__(self, backend: server.BackendServer, context: BrowserContext, photos: int) -> None:
        self.backend = backend
        self.context = context
        self.watched = WatchedPage(context)
        self.page = self.watched.page
        self.photos = photos
        self.problems: list[str] = []

    def go(self, files: list[Path], folder: Path) -> None:
        """Run all steps. `folder` is for further files."""
        notes, duplicate = folder / "notes.txt", folder / "the-first-again.jpg"
        notes.write_text("no photo")
        duplicate.write_bytes(files[0].read_bytes())
        self.log_in()
        self.backend.add_device("hall", 320, 192)
        self.upload([*files, notes, duplicate])
        self.watch()
        self.filter()
        photo = self.move_focus()
        self.delete(photo)
        self.add_device()
        assert self.problems == []
        # The browser logs each error response; the pages show them, which the steps check.
        assert [line for line in self.watched.complaints if "Failed to load resource" not in line] == []
        self.context.close()

    def check_accessibility(self) -> None:
        """Collect the serious problems that axe finds on the current page."""
        self.problems += serious_problems(self.page)

    def log_in(self) -> None:
        page = self.page
        page.goto("/upload")
        expect(page).to_have_url(f"{self.backend.url}/login?next=%2Fupload")
        expect(page.get_by_text("Where is the password?")).to_be_visible()
        self.check_accessibility()
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("The password is wrong.")
        log_in(page, self.backend.secrets["admin_password"])

    def upload(self, files: list[Path]) -> None:
        """Leave the page before anything is sent, and return to it."""
        page = self.page
        page.goto("/upload")
        page.route("**/api/admin/upload", lambda route: route.abort())
        page.locator("#files").set_input_files(files)
        expect(page.locator("#list li")).to_have_count(len(files))
        page.wait_for_timeout(STORED_MS)
        page.goto("/")
        page.unroute("**/api/admin/upload")
        page.add_init_script(f"addEventListener('DOMContentLoaded', {RECORD})")
        page.goto("/upload")
        expect(page.locator("#progress-title")).to_have_text("Sent", timeout=DONE_MS)
        expect(page.locator("#summary")).to_have_text(
            f"{len(files)} of {len(files)} files · {self.photos} new · 1 duplicate · 1 rejected"
        )
        expect(page.locator("#list li.rejected")).to_contain_text("notes.txt: this is not a JPEG")
        expect(page.locator("#list li.duplicate .status")).to_have_text("duplicate")
        seen = page.evaluate("window.seen")
        assert any(0 < share < 1 for share, _ in seen)
        assert max(sending for _, sending in seen) > 1
        self.check_accessibility()

    def watch(self) -> None:
        """Follow the work until it is done."""
        page = self.page
        page.goto("/activity")
        expect(page.locator("#live-text")).to_have_text("Live")
        expect(page.locator(".counts .complete b")).to_have_text(str(self.photos), timeout=DONE_MS)
        self.check_accessibility()

    def filter(self) -> None:
        page = self.page
        page.goto("/")
        expect(page.locator(".tile")).to_have_count(min(self.photos, 48))
        upright = self.backend.sql("SELECT count(*), min(filename) FROM images WHERE orientation = 'portrait'")[0]
        page.locator("label.chip", has_text="Portrait").click()
        expect(page.locator(".tile")).to_have_count(upright[0])
        page.get_by_label("Name").fill(upright[1])
        page.get_by_label("Name").press("Enter")
        expect(page.locator(".tile")).to_have_count(1)
        assert "orientation=portrait" in page.url
        green = self.backend.sql("SELECT count(*) FROM images WHERE colours LIKE '%,green,%'")[0][0]
        page.goto("/?colour=green")
        assert 0 < page.locator(".tile").count() == green < self.photos
        self.check_accessibility()

    def move_focus(self) -> str:
        """Move the focus with the keyboard, on a photo wider than the screen. Returns the photo's id."""
        page = self.page
        wide = (
            "SELECT id FROM images WHERE width * 192 > height * 320 AND width * 96 <= height * 320 ORDER BY id LIMIT 1"
        )
        photo: str = self.backend.sql(wide)[0][0]
        page.goto(f"/photos/{photo}")
        picture = page.locator("#pictures img")
        expect(picture).to_have_count(1)
        before = picture.get_attribute("src") or ""
        page.locator("#point").focus()
        for _ in range(4):
            page.keyboard.press("Shift+ArrowLeft")
        page.get_by_role("button", name="Use this focus").click()
        expect(picture).not_to_have_attribute("src", before, timeout=DONE_MS)
        expect(page.locator("#state")).to_have_attribute("data-state", "complete", timeout=DONE_MS)
        self.check_accessibility()
        return photo

    def delete(self, photo: str) -> None:
        """Delete a photo by selecting it, and check that the bucket holds only its tombstone."""
        page, backend = self.page, self.backend
        assert any(photo in name for name in backend.objects("images/originals/"))
        name = backend.sql("SELECT filename FROM images WHERE id = ?", photo)[0][0]
        page.goto(f"/?name={name}")
        page.locator(f"#photo-{photo} .pick input").check()
        page.get_by_role("button", name="Delete", exact=True).click()
        with page.expect_navigation():  # a page without photos reloads itself
            page.locator("#confirm-yes").click()
        expect(page.locator(f"#photo-{photo}")).to_have_count(0)
        assert {name for name in backend.objects() if photo in name} == {
            f"images/records/{photo}.json"
        }  # the tombstone

    def add_device(self) -> None:
        """Add a frame: its token is shown once, it gets pictures of all photos, and its preview shows them."""
        page, left = self.page, self.photos - 1
        page.goto("/devices")
        page.get_by_role("button", name="Add a frame").click()
        page.get_by_label("Name", exact=True).fill("kitchen")
        page.get_by_role("button", name="480 × 800").click()
        self.check_accessibility()
        page.locator("#edit-save").click()
        page.locator("#token-text").wait_for()
        assert len(page.locator("#token-text").inner_text()) >= 32
        page.get_by_role("button", name="Done").click()
        kitchen = page.locator(".device[data-name=kitchen]")
        expect(kitchen.locator(".ready")).to_contain_text(f"{left} of {left} photos ready", timeout=DONE_MS)
        expect(kitchen.locator(".screen", has_text="Next").locator("img, image").first).to_be_visible()
        self.check_accessibility()
        kitchen.get_by_role("link", name="Preview").click()
        expect(page.locator("#message")).to_be_hidden()
        expect(page.locator("#display image").first).to_have_attribute("href", re.compile("^/pictures/kitchen"))
        self.check_accessibility()
