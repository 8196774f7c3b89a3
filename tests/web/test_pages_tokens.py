"""New token of a frame, and *log out everywhere*, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.support import server
from tests.support.browser import WatchedPage, log_in, new_context, serious_problems

pytestmark = pytest.mark.browser


def test_owner_renews_a_token_and_logs_out_everywhere(backend: server.BackendServer, browser: Browser) -> None:
    old = backend.add_device("hall", 320, 192)["token"]
    other = backend.log_in()
    context = new_context(browser, backend.url)
    watched = WatchedPage(context)
    page = watched.page
    page.goto("/devices")
    log_in(page, backend.secrets["admin_password"])
    page.goto("/devices")
    page.get_by_role("button", name="New token").click()
    expect(page.locator("#confirm-question")).to_have_text("New token for hall?")
    assert serious_problems(page) == []
    page.locator("#confirm-yes").click()
    expect(page.locator("#token-text")).to_be_visible()
    token = page.locator("#token-text").inner_text()
    path = "/api/devices/hall/slideshow"
    assert backend.client(Authorization=f"Bearer {token}").get(path).status_code == 200
    assert backend.client(Authorization=f"Bearer {old}").get(path).status_code == 403
    page.get_by_role("button", name="Done").click()
    page.goto("/activity")
    assert serious_problems(page) == []
    page.get_by_role("button", name="Log out everywhere").click()
    expect(page).to_have_url(f"{backend.url}/login")
    page.goto("/devices")
    expect(page).to_have_url(f"{backend.url}/login?next=%2Fdevices")
    assert other.get("/api/devices").status_code == 401
    assert [line for line in watched.complaints if "Failed to load resource" not in line] == []
    context.close()
