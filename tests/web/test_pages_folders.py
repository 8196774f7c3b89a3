"""A folder that is chosen on the upload page: what a NAS made is left out, and a raw beside its JPEG is one photo."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support import frame_library, raw_files, server
from tests.support.browser import log_in, new_context

pytestmark = pytest.mark.browser


def test_upload_page_leaves_out_system_folders_and_raws_beside_their_jpeg(
    backend: server.BackendServer, browser: Browser, tmp_path: Path
) -> None:
    files = {
        "photo/a.jpg": frame_library.picture(1, 64, 48, None),
        "photo/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg": frame_library.picture(2, 64, 48, None),
        "photo/#recycle/b.jpg": frame_library.picture(3, 64, 48, None),
        "photo/$RECYCLE.BIN/c.jpg": frame_library.picture(4, 64, 48, None),
        "photo/2012/IMG_1.JPG": frame_library.picture(5, 64, 48, None),
        "photo/2012/img_1.NEF": raw_files.nef(frame_library.picture(6, 64, 48, None)),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    context = new_context(browser, backend.url)
    page = context.new_page()
    log_in(page, backend.secrets["admin_password"])
    page.goto("/upload")
    page.locator("#folder").set_input_files(tmp_path / "photo")
    expect(page.locator("#summary")).to_contain_text("2 new")
    expect(page.locator("#summary")).to_contain_text("3 hidden or system files skipped")
    expect(page.locator("#summary")).to_contain_text("1 camera raw file skipped: the JPEG is sent")
    assert sorted(backend.sql("SELECT filename FROM images")) == [("IMG_1.JPG",), ("a.jpg",)]
    context.close()
