"""The page of a run: every figure is on it, it is well-formed, and it loads nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bench.__main__ import main
from bench.cases import ALL
from bench.core import runner
from bench.core.results import CaseResult, Check, Run, UnreadableRun, load, save
from bench.report import newest, page_for
from bench.report.page import page
from tests.bench.report_run import constructed_run, of_cases

VOID = {"meta", "br", "hr", "img", "link", "input"}
LOADS = {"script", "link", "img", "image", "iframe", "object", "embed", "audio", "video", "use", "foreignobject"}


class Parsed(HTMLParser):
    """A page taken apart: words, elements, and what is not closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, list[str]] = {}
        self._section = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.faults.append(f"{tag} has an attribute twice")
        if tag == "section":
            self._section = dict(attrs).get("id") or ""
            self.sections[self._section] = []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)
            self.sections.setdefault(self._section, []).append(data)

    def said(self, section: str) -> str:
        """The words of a section, in one line."""
        return " ".join(" ".join(self.sections[section]).split())


@pytest.fixture(scope="module")
def run() -> Run:
    return constructed_run()


@pytest.fixture(scope="module")
def parsed(run: Run) -> Parsed:
    return Parsed(page(run))


def test_the_page_is_well_formed(run: Run, parsed: Parsed) -> None:
    assert page(run).startswith("<!doctype html>")
    assert parsed.faults == []
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    linked = {attributes["href"] for tag, attributes in parsed.elements if tag == "a"}
    assert linked == {f"#{id_}" for id_ in ids}


def test_it_loads_nothing_and_runs_nothing(run: Run, parsed: Parsed) -> None:
    text = page(run)
    without_names = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|url\(|@import|//[a-z]", without_names)
    assert not LOADS & {tag for tag, _ in parsed.elements}
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith(("on", "src"))]
    assert "prefers-color-scheme: dark" in text


def test_machine_versions_settings_and_samples_are_there(run: Run, parsed: Parsed) -> None:
    said = parsed.said("settings")
    for words in (
        *(run.machine.cpu, "2 cores", run.machine.system, run.machine.python, run.commit, run.samples.digest),
        *(part for pair in (run.versions | run.settings).items() for part in pair),
    ):
        assert words in said


def test_every_promise_stands_in_its_case_with_limit_value_and_verdict(run: Run, parsed: Parsed) -> None:
    for case in run.cases:
        for check in case.checks:
            verdict = "✓ holds" if check.holds else "✗ broken"
            row = f"{re.escape(check.name)} {re.escape(check.limit)} [-0-9.,]+ ?{check.unit} {verdict}"
            assert re.search(row, parsed.said(case.case)), check.name
    promises = [check for case in run.cases for check in case.checks]
    held = sum(check.holds for check in promises)
    assert f"{held} of {len(promises)} promises of this run hold." in parsed.said("")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("image", "CPU time of one image"),
        ("image", "120 ms 1.2 × the floor"),
        ("image", "720 ms 6 × ours"),
        ("image", "5,400 ms 45 × ours (bar cut)"),
        ("image", "floor : pyvips (libvips' codec): one decode"),
        ("image", "ours : render_image: JPEG by libjpeg-turbo"),
        ("image", "pyvips-binary 8.18.7, simplejpeg 1.9.0"),
        ("image", "Too few rounds to know it: the model's way"),
        ("image", "Farthest from the floor: b.jpg, 1.30"),
        ("image", "JPEG, 12 MP 2 120 ±"),
        ("throughput", "16 images/s"),
        ("quality", "small 100.0 104.0 -3.8 %"),
        ("quality", "ours 120 0.9975 0.9970 0.9815 0.9810"),
        ("target", "9 s"),
        ("target", "The goal of 5 minutes is 33.3 times as long."),
        ("target", "One image, step by step"),
        ("target", "decode 70 ms resize 20 ms in 2 encode 10 ms in 2 colours 5 ms"),
        ("growth", "Marginal CPU of an image"),
        ("growth", "4 tasks"),
        ("growth", "1 task CPU 1,000 ms"),
        ("memory", "Memory over time: one task, photos of 24 MP"),
        ("memory", "of 3 rounds the median is 300 MB, its noise band"),
        ("start", "600 ms"),
        ("start", "httpx"),
        ("start", "kernel rank"),
        ("bill", "0.237 cents"),  # 1000 / 16 images a second x (2 x 0.000018 + 0.000002) dollars
        ("bill", "50 at a time $0.0456 $0.4800 10.5 ×"),
        ("bill", "one by one, each with a minute to itself $2.28 $24.00 10.5 ×"),
        ("colours", "native.quantize"),
    ],
)
def test_a_figure_is_in_its_section(parsed: Parsed, section: str, words: str) -> None:
    said = parsed.said(section)
    assert words in said


def test_noise_is_drawn_on_every_bar_of_three_rounds_and_no_other(run: Run, parsed: Parsed) -> None:
    three = Parsed(page(of_cases(run, "throughput")))
    one = Parsed(page(of_cases(constructed_run(rounds=1), "throughput")))

    def whiskers(of: Parsed) -> int:
        return sum(attributes.get("class") == "whisker" for _, attributes in of.elements)

    assert whiskers(three) == 3 * 2 * (4 + 2)  # three lines each, wide and narrow, of four rates and two bills
    assert whiskers(one) == 0
    assert "Noise is not known: it takes three rounds." in one.said("throughput")


def test_missing_contenders_and_cases_are_named(run: Run) -> None:
    few = Parsed(page(of_cases(run, "image")))
    assert "imagemagick apt-get install imagemagick" in few.said("")
    for name in ALL:
        if name != "image":
            assert f"The case {name} is not in this run." in few.said(name)
    assert "Not in this run, so left out below: throughput, quality" in few.said("")
    assert few.faults == []


def test_a_case_that_failed_says_why_and_hostile_words_stay_words(run: Run) -> None:
    hostile = '<script>alert("x")</script> & <b>'
    failed = CaseResult(case="memory", failed=f"no photo: {hostile}")
    odd = CaseResult(
        case="image",
        remarks=(hostile, f"floor: {hostile}"),
        missing=(f"{hostile}: gone",),
        checks=(Check(name=hostile, limit=hostile, value=float("nan"), unit=hostile, holds=False),),
        facts={hostile: 1.0},
    )
    text = page(msgspec.structs.replace(run, cases=(failed, odd), settings={hostile: hostile}))
    found = Parsed(text)
    assert "<script" not in text
    assert found.faults == []
    assert hostile in found.said("image")
    assert f"The case memory failed: no photo: {hostile}" in found.said("memory")


def test_cases_without_any_figure_make_a_page(run: Run) -> None:
    empty = Parsed(page(msgspec.structs.replace(run, cases=tuple(CaseResult(case=name) for name in ALL))))
    assert empty.faults == []
    assert not [tag for tag, _ in empty.elements if tag == "figure"]


def test_the_command_takes_the_latest_run_or_the_named_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, here = tmp_path / "results", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(runner, "RESULTS", results)
    nothing = CliRunner().invoke(main, ["report"])
    assert nothing.exit_code == 1
    assert "there is no run in" in nothing.output
    save(run, results / "b.json")
    save(msgspec.structs.replace(run, started="2026-11-20T10:00:00+00:00", commit="older"), results / "c.json")
    (results / "tune-2cpu.json").write_text("{}")
    assert newest(results) == results / "b.json"
    made = CliRunner().invoke(main, ["report"])
    assert made.exit_code == 0, made.output
    assert made.output.strip() == str(page_for(results / "b.json"))
    assert (here / made.output.strip()).read_text() == page(load(results / "b.json"))
    named = CliRunner().invoke(main, ["report", str(results / "c.json"), "--out", "page.html"])
    assert named.exit_code == 0, named.output
    assert "commit older" in (here / "page.html").read_text()
    (results / "d.json").write_text("{}")
    with pytest.raises(UnreadableRun, match=r"d\.json is no run"):
        newest(results)


def test_the_picture_is_drawn_from_the_case_image(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    kept, drawn = tmp_path / "run.json", tmp_path / "folder" / "picture.png"
    save(run, kept)
    # A process of its own: where photos are rendered, libvips is forbidden to read SVG.
    command = [sys.executable, "-m", "bench", "report", str(kept), "--picture", str(drawn)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    with Image.open(drawn) as image:
        assert image.width == 1800
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or ()}
    assert (0x2A, 0x78, 0xD6) in colours  # ours
    save(of_cases(run, "start"), kept)
    refused = CliRunner().invoke(main, ["report", str(kept), "--picture", str(drawn)])
    assert refused.exit_code == 1
    assert "did not measure the case image" in refused.output


def test_a_run_can_end_with_the_path_of_its_report(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 30)).save(photos / "a.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "run_cases", lambda *_, **__: run)  # what it measures is not the subject here
    ended = CliRunner().invoke(main, ["run", "--report", "--samples", str(photos), "--out", "kept.json"])
    assert ended.exit_code == 0, ended.output
    assert ended.output.splitlines()[-1] == "report: build/bench-report/kept.html"
    assert (tmp_path / "build/bench-report/kept.html").read_text() == page(run)
