"""A line on the terminal that is redrawn in place."""

from __future__ import annotations

import os
import sys

_NOT_CI = frozenset({"", "0", "false", "no"})


def can_redraw() -> bool:
    """Return whether standard error is a terminal that takes control sequences; one under ``CI`` is no terminal."""
    dumb = os.environ.get("TERM", "") in ("", "dumb")
    return sys.stderr.isatty() and not dumb and os.environ.get("CI", "").lower() in _NOT_CI


def _columns() -> int:
    # Loaded where a line is drawn.
    import shutil

    return shutil.get_terminal_size().columns


class StatusLine:
    """One line on standard error; draws nothing where it cannot be redrawn."""

    def __init__(self, *, wanted: bool = True) -> None:
        """Decide once whether to draw."""
        self.active = wanted and can_redraw()
        self._length = 0

    def draw(self, line: str) -> None:
        """Replace the line, cut to the terminal's width."""
        self.clear()
        line = line[: _columns() - 1]
        sys.stderr.write(line)
        sys.stderr.flush()
        self._length = len(line)

    def clear(self) -> None:
        """Remove the line, also where a narrower terminal has wrapped it."""
        if self._length:
            sys.stderr.write(erase_sequence(self._length, _columns()))
            sys.stderr.flush()
            self._length = 0


def erase_sequence(length: int, columns: int) -> str:
    """Return the control sequence that erases ``length`` characters before the cursor, wrapped at ``columns``."""
    rows = (length - 1) // max(columns, 1)
    return "\r" + "\x1b[A" * rows + "\x1b[J"
