"""The search for photos, in folders of every kind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slideshow.photos.files import IMAGE_EXTENSIONS, find_photos

JPEG = b"\xff\xd8\xff\xe0 rest"


def names(files: tuple[Path, ...], top: Path) -> list[str]:
    return [str(file.relative_to(top)) for file in files]


def write(top: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_find_photos_detects_images_by_extension_or_first_bytes(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b.jpg": JPEG,
            "a.PNG": b"no picture, but called one",
            "drawing.svg": b"<svg/>",
            "nameless": JPEG,
            "clip.mp4": b"\0\0\0\x18ftypmp42",
            "photo.unknown": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "notes.txt": b"text",
            "empty": b"",
            "empty.jpg": b"",
        },
    )
    found = find_photos([tmp_path])
    assert names(found.files, tmp_path) == ["a.PNG", "b.jpg", "drawing.svg", "empty.jpg", "nameless", "photo.unknown"]
    assert (found.skipped, found.unreadable) == (3, ())
    assert list(found.messages()) == ["skipped 3 files: not an image"]


def test_find_photos_skips_hidden_files_unless_named(tmp_path: Path) -> None:
    write(tmp_path, {".trash/a.jpg": JPEG, ".b.jpg": JPEG, "c.jpg": JPEG})
    found = find_photos([tmp_path])
    assert names(found.files, tmp_path) == ["c.jpg"]
    assert found.hidden == 2
    assert names(find_photos([tmp_path / ".b.jpg"]).files, tmp_path) == [".b.jpg"]
    assert names(find_photos([tmp_path / ".trash"]).files, tmp_path) == [".trash/a.jpg"]


def test_find_photos_without_recurse_skips_subfolders(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": JPEG, "in/b.jpg": JPEG, "in/deeper/c.jpg": JPEG})
    assert names(find_photos([tmp_path]).files, tmp_path) == ["a.jpg", "in/b.jpg", "in/deeper/c.jpg"]
    assert names(find_photos([tmp_path], recurse=False).files, tmp_path) == ["a.jpg"]


def test_find_photos_follows_links_and_ends_loops(tmp_path: Path) -> None:
    write(tmp_path, {"photos/a.jpg": JPEG, "elsewhere/b.jpg": JPEG})
    (tmp_path / "photos/loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/up").symlink_to(tmp_path)
    (tmp_path / "photos/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = find_photos([tmp_path / "photos"])
    assert sorted(file.name for file in found.files) == ["a.jpg", "b.jpg"]
    assert len(found.unreadable) == 1
    assert "gone.jpg cannot be read" in found.unreadable[0]


def test_find_photos_includes_a_named_file_once(tmp_path: Path) -> None:
    write(tmp_path, {"notes.txt": b"text", "a.jpg": JPEG})
    found = find_photos([tmp_path / "notes.txt", tmp_path, tmp_path / "a.jpg"])
    assert names(found.files, tmp_path) == ["notes.txt", "a.jpg"]
    assert found.skipped == 0


def test_find_photos_rejects_paths_that_are_not_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert find_photos([tmp_path]).files == ()
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        find_photos([tmp_path / "pipe.jpg"])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_photos([tmp_path / "nothing"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_find_photos_reports_unreadable_files(tmp_path: Path) -> None:
    write(tmp_path, {"closed/a.jpg": JPEG, "secret": JPEG})
    (tmp_path / "closed").chmod(0)
    (tmp_path / "secret").chmod(0)
    try:
        found = find_photos([tmp_path])
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert found.files == ()
    assert len(found.unreadable) == 2


def test_find_photos_accepts_names_that_are_not_utf_8(tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")
    try:
        Path(odd).write_bytes(JPEG)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert [str(file) for file in find_photos([tmp_path]).files] == [odd]


_part = st.sampled_from(["a", "b", "c", ".h", "Ä", "photo 1"])
_ending = st.sampled_from([".jpg", ".JPEG", ".txt", ""])
_content = st.sampled_from([JPEG, b"text", b""])
_files = st.dictionaries(st.tuples(st.lists(_part, max_size=3).map(tuple), _part, _ending), _content, max_size=14)


@settings(max_examples=60, deadline=None)
@given(files=_files)
def test_find_photos_finds_or_counts_every_visible_file(files: dict[tuple[tuple[str, ...], str, str], bytes]) -> None:
    """Compared with what each file's own path and content say."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        expected, skipped = set(), 0
        for (folders, stem, ending), content in files.items():
            # Folders get an ending of their own, so that none has the name of a file.
            path = top.joinpath(*(f"{part}.d" for part in folders), stem + ending)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if any(part.startswith(".") for part in path.relative_to(top).parts):
                continue
            if path.suffix.lower() in IMAGE_EXTENSIONS or content == JPEG:
                expected.add(path)
            else:
                skipped += 1
        found = find_photos([top])
        assert set(found.files) == expected
        assert len(found.files) == len(expected)
        assert found.skipped == skipped
        assert find_photos([top]) == found
        # The order is that of a walk by name: a folder's own files first.
        by_folder = [file.parent for file in found.files]
        assert [place for i, place in enumerate(by_folder) if i == 0 or by_folder[i - 1] != place] == list(
            dict.fromkeys(by_folder)
        )


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir",
        "#recycle",
        "#snapshot",
        "@Recycle",
        ".@__thumb",
        "$RECYCLE.BIN",
        "$Recycle.Bin",
        "System Volume Information",
        "lost+found",
        ".Trash-1000",
    ],
)
def test_find_photos_skips_and_counts_folders_of_the_system(tmp_path: Path, folder: str) -> None:
    write(tmp_path, {"a.jpg": JPEG, f"deep/{folder}/b.jpg": JPEG, f"{folder}/deeper/c.jpg": JPEG})
    found = find_photos([tmp_path])
    assert names(found.files, tmp_path) == ["a.jpg"]
    assert found.system_folders == 2
    assert "skipped 2 folders of thumbnails, snapshots or deleted files" in list(found.messages())
    assert names(find_photos([tmp_path / folder]).files, tmp_path) == [f"{folder}/deeper/c.jpg"]


def test_find_photos_skips_only_folders_by_these_names(tmp_path: Path) -> None:
    write(tmp_path, {"lost+found": JPEG, "@eaDir of mine/a.jpg": JPEG})
    found = find_photos([tmp_path])
    assert sorted(names(found.files, tmp_path)) == ["@eaDir of mine/a.jpg", "lost+found"]
    assert found.system_folders == 0


def test_find_photos_counts_a_raw_beside_its_jpeg_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a/IMG_1.CR3": b"raw",
            "a/img_1.JPG": JPEG,
            "a/IMG_2.NEF": b"raw",
            "b/IMG_2.jpg": JPEG,
            "b/IMG_3.dng": b"raw",
            "b/IMG_3.jpeg": JPEG,
            "b/IMG_4.raf": b"raw",
            "b/IMG_4.png": b"not its JPEG",
            "b/IMG_5.tif": b"no raw",
            "b/IMG_5.jpg": JPEG,
        },
    )
    (tmp_path / "b/IMG_6.arw").write_bytes(b"raw")
    (tmp_path / "b/IMG_6.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = find_photos([tmp_path])
    assert names(found.files, tmp_path) == [
        *("a/IMG_2.NEF", "a/img_1.JPG", "b/IMG_2.jpg", "b/IMG_3.jpeg", "b/IMG_4.png", "b/IMG_4.raf", "b/IMG_5.jpg"),
        *("b/IMG_5.tif", "b/IMG_6.arw"),
    ]
    assert found.raw_twins == 2
    assert "skipped 2 camera raw files: a JPEG has the same name and folder" in list(found.messages())
    assert names(find_photos([tmp_path / "a/IMG_1.CR3"]).files, tmp_path) == ["a/IMG_1.CR3"]
