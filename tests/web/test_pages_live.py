"""Open pages are updated when the library changes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support import server
from tests.support.browser import log_in, new_context

pytestmark = pytest.mark.browser

LISTEN = """
let events = 0;
window.EventSource = class extends EventSource {
  constructor(address) {
    super(address);
    this.addEventListener("changed", () => { document.documentElement.dataset.events = ++events; });
  }
};
"""


def test_devices_page_open_dialog_delays_the_update(backend: server.BackendServer, browser: Browser) -> None:
    backend.add_device("hall")
    context = new_context(browser, backend.url)
    page = context.new_page()
    log_in(page, backend.secrets["admin_password"])
    page.add_init_script(LISTEN)
    page.goto("/devices")
    ready = page.locator(".device .ready")
    root = page.locator("html")
    expect(root).to_have_attribute("data-events", re.compile("."))
    backend.upload_photos(1)
    expect(ready).to_contain_text("0 of 1 photo ready")
    page.get_by_role("button", name="Change").click()
    events = root.get_attribute("data-events") or ""
    backend.upload_photos(2, first=1)
    expect(root).not_to_have_attribute("data-events", events)
    expect(ready).to_contain_text("0 of 1 photo ready")  # the dialog is not disturbed
    page.locator("#edit-cancel").click()
    expect(ready).to_contain_text(f"0 of {len(backend.sql('SELECT id FROM images'))} photos ready")
    context.close()
