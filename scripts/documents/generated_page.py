"""A page that a script generates: written, or compared with what is there."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(page: Path, text: str) -> int:
    """Write ``text``; with ``--check`` among the arguments, return 1 where the page has another, and write nothing."""
    if "--check" in sys.argv[1:]:
        return int(not page.exists() or text != page.read_text(encoding="utf-8"))
    page.parent.mkdir(exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return 0
