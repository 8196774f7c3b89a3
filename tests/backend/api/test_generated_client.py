"""A client that openapi-python-client generates from the served document logs in, uploads a photo and lists it."""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import server
from tests.support.small_photos import photo

pytestmark = [pytest.mark.server, pytest.mark.slow]

NAME = "photo_slideshow_client"


@pytest.fixture
def client(backend: server.BackendServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Generate the client, and return a function that imports one of its modules."""
    document = tmp_path / "openapi.json"
    document.write_bytes(backend.anonymous.get("/openapi.json").content)
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(document), "--meta", "none"]
    ended = subprocess.run(
        [*command, "--output-path", str(tmp_path / NAME), "--fail-on-warning"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        # The generator formats its output with ruff.
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", {key: value for key, value in sys.modules.items() if not key.startswith(NAME)})
    return lambda module: importlib.import_module(f"{NAME}.{module}" if module else NAME)


def test_generated_client_logs_in_uploads_and_lists(backend: server.BackendServer, client: Any) -> None:
    models, types = client("models"), client("types")
    session = client("").Client(base_url=str(backend.anonymous.base_url), raise_on_unexpected_status=True)
    listing = client("api.default.get_api_images")
    assert listing.sync_detailed(client=session).status_code == 401

    wrong = client("api.default.post_login").sync(client=session, body=models.Login(password="another password"))
    assert isinstance(wrong, models.Problem)
    accepted = client("api.default.post_login").sync(
        client=session, body=models.Login(password=backend.secrets["admin_password"])
    )
    assert isinstance(accepted, models.Success)

    photos = [types.File(payload=io.BytesIO(photo(number)), file_name=f"{number}.jpg") for number in (1, 2, 3)]
    upload, form = client("api.default.post_api_admin_upload"), models.PostApiAdminUploadBody
    one = upload.sync(client=session, body=form(file=photos[0]))
    assert isinstance(one, models.UploadedImage)
    several = upload.sync(client=session, body=form(files=photos[1:]))
    assert [result.status for result in several.results] == [201, 201]

    listed = listing.sync(client=session, limit=2)
    assert isinstance(listed, models.ImageList)
    assert [image.filename for image in listed.images] == ["1.jpg", "2.jpg"]
    rest = listing.sync(client=session, after=listed.next_)
    assert [image.filename for image in rest.images] == ["3.jpg"]
    assert listed.images[0].id == one.id
