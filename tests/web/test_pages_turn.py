"""Photos are turned on their page, and in the gallery for a selection."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import frame_library, server
from tests.support.browser import log_in, new_context

pytestmark = pytest.mark.browser


def box(page: Page) -> tuple[int, int]:
    """Return width and height of the original as it is shown, in pixels."""
    found = page.locator("#original").bounding_box()
    assert found is not None
    return round(found["width"]), round(found["height"])


def test_photo_page_turns_the_photo_at_once(backend: server.BackendServer, browser: Browser) -> None:
    (image,) = frame_library.upload(backend, wide=1)
    context = new_context(browser, backend.url)
    page = context.new_page()
    log_in(page, backend.secrets["admin_password"])
    page.goto(f"/photos/{image}")
    width, height = box(page)
    assert width > height
    for button, expected in (
        ("Turn right", 1),
        ("Turn right", 2),
        ("Turn left", 1),
        ("Turn left", 0),
        ("Turn left", 3),
    ):
        page.get_by_role("button", name=button).click()
        expect(page.locator("#photo")).to_have_attribute("data-turn", str(expected))
        assert backend.sql("SELECT turn, width FROM images") == [(expected, 48 if expected % 2 else 64)]
        shown = box(page)
        area = page.locator("#focus-area").bounding_box()
        assert area is not None
        assert shown == (round(area["width"]), round(area["height"])), "the turned photo fills its place"
        assert (shown[0] < shown[1]) == (expected % 2 == 1)
    context.close()


def test_gallery_turns_the_selected_photos(backend: server.BackendServer, browser: Browser) -> None:
    photos = frame_library.upload(backend, wide=3)
    context = new_context(browser, backend.url)
    page = context.new_page()
    log_in(page, backend.secrets["admin_password"])
    page.goto("/")
    for image in photos[:2]:
        page.locator(f"#photo-{image} input[name=pick]").check(force=True)
    page.get_by_role("button", name="Turn left").click()
    expect(page.get_by_text("2 photos turned.")).to_be_visible()
    assert sorted(backend.sql("SELECT id, turn FROM images")) == sorted(zip(photos, (3, 3, 0), strict=True))
    page.get_by_role("button", name="Turn right").click()  # they are still selected
    expect(page.locator(f"#photo-{photos[0]}")).to_be_visible()
    context.close()
