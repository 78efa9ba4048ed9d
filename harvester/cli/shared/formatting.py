"""How numbers, sizes and times are written for people."""

from __future__ import annotations

import json
import time


def size(count: int) -> str:
    """Return a number of bytes for people: ``1.5 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Return a time span for people: ``0.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(seconds: float) -> str:
    """Return a point in time, UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def count(number: int, noun: str) -> str:
    """Return ``1 object``, ``2,000 objects``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown(key: str) -> str:
    """Return a key or path for a terminal: one that holds control characters as a JSON string."""
    return key if key.isprintable() else json.dumps(key)
