"""Open pages keep up with the library, whatever else is open on them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support import server
from tests.support.browser import log_in, new_context

pytestmark = pytest.mark.browser

LISTEN = """
let heard = 0;
window.EventSource = class extends EventSource {
  constructor(address) {
    super(address);
    this.addEventListener("changed", () => { document.documentElement.dataset.heard = ++heard; });
  }
};
"""


def test_what_changes_behind_a_dialog_is_shown_once_it_is_closed(
    backend: server.BackendServer, browser: Browser
) -> None:
    backend.add_device("hall")
    context = new_context(browser, backend.url)
    page = context.new_page()
    log_in(page, backend.secrets["admin_password"])
    page.add_init_script(LISTEN)
    page.goto("/devices")
    ready = page.locator(".device .ready")
    whole = page.locator("html")
    expect(whole).to_have_attribute("data-heard", re.compile("."))
    backend.upload_photos(1)
    expect(ready).to_contain_text("0 of 1 photo ready")
    page.get_by_role("button", name="Change").click()
    heard = whole.get_attribute("data-heard") or ""
    backend.upload_photos(2, first=1)
    expect(whole).not_to_have_attribute("data-heard", heard)
    expect(ready).to_contain_text("0 of 1 photo ready")  # the dialog is not disturbed
    page.locator("#edit-cancel").click()
    expect(ready).to_contain_text(f"0 of {len(backend.sql('SELECT id FROM images'))} photos ready")
    context.close()
