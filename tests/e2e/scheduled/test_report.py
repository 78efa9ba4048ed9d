"""``report``: the installed command, and the page in a browser."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.commands.installed_command import Ended, run, sync_report
from tests.e2e.sources import Directory, result
from tests.rigs.chromium import PROGRAM, Page, chromium_page
from tests.rigs.report_state import make_destination

needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")


def test_a_report_of_what_was_synced(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("good.json", result(1))
    source.put("<b>bad.json", b"{")
    sync_report(source.location, dest, expected=3)
    out = tmp_path / "deliveries.html"
    ended = run("report", dest, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{out}: ")
    page = out.read_text(encoding="utf-8")
    assert "&lt;b&gt;bad.json" in page
    assert f"nimble-harvester problems accept {dest} --reason invalid_json --note TEXT" in page
    assert run("report", dest, "--out", out, "-q") == Ended(0, "", "")
    assert run("report", tmp_path / "none", "--out", out).code == 8
    assert run("report", dest, "--out", tmp_path / "none" / "r.html").code == 12
    assert run("report", dest, "--baseline", tmp_path).code == 2


def test_an_access_that_cannot_be_explained_is_in_the_report_and_is_the_error(
    source: Directory, dest: Path, tmp_path: Path
) -> None:
    source.put("good.json", result(1))
    sync_report(source.location, dest)
    ended = run("report", dest, "--out", tmp_path / "r.html", "--mode", "async")
    assert ended.code != 0
    assert ended.err.startswith("error: ")
    assert "It could not be explained: " in (tmp_path / "r.html").read_text()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    made = make_destination(folder / "results")
    assert run("report", made, "--out", folder / "report.html").code == 0
    return folder / "report.html"


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium_page() as shown:
        yield shown


def size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@needs_chromium
def test_the_page_in_a_browser(file: Path, page: Page) -> None:
    pictures = []
    for width, dark in ((1100, False), (1100, True), (360, False)):
        page.open(file, width=width, dark=dark)
        # Nothing is wider than the window: what is wide scrolls in its own box.
        assert page.evaluate("document.documentElement.scrollWidth") == width
        pictures.append(page.screenshot())
        assert size(pictures[-1])[0] == width
    assert pictures[0] != pictures[1]
    assert page.console == []
    assert set(page.requests) == {file.as_uri()}
    assert page.evaluate("document.querySelectorAll('img, iframe, script').length") == 1
    assert page.evaluate("document.body.innerText.includes('<script>alert(1)</script>')")
    assert page.pdf().startswith(b"%PDF")


@needs_chromium
def test_tables_are_sorted_by_a_click(file: Path, page: Page) -> None:
    page.open(file, width=1100)
    table = "[...document.querySelectorAll('table.sortable')].find(t => t.tHead.textContent.includes('unchanged'))"
    button = f"[...{table}.tHead.rows[0].cells].find(c => c.textContent == 'unchanged')"
    column = f"[...{table}.tBodies[0].rows].map(r => Number(r.cells[5].dataset.value))"
    for order in ("descending", "ascending"):
        page.evaluate(f"{button}.querySelector('button').click()")
        found = page.evaluate(column)
        assert found == sorted(found, reverse=order == "descending")
        assert page.evaluate(f"{button}.getAttribute('aria-sort')") == order


@needs_chromium
def test_the_policy_refuses_what_is_not_its_own(file: Path, page: Page, tmp_path: Path) -> None:
    changed = tmp_path / "changed.html"
    changed.write_text(file.read_text().replace("</body>", "<script>document.title = 'run'</script></body>"))
    page.open(changed, width=1100)
    assert page.evaluate("document.title") != "run"
    assert any("Content Security Policy" in each for each in page.console)
