"""Uploads over real HTTP: what is stored, what is rejected, and that rejected files leave nothing."""

from __future__ import annotations

import hashlib
import io
import threading

import httpx
import pytest
from PIL import Image

from tests.support import raw_files, server, small_photos
from tests.support.server import problem
from tests.support.small_photos import jpeg_of_size, png_header
from tests.support.upload_forms import UPLOAD, send

pytestmark = pytest.mark.server

LIMIT = 1024 * 1024


def test_upload_of_camera_raw(backend: server.BackendServer) -> None:
    data = raw_files.nef(jpeg_of_size(1920, 1280, progressive=False), 6)
    answer = send(backend.admin, data, "holiday.tif")
    assert answer.status_code == 201, answer.text
    image_id = answer.json()["id"]
    assert (answer.json()["width"], answer.json()["height"]) == (1280, 1920)
    assert (backend.bucket / "images" / "originals" / f"{image_id}.nef").read_bytes() == data
    assert backend.admin.get(f"/originals/{image_id}").content == data
    small = raw_files.cr3(jpeg_of_size(1600, 1200, progressive=False))
    assert problem(send(backend.admin, small, "a.CR3"), 415) == (
        "a.CR3: is a camera raw file (Canon CR3) without an embedded JPEG of at least 1920 pixels (its largest has "
        "1600 x 1200), which is not supported; export it as JPEG"
    )


def test_upload_new_photo_is_stored_byte_for_byte(backend: server.BackendServer) -> None:
    data = small_photos.photo(1)
    answer = send(backend.admin, data, "holiday.jpg")
    image_id = hashlib.sha256(data).hexdigest()[:32]
    assert answer.status_code == 201
    assert answer.json() == {
        "id": image_id,
        "filename": "holiday.jpg",
        "width": 64,
        "height": 48,
        "orientation": "landscape",
        "processing_status": "pending",
    }
    assert (backend.bucket / "images" / "originals" / f"{image_id}.jpg").read_bytes() == data
    row = backend.sql("SELECT file_path, file_hash, filename, byte_size, processing_status, strikes FROM images")
    uri = f"{backend.bucket.as_uri()}/images/originals/{image_id}.jpg"
    assert row == [(uri, hashlib.sha256(data).hexdigest(), "holiday.jpg", len(data), "pending", 0)]


def test_upload_repeated_photo_is_one_image(backend: server.BackendServer) -> None:
    first = send(backend.admin, small_photos.photo(2), "a.jpg").json()
    before = backend.objects()
    again = send(backend.admin, small_photos.photo(2), "b.jpg")
    assert again.status_code == 200
    assert again.json()["duplicate"] is True
    assert again.json()["id"] == first["id"]
    assert backend.sql("SELECT filename FROM images") == [("a.jpg",)]
    assert backend.objects() == before


def test_upload_concurrent_duplicates_are_one_image(backend: server.BackendServer) -> None:
    answers: list[httpx.Response] = []
    clients = [backend.log_in() for _ in range(6)]
    threads = [threading.Thread(target=lambda c=c: answers.append(send(c, small_photos.photo(3)))) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert backend.sql("SELECT count(*) FROM images") == [(1,)]


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("GIF", ".gif"), ("TIFF", ".tif"), ("AVIF", ".avif")],
)
def test_upload_type_is_detected_from_the_content(backend: server.BackendServer, kind: str, extension: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), "teal").save(out, kind)
    taken = send(backend.admin, out.getvalue(), "notes.txt")
    assert taken.status_code == 201
    assert taken.json()["orientation"] == "square"
    assert backend.objects(f"images/originals/{taken.json()['id']}") == {
        f"images/originals/{taken.json()['id']}{extension}"
    }


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upload_size_is_that_of_the_upright_photo(backend: server.BackendServer, orientation: int) -> None:
    taken = send(backend.admin, small_photos.jpeg(64, 48, orientation=orientation)).json()
    upright = (48, 64, "portrait") if orientation >= 5 else (64, 48, "landscape")
    assert (taken["width"], taken["height"], taken["orientation"]) == upright
    assert backend.sql("SELECT width, height, orientation FROM images") == [upright]


NO_PICTURES = {
    "text": b"just some words, no picture at all",
    "empty": b"",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"></svg>',
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "bmp": b"BM" + bytes(60),
    "only the start of a jpeg": b"\xff\xd8\xff\xe0",
    "a heic in name only": b"\x00\x00\x00\x18ftypheic" + bytes(40),
    "zip": b"PK\x03\x04" + bytes(40),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
def test_upload_other_file_type_is_415(backend: server.BackendServer, data: bytes) -> None:
    assert "odd.jpg" in problem(send(backend.admin, data, "odd.jpg"), 415)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "data",
    [png_header(20_000, 20_000), jpeg_of_size(8000, 8000, progressive=True), png_header(2**31 - 1, 1)],
    ids=["400 megapixels", "progressive 64 megapixels", "widest"],
)
def test_upload_too_many_pixels_is_422(backend: server.BackendServer, data: bytes) -> None:
    sentence = problem(send(backend.admin, data, "bomb.png"), 422)
    assert "bomb.png" in sentence
    assert "megapixels" in sentence


def test_upload_baseline_jpeg_may_have_more_pixels_than_progressive(backend: server.BackendServer) -> None:
    assert send(backend.admin, jpeg_of_size(8000, 8000, progressive=False)).status_code == 201


def test_upload_byte_limit_is_exact(backend: server.BackendServer) -> None:
    picture = small_photos.photo(4)
    exact = picture + bytes(LIMIT - len(picture))
    assert send(backend.admin, exact).status_code == 201
    before = backend.objects()
    sentence = problem(send(backend.admin, exact + b"x", "large.jpg"), 413)
    assert "large.jpg" in sentence
    assert "1 MiB" in sentence
    problem(send(backend.admin, picture + bytes(5 * LIMIT), "larger.jpg"), 413)
    assert backend.objects() == before
    assert backend.incomplete_objects() == []


def test_upload_several_files_get_one_result_each(backend: server.BackendServer) -> None:
    send(backend.admin, small_photos.photo(5))
    answer = backend.admin.post(
        UPLOAD,
        files=[
            ("files", ("new.jpg", small_photos.photo(6))),
            ("files", ("known.jpg", small_photos.photo(5))),
            ("file", ("words.txt", b"no picture")),
            ("files", ("bomb.png", png_header(20_000, 20_000))),
            ("files", ("large.jpg", small_photos.photo(7) + bytes(LIMIT))),
            ("comment", ("ignored.jpg", small_photos.photo(8))),
        ],
    )
    assert answer.status_code == 200
    lines = answer.json()["results"]
    assert [(line["filename"], line["status"]) for line in lines] == [
        ("new.jpg", 201),
        ("known.jpg", 200),
        ("words.txt", 415),
        ("bomb.png", 422),
        ("large.jpg", 413),
    ]
    assert lines[0]["id"] == hashlib.sha256(small_photos.photo(6)).hexdigest()[:32]
    assert lines[1]["duplicate"] is True
    assert all(line["filename"] in line["error"] for line in lines[2:])
    assert backend.sql("SELECT count(*) FROM images") == [(2,)]


def test_upload_restores_a_lost_original(backend: server.BackendServer) -> None:
    image = backend.upload(small_photos.photo(1))["id"]
    (original,) = backend.objects("images/originals/")
    (backend.bucket / original).unlink()
    backend.sql("UPDATE images SET processing_status = 'failed', processing_error = 'it is gone'")
    again = backend.upload(small_photos.photo(1))
    assert (again["id"], again["duplicate"], again["processing_status"]) == (image, True, "pending")
    assert backend.objects("images/originals/") == {original}
    assert backend.state(image) == "pending"
