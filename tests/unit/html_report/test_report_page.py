"""The page of a report: what is in it, what its policy allows, and how large it may become."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
from pathlib import Path

import pytest

from harvester import HtmlReportOptions, ReportWording, write_html_report
from harvester.cli.shared.next_steps import next_step, problem_step
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, DestinationUnusable, UsageError
from harvester.html_report.page import age, ceiling
from tests.rigs.report_state import HOSTILE, make_destination

WORDED = HtmlReportOptions(wording=ReportWording(problem_step))


class Parsed(html.parser.HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.sources: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] in ("style", "script") and self.elements[-1][0] not in self.sources:
            self.sources[self.elements[-1][0]] = data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    written = write_html_report(
        make_destination(folder / HOSTILE.replace("/", "").encode("ascii", "ignore").decode()), path, WORDED
    )
    assert written.bytes == path.stat().st_size
    return path.read_text(encoding="utf-8")


def test_everything_is_shown(page: str) -> None:
    text = Parsed(page).text
    for part in (
        "copy of s3://acme-results/nimble/", "2,000 objects landed", "40 open problems", "60 runs as a table",
        "Outcomes of run 60, the newest", "Envelopes landed, by their own status", "Objects per hour", "Bytes per hour",
        "Time from delivery to landing", "Size as landed", "quarantined: invalid json", "--reason invalid_json --note",
        "grant s3:GetObject", "warehouse", "price", "97.0 %", "31.0 %", "-66.0", "Not examined.",
    ):  # fmt: skip
        assert part in text, part


def test_outside_text_is_text(page: str) -> None:
    parsed = Parsed(page)
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    assert not {"img", "iframe", "link", "object", "form", "base"} & {tag for tag, _ in parsed.elements}
    assert not [
        name for _, attributes in parsed.elements for name in attributes if name.startswith("on") or name == "style"
    ]
    assert "<script>alert(1)</script>" in parsed.text
    assert "{{ 7 * 7 }}" in parsed.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_the_policy_allows_the_style_and_the_script_alone(page: str) -> None:
    parsed = Parsed(page)
    metas = [attributes for tag, attributes in parsed.elements if tag == "meta"]
    (policy,) = [each["content"] for each in metas if each.get("http-equiv") == "Content-Security-Policy"]
    hashes = {
        name: base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        for name, source in parsed.sources.items()
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}';"
        " base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in parsed.sources["style"]
    assert "@import" not in parsed.sources["style"]


def test_the_file_stays_small(tmp_path: Path) -> None:
    made = make_destination(tmp_path / "d", 3000, runs=400)
    for several in (1, 5, 25):
        assert write_html_report([made] * several, tmp_path / "r.html", WORDED).bytes < 1_000_000
    with pytest.raises(UsageError):
        write_html_report([made] * 26, tmp_path / "r.html", WORDED)


def test_an_empty_destination_has_a_report(tmp_path: Path) -> None:
    made = make_destination(tmp_path / "d", 0, runs=0)
    write_html_report(made, tmp_path / "r.html", HtmlReportOptions(window=60))
    text = Parsed((tmp_path / "r.html").read_text()).text
    assert "There was no run in this time." in text
    assert "Nothing landed in this time." in text


def test_what_cannot_be_written_or_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        write_html_report(tmp_path / "none", tmp_path / "r.html")
    made = make_destination(tmp_path / "d", 1, runs=1)
    with pytest.raises(DestinationUnusable):
        write_html_report(made, tmp_path / "missing" / "r.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d"]


def test_more_destinations_than_one_file_holds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        write_html_report([tmp_path] * 26, tmp_path / "report.html")
    assert refused.value.code is ErrorCode.REPORT_TOO_LONG
    assert "up to 25 destinations" in (next_step(refused.value) or "")


@pytest.mark.parametrize(("number", "top"), [(0, 1), (1, 1), (3, 5), (5, 5), (11, 20), (999, 1000), (1001, 2000)])
def test_the_top_of_a_chart_is_round(number: float, top: float) -> None:
    assert ceiling(number) == top


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (2 * 86400, "2 days")],
)
def test_an_age_has_one_unit(seconds: float, shown: str) -> None:
    assert age(seconds) == shown
