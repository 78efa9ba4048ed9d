"""The line that is redrawn: where it may be, and what erases it."""

from __future__ import annotations

import io

import pytest

from harvester.cli.shared.reports.status_line import StatusLine, can_redraw, erase_sequence


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
        (True, {"TERM": "xterm", "CI": "1"}, False),
        (True, {"TERM": "xterm", "CI": "false"}, True),
        (True, {"TERM": "xterm", "CI": ""}, True),
    ],
)
def test_control_sequences_need_a_terminal_that_takes_them(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, environment: dict[str, str], expected: bool
) -> None:
    for name in ("TERM", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", Terminal() if terminal else io.StringIO())
    assert can_redraw() is expected
    assert StatusLine().active is expected
    assert StatusLine(wanted=False).active is False


@pytest.mark.parametrize(
    ("length", "columns", "rows"), [(1, 80, 0), (80, 80, 0), (81, 80, 1), (160, 80, 1), (161, 80, 2), (79, 40, 1)]
)
def test_a_line_that_a_narrower_terminal_wraps_is_erased_whole(length: int, columns: int, rows: int) -> None:
    assert erase_sequence(length, columns) == "\r" + "\x1b[A" * rows + "\x1b[J"


def test_a_line_is_cut_to_the_terminal_and_erased_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "10")
    line = StatusLine()
    line.draw("abcdefghijklmnop")
    line.draw("xyz")
    line.clear()
    line.clear()
    assert terminal.getvalue() == "abcdefghi\r\x1b[Jxyz\r\x1b[J"
