"""Rows to hand on, and what ``cat`` prints of them."""

from __future__ import annotations

from pathlib import Path

from scripts.commands.installed_command import run


def jobs(rows: int, first: int = 0) -> bytes:
    return b"\n".join(b'{"url": "https://x/%d", "price": %d}' % (i, i) for i in range(first, first + rows))


def meta(dest: Path, *options: str) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = run("cat", dest, "--meta", *options).lines
    return lines


def keys(dest: Path, *options: str) -> list[str]:
    return [str(line["key"]).rpartition("/")[2] for line in meta(dest, *options)]
