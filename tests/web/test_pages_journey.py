"""One way through all pages in a real browser, from the login to a frame that is filled: what an owner does."""

from __future__ import annotations

import re
from pathlib import Path

import server
from browser import Watched, log_in, new_context, serious_problems
from painted_photos import paint_all
from playwright.sync_api import Browser, Page, expect

PHOTOS = 12
DONE_MS = 90_000
RECORD = """() => { window.seen = []; const look = () => {
  const bar = document.getElementById('sent');
  if (!bar) return;
  window.seen.push([bar.value / bar.max, document.querySelectorAll('#list li.sending progress').length]);
  requestAnimationFrame(look); }; look(); }"""


def test_an_owners_way_through_the_pages(
    working_backend: server.BackendServer, browser: Browser, tmp_path: Path
) -> None:
    backend = working_backend
    files = paint_all(tmp_path / "photos", PHOTOS)
    (tmp_path / "photos/notes.txt").write_text("no photo")
    again = tmp_path / "photos/the-first-again.jpg"
    again.write_bytes(files[0].read_bytes())
    context = new_context(browser, backend.url)
    watched = Watched(context)
    page = watched.page
    problems: list[str] = []

    page.goto("/upload")
    expect(page).to_have_url(f"{backend.url}/login?next=%2Fupload")
    expect(page.get_by_text("It was made when this server was first started")).to_be_visible()
    problems += serious_problems(page)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("The password is wrong.")
    log_in(page, backend.secrets["admin_password"])
    backend.add_device("hall", 320, 192)

    _upload(page, [*files, tmp_path / "photos/notes.txt", again])
    problems += serious_problems(page)
    page.goto("/activity")
    expect(page.locator("#live-text")).to_have_text("Live")
    expect(page.locator(".counts .complete b")).to_have_text(str(PHOTOS), timeout=DONE_MS)
    problems += serious_problems(page)

    _filter(page)
    problems += serious_problems(page)
    photo = _move_focus(page)
    problems += serious_problems(page)
    _delete(page, backend, photo)
    _add_device(page, problems)
    assert problems == []
    # A browser says each refusal aloud; the pages show them, which was looked at above.
    heard = [line for line in watched.complaints if "Failed to load resource" not in line]
    assert heard == []
    context.close()


def _upload(page: Page, files: list[Path]) -> None:
    """Through the page, which is left before anything was sent, and come back to."""
    page.goto("/upload")
    page.route("**/api/admin/upload", lambda route: route.abort())
    page.locator("#files").set_input_files(files)
    expect(page.locator("#list li")).to_have_count(len(files))
    page.goto("/")
    page.unroute("**/api/admin/upload")
    page.add_init_script(f"addEventListener('DOMContentLoaded', {RECORD})")
    page.goto("/upload")
    expect(page.locator("#progress-title")).to_have_text("Sent")
    expect(page.locator("#summary")).to_have_text(
        f"{len(files)} of {len(files)} files · {PHOTOS} new · 1 already here · 1 refused"
    )
    expect(page.locator("#list li.refused")).to_contain_text("notes.txt: this is not a JPEG")
    # Which of the two equal files came first is not promised.
    expect(page.locator("#list li.duplicate .what")).to_have_text("already here")
    seen = page.evaluate("window.seen")
    assert any(0 < share < 1 for share, _ in seen)
    assert max(sending for _, sending in seen) > 1


def _filter(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".tile")).to_have_count(PHOTOS)
    page.locator("label.chip", has_text="Portrait").click()
    expect(page.locator(".tile")).to_have_count(PHOTOS // 4)
    page.get_by_label("Name").fill("painted-05")
    page.get_by_label("Name").press("Enter")
    expect(page.locator(".tile")).to_have_count(1)
    assert "orientation=portrait" in page.url
    page.goto("/?colour=green")
    assert 0 < page.locator(".tile").count() < PHOTOS


def _move_focus(page: Page) -> str:
    """By the keyboard, on a photo that lies wider than the screen; its picture follows. The photo's id."""
    page.goto("/?name=painted-02")
    page.locator(".tile a").click()
    picture = page.locator("#pictures img")
    expect(picture).to_have_count(1)
    before = picture.get_attribute("src")
    page.locator("#point").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    page.get_by_role("button", name="Use this focus").click()
    page.wait_for_function(
        "before => document.querySelector('#pictures img').getAttribute('src') !== before", arg=before
    )
    expect(page.locator("#state")).to_have_attribute("data-state", "complete", timeout=DONE_MS)
    return page.url.rpartition("/")[2]


def _delete(page: Page, backend: server.BackendServer, photo: str) -> None:
    """By selecting it; it is gone from the bucket too."""
    assert any(photo in name for name in backend.objects("images/originals/"))
    page.goto("/")
    page.locator(f"#photo-{photo} .pick input").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.locator("#confirm-yes").click()
    expect(page.locator(f"#photo-{photo}")).to_have_count(0)
    expect(page.locator("#toast")).to_have_text("1 photo deleted.")
    left = {name for name in backend.objects() if photo in name}
    assert left == {f"images/records/{photo}.json"}  # the tombstone


def _add_device(page: Page, problems: list[str]) -> None:
    """A new one gets pictures of all photos, its token once, and a page that imitates it."""
    page.goto("/devices")
    page.get_by_role("button", name="Add a frame").click()
    page.get_by_label("Name", exact=True).fill("kitchen")
    page.get_by_role("button", name="480 × 800").click()
    problems += serious_problems(page)
    page.locator("#edit-save").click()
    page.locator("#token-text").wait_for()
    assert len(page.locator("#token-text").inner_text()) >= 32
    page.get_by_role("button", name="I have it").click()
    kitchen = page.locator(".device[data-name=kitchen]")
    expect(kitchen.locator(".ready")).to_contain_text(f"{PHOTOS - 1} of {PHOTOS - 1} photos ready", timeout=DONE_MS)
    expect(kitchen.locator(".screen", has_text="Next").locator("img, image").first).to_be_visible()
    problems += serious_problems(page)
    kitchen.get_by_role("link", name="Preview").click()
    expect(page.locator("#nothing")).to_be_hidden()
    expect(page.locator("#glass image").first).to_have_attribute("href", re.compile("^/pictures/kitchen"))
    problems += serious_problems(page)
