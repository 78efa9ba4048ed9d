"""Text for people: the one escaper, numbers, sizes, times, wrapping and tables.

Values stay raw in Python and in JSON. Whatever a store, a key, a policy or an API sent passes ``printable`` once, where
it reaches a terminal or a log line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

# Compiled on first use: a run without errors needs neither.
_USER_INFO = r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/?#@]+@"
_SIGNED = (
    r"(?i)([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|X-Goog-(?:Signature|Credential)|AWSAccessKeyId|"
    r"GoogleAccessId|Signature|sig|access_token|api_?key|token|password)=)[^&\s\"'<>]+"
)
_WIDEST = 100
_NARROWEST = 40
_FIRST_SECOND = -62_135_596_800.0
_LAST_SECOND = 253_402_300_799.0


def printable(text: str) -> str:
    r"""Return ``text`` as one printable line, everything else as its Python escape (``\n``, ``\x1b``, ``\u202e``).

    Escaped are the characters that ``str.isprintable`` refuses: C0 and C1 controls, line ends, bidirectional and other
    format characters, separators other than the space, lone surrogates and unassigned code points.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def is_utf8(text: str) -> bool:
    """Return whether a text can be written in UTF-8: bytes of an argument that are none become lone surrogates."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def masked(text: str) -> str:
    """Return ``text`` without the passwords of URLs and without what signs a presigned one."""
    if "://" not in text and "=" not in text:
        return text
    return re.sub(_SIGNED, r"\1***", re.sub(_USER_INFO, r"\1***@", text))


def count(number: int, noun: str) -> str:
    """Return ``1 object``, ``2,000 objects``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """Return a number of bytes in decimal units: ``1.5 MB``."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """Return a time span: ``0.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(seconds: float) -> str:
    """Return a point in time for people, in UTC, to the second; ``seconds`` since 1970."""
    return f"{_utc(seconds):%Y-%m-%d %H:%M:%SZ}"


def rfc3339(seconds: float, *, timespec: str = "milliseconds") -> str:
    """Return a point in time as RFC 3339 writes it, in UTC, as precise as asked; ``seconds`` since 1970."""
    return rfc3339_of(_utc(seconds), timespec=timespec)


def rfc3339_of(time: datetime, *, timespec: str = "milliseconds") -> str:
    """Return an aware ``time`` as RFC 3339 writes it, in UTC, as precise as asked."""
    return time.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _utc(seconds: float) -> datetime:
    # A file system and a store may give any number; datetime takes the years 1 to 9999.
    return datetime.fromtimestamp(max(_FIRST_SECOND, min(_LAST_SECOND, seconds)), UTC)


def terminal_width() -> int:
    """Return the longest line to write: the terminal's width between 40 and 100 columns, 80 without a terminal."""
    # Loaded where a terminal is written to; so is textwrap below.
    import shutil

    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))


def wrap(text: str, *, first: str = "", rest: str | None = None, width: int | None = None) -> str:
    """Return ``text`` wrapped, its first line after ``first`` and the others after ``rest`` (default: as many blanks).

    Words are never broken, so that commands, keys and ARNs can be copied. ``width`` is the terminal's by default.
    """
    import textwrap

    return textwrap.fill(
        text,
        width=terminal_width() if width is None else width,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None = None) -> list[str]:
    """Return the lines of a table with a heading, columns that are None in every row left out.

    With ``width``, longer lines are cut there and end with an ellipsis.
    """
    kept = [place for place in range(len(columns)) if not rows or any(row[place] is not None for row in rows)]
    cells = [
        [columns[place].replace("_", " ").upper() for place in kept],
        *([_cell(row[place]) for place in kept] for row in rows),
    ]
    widths = [max(len(row[place]) for row in cells) for place in range(len(kept))]
    lines = ["  ".join(cell.ljust(space) for cell, space in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [line if width is None or len(line) <= width else f"{line[: width - 1]}…" for line in lines]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return printable(str(value)) or "-"
