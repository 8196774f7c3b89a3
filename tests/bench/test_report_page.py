"""The page of a run: it contains every value, it is well-formed, it loads nothing, and its charts are to scale."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from bench.__main__ import main
from bench.cases import ALL
from bench.core import runner
from bench.core.results import CaseResult, Check, Run, UnreadableRun, load, save
from bench.report import newest, page_for
from bench.report.charts import THEME
from bench.report.page import page
from tests.bench.report_run import constructed_run, of_cases

pytestmark = pytest.mark.slow

VOID = {"meta", "br", "hr", "img", "link", "input"}
LOADS = {"script", "link", "img", "image", "iframe", "object", "embed", "audio", "video", "foreignobject"}


class Parsed(HTMLParser):
    """A parsed page: words, elements, and elements that are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.errors: list[str] = []
        self.tooltips: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, list[str]] = {}
        self._section = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.errors.append(f"{tag} has an attribute twice")
        if tag == "section":
            self._section = dict(attrs).get("id") or ""
            self.sections[self._section] = []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.errors.append(f"</{tag}> closes {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "title":
            self.tooltips.append(data)
        elif self.open and self.open[-1] != "style":
            self.sections.setdefault(self._section, []).append(data)

    def text(self, section: str) -> str:
        """Return the words of a section, in one line."""
        return " ".join(" ".join(self.sections[section]).split())


@pytest.fixture(scope="module")
def run() -> Run:
    return constructed_run()


@pytest.fixture(scope="module")
def text(run: Run) -> str:
    return page(run)


@pytest.fixture(scope="module")
def parsed(text: str) -> Parsed:
    return Parsed(text)


@pytest.fixture(scope="module")
def charts(text: str) -> dict[str, ElementTree.Element]:
    """The charts of the page by their accessible name, parsed as XML."""
    found = re.findall(r"<svg .*?</svg>", text, flags=re.DOTALL)
    elements = [
        ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
        for svg in found
    ]
    return {element.attrib["aria-label"]: element for element in elements}


def boxes(chart: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """Return by tooltip the left and right end of each mark of a chart."""
    found = {}
    for group in chart.iter("g"):
        title, path = group.find("title"), group.find("path")
        if title is not None and path is not None:
            xs = [float(x) for x in re.findall(r"[ML] (-?[0-9.]+)", path.attrib["d"])]
            found[title.text or ""] = min(xs), max(xs)
    return found


def test_the_page_is_well_formed(text: str, parsed: Parsed) -> None:
    assert text.startswith("<!doctype html>")
    assert parsed.errors == []
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    sections = {attributes["id"] for tag, attributes in parsed.elements if tag == "section"}
    linked = {attributes["href"] for tag, attributes in parsed.elements if tag == "a"}
    assert linked == {f"#{id_}" for id_ in sections}


def test_it_loads_nothing_and_runs_nothing(text: str, parsed: Parsed) -> None:
    assert not re.search(r"https?:|url\((?!#)|@import|//[a-z]", text)
    assert not LOADS & {tag for tag, _ in parsed.elements}
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith(("on", "src"))]
    ids = {attributes.get("id") for _, attributes in parsed.elements}
    used = {attributes["xlink:href"] for tag, attributes in parsed.elements if tag == "use"}
    clips = set(re.findall(r"url\(#([^)]*)\)", text))
    assert used
    assert clips
    assert {(reference or "").removeprefix("#") for reference in used} | clips <= ids


def test_two_pages_of_a_run_are_equal(run: Run, text: str) -> None:
    assert page(run) == text


def test_charts_follow_the_theme(text: str, charts: dict[str, ElementTree.Element]) -> None:
    light, dark = re.findall(r":root \{ ([^}]*)\}", text)
    for declarations, place in ((light, 0), (dark, 1)):
        defined = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", declarations))
        assert defined == {name: colours[place] for name, colours in THEME.items()}
    assert "prefers-color-scheme: dark" in text
    drawn = "".join(ElementTree.tostring(chart, encoding="unicode") for chart in charts.values())
    assert set(re.findall(r"var\(--([a-z]+)\)", drawn)) == {"page", "ink", "muted", "grid", "bad"}
    assert not [colour for colour, _ in THEME.values() if colour in drawn]


def test_every_chart_has_a_name_and_no_label_is_cut(charts: dict[str, ElementTree.Element]) -> None:
    assert len(charts) == 22
    for name, chart in charts.items():
        assert chart.attrib["role"] == "img"
        _, _, width, height = map(float, chart.attrib["viewBox"].split())
        assert (width, height) == (float(chart.attrib["width"]), float(chart.attrib["height"]))
        labels = list(chart.iter("text"))
        assert labels, name
        for label in labels:
            style = label.attrib["style"]
            size = re.search(r"([0-9.]+)px", style)
            assert size, style
            bold = "bold" if re.search(r"bold|700", style) else "normal"
            font = FontProperties(family="DejaVu Sans", weight=bold)
            long = TextPath((0, 0), label.text or "", size=float(size.group(1)), prop=font).get_extents().width
            shift = {"start": 0.0, "middle": long / 2, "end": long}
            anchor = re.search(r"text-anchor: (start|middle|end)", style)
            left = float(label.attrib["x"]) - shift[anchor.group(1) if anchor else "start"]
            assert left >= -1, (name, label.text)
            assert left + long <= width + 1, (name, label.text)
            assert 0 < float(label.attrib["y"]) < height, (name, label.text)


def test_machine_versions_settings_and_samples_are_there(run: Run, parsed: Parsed) -> None:
    settings = parsed.text("settings")
    for words in (
        *(run.machine.cpu, "2 cores", run.machine.system, run.machine.python, run.commit, run.samples.digest),
        *(part for pair in (run.versions | run.settings).items() for part in pair),
    ):
        assert words in settings
    assert "8,000 MB" in settings
    assert "2, made, 6,000,000 bytes" in settings


def test_every_check_is_in_its_case_with_limit_value_and_verdict(run: Run, parsed: Parsed) -> None:
    for case in run.cases:
        for check in case.checks:
            verdict = "✓ passed" if check.holds else "✗ failed"
            row = f"{re.escape(check.name)} {re.escape(check.limit)} [-0-9.,]+ ?{check.unit} {verdict}"
            assert re.search(row, parsed.text(case.case)), check.name
    checks = [check for case in run.cases for check in case.checks]
    passed = sum(check.holds for check in checks)
    assert 0 < passed < len(checks)
    assert f"{passed} of {len(checks)} checks of this run passed." in parsed.text("")
    assert "target 50 photos of 12 MP, CPU at most 4 s 4.5 s ✗ failed" in parsed.text("")
    assert "6× less CPU than the model's way at least 5.5 ✓ passed" in parsed.text("")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("image", "CPU time of one image"),
        ("image", "120 ms 1.2 × the floor"),
        ("image", "720 ms 6 × ours"),
        ("image", "5,400 ms 45 × ours (bar cut)"),
        ("image", "floor pyvips (libvips' codec): one decode"),
        ("image", "ours render_image: JPEG by libjpeg-turbo"),
        ("image", "pyvips-binary 8.18.7, simplejpeg 1.9.0"),
        ("image", "Too few rounds for a noise band: the model's way, ImageMagick"),
        ("image", "Highest ratio: b.jpg, 1.30"),
        ("image", "median 1.20"),
        ("image", "JPEG, 12 MP 2 120 ±"),
        ("throughput", "16 images/s"),
        ("quality", "small 100.0 104.0 -3.8 %"),
        ("quality", "ours 120 0.9975 0.9970 0.9815 0.9810"),
        ("target", "9 s"),
        ("target", "The goal of 5 minutes is 33.3 times as long."),
        ("target", "One image, step by step"),
        ("target", "decode resize encode colours 70 ms 20 ms in 2 10 ms in 2 5 ms"),
        ("target", "70 ms per image 10 ms per image"),
        ("target", "task 0 backend task 0 render 1"),
        ("growth", "Marginal CPU per image"),
        ("growth", "4 tasks"),
        ("growth", "50 500 5,000 images, logarithmic"),
        ("growth", "1 task CPU 1,000 ms"),
        ("memory", "Memory over time: one task, photos of 24 MP"),
        ("memory", "the median of 3 rounds is 300 MB, its noise band"),
        ("memory", "at most 380 MB"),
        ("start", "600 ms"),
        ("start", "import httpx"),
        ("start", "kernel rank"),
        ("bill", "0.237 US cents"),  # 1000 / 16 images a second x (2 x 0.000018 + 0.000002) dollars
        ("bill", "50 at a time $0.0456 $0.4800 10.5 ×"),
        ("bill", "one by one, each billed a full minute $2.28 $24.00 10.5 ×"),
        ("colours", "native.quantize"),
    ],
)
def test_a_value_is_in_its_section(parsed: Parsed, section: str, words: str) -> None:
    assert words in parsed.text(section)


@pytest.mark.parametrize(
    "tooltip",
    [
        "ours: 120 ms 1.2 × the floor",
        "a.jpg: 1.1 times the baseline",
        "b.jpg: 1.3 times the baseline",
        "ours, small: median 0.9975, spread 0.0007",
        "4 tasks: 15 CPU ms per image at 5,000 images, logarithmic",
        "decode: 70 ms at 2 s",
        "encode: 5 ms at 95 ms",
        "noise band: 95.5 to 105 ms",  # 100 ms, rounds of 1, 0.98 and 1.03 times: 3 standard errors are 4.6 %
    ],
)
def test_a_mark_has_a_tooltip(parsed: Parsed, tooltip: str) -> None:
    assert tooltip in parsed.tooltips


def test_bars_are_as_long_as_their_values(charts: dict[str, ElementTree.Element]) -> None:
    ends = boxes(charts["One and two in flight, images/s"])
    lengths = {
        rate: right - left
        for rate in (8, 16, 1.5, 3)
        for tooltip, (left, right) in ends.items()
        if tooltip.endswith(f": {rate} images/s")
    }
    assert lengths[16] > 300
    for rate, length in lengths.items():
        assert length == pytest.approx(lengths[16] * rate / 16, abs=0.1)


def test_periods_are_where_they_began_and_as_long_as_they_took(charts: dict[str, ElementTree.Element]) -> None:
    ends = boxes(charts["One image, step by step, ms after its decode began (wall)"])
    zero, unit = ends["decode: 70 ms at 0 ms"][0], ends["colours: 5 ms at 100 ms"][1]
    for begin, long, stage in ((0, 70, "decode"), (70, 10, "resize"), (80, 5, "encode"), (100, 5, "colours")):
        left, right = ends[f"{stage}: {long} ms at {begin} ms"]
        assert (left - zero) / (unit - zero) == pytest.approx(begin / 105, abs=0.001)
        assert (right - left) / (unit - zero) == pytest.approx(long / 105, abs=0.001)


def test_noise_is_drawn_on_every_bar_of_three_rounds_and_no_other(run: Run) -> None:
    three = Parsed(page(of_cases(run, "throughput")))
    one = Parsed(page(of_cases(constructed_run(rounds=1), "throughput")))

    def whiskers(of: Parsed) -> list[str]:
        return [tooltip for tooltip in of.tooltips if tooltip.startswith("noise band: ")]

    assert len(whiskers(three)) == 4 + 2  # of four rates and two costs
    for tooltip in whiskers(three):
        low, high = re.findall(r"[0-9.]+", tooltip)
        assert 0 < float(low) < float(high)
    assert whiskers(one) == []
    assert "There are no noise bands: they need at least three rounds." in one.text("throughput")


def test_missing_contenders_and_cases_are_named(run: Run) -> None:
    few = Parsed(page(of_cases(run, "image")))
    assert "imagemagick apt-get install imagemagick" in few.text("")
    for name in ALL:
        if name != "image":
            assert f"The case {name} is not in this run." in few.text(name)
    assert "Cases that are not in this run, and are left out below: throughput, quality" in few.text("")
    assert few.errors == []


def test_a_failed_case_has_its_reason_and_markup_in_a_run_is_escaped(run: Run) -> None:
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
    assert found.errors == []
    assert hostile in found.text("image")
    assert f"The case memory failed: no photo: {hostile}" in found.text("memory")


def test_cases_without_any_figure_make_a_page(run: Run) -> None:
    empty = Parsed(page(msgspec.structs.replace(run, cases=tuple(CaseResult(case=name) for name in ALL))))
    assert empty.errors == []
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
    small = of_cases(run, "colours")
    save(small, results / "b.json")
    save(msgspec.structs.replace(small, started="2026-11-20T10:00:00+00:00", commit="older"), results / "c.json")
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


def test_the_picture_is_drawn_from_the_latest_run_of_the_case_image(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    results, drawn = tmp_path / "results", tmp_path / "folder" / "picture.png"
    monkeypatch.setattr(runner, "RESULTS", results)
    save(of_cases(run, "start"), results / "a.json")
    missing = CliRunner().invoke(main, ["report", "--picture", str(drawn)])
    assert missing.exit_code == 1
    assert "there is no run of the case image in" in missing.output
    save(msgspec.structs.replace(run, started="2026-11-20T10:00:00+00:00"), results / "b.json")
    made = CliRunner().invoke(main, ["report", "--picture", str(drawn)])
    assert made.exit_code == 0, made.output
    with Image.open(drawn) as image:
        assert image.width == 1800
        pixels = image.convert("RGB")
    counts = {colour: count for count, colour in pixels.getcolors(1 << 20) or ()}
    ours, floor = counts[0x1F, 0x77, 0xB4], counts[0x7F, 0x7F, 0x7F]  # 120 ms and 100 ms
    assert ours / floor == pytest.approx(1.2, rel=0.05)
    corner = pixels.getpixel((0, 0))
    edges = [pixels.crop((0, 0, 1800, 8)), pixels.crop((1792, 0, 1800, pixels.height))]
    assert all(edge.getcolors() == [(edge.width * edge.height, corner)] for edge in edges)  # nothing is cut
    before = drawn.read_bytes()
    CliRunner().invoke(main, ["report", str(results / "b.json"), "--picture", str(drawn)])
    assert drawn.read_bytes() == before
    rejected = CliRunner().invoke(main, ["report", str(results / "a.json"), "--picture", str(drawn)])
    assert rejected.exit_code == 1
    assert "did not measure the case image" in rejected.output


def test_a_run_can_end_with_the_path_of_its_report(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 30)).save(photos / "a.jpg")
    small = of_cases(run, "colours")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "run_cases", lambda *_, **__: small)  # the measurement is not tested here
    ended = CliRunner().invoke(main, ["run", "--report", "--samples", str(photos), "--out", "kept.json"])
    assert ended.exit_code == 0, ended.output
    assert ended.output.splitlines()[-1] == "report: build/bench-report/kept.html"
    assert (tmp_path / "build/bench-report/kept.html").read_text() == page(small)
