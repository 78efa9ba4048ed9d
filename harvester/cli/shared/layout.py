"""Texts laid out for a terminal: wrapped to its width, marks before, indentation under them."""

from __future__ import annotations

import shutil
import textwrap

_WIDEST = 100
_NARROWEST = 40


def width() -> int:
    """Return how wide a line of output may be: the terminal's width, within reason; 80 without a terminal."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))


def wrapped(text: str, *, first: str = "", rest: str | None = None) -> str:
    """Return ``text`` wrapped, its first line after ``first`` and the others after ``rest`` (default: as many blanks).

    Words are never broken, so that commands and ARNs can be copied.
    """
    return textwrap.fill(
        text,
        width=width(),
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
