"""Printing of commands whose exit code is the answer: it stands, even when nobody reads what is printed."""

from __future__ import annotations

import sys

from harvester.cli.application import forsake_output


def show(text: str) -> None:
    """Print a text; go on when whoever read standard output has left, as ``grep -q`` and ``head`` do."""
    try:
        print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        forsake_output()
