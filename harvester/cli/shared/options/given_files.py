"""Read files that options name."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError

_BLOCK = 2**20


def read_given_text(path: Path, noun: str, *, max_bytes: int | None = None, limit: str = "") -> str:
    """Return the text of a file; ``noun`` states in errors what it holds. Raises UsageError.

    No more than ``max_bytes`` are read; ``limit`` is the option that raises it.
    """
    try:
        with path.open("rb") as file:
            content = file.read() if max_bytes is None else read_at_most(file, max_bytes)
        if max_bytes is not None:
            check_length(content, str(path), max_bytes, limit)
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"cannot read the {noun} {path}", cause="it is not UTF-8", code=ErrorCode.FILE_NOT_UTF8, subject=str(path)
        ) from error
    except OSError as error:
        raise unreadable_file(f"cannot read the {noun} {path}", str(path), error) from error


def read_at_most(stream: IO[bytes], most: int) -> bytes:
    """Return what a stream holds, of more than ``most`` bytes the first ones; sets aside no memory for ``most``."""
    content = bytearray()
    while len(content) <= most and (block := stream.read(min(_BLOCK, most + 1 - len(content)))):
        content += block
    return bytes(content)


def check_length(content: bytes, source: str, max_bytes: int, limit: str) -> None:
    """Raise UsageError for more than ``max_bytes``; ``limit`` is the option that raises it."""
    if len(content) > max_bytes:
        raise UsageError(
            f"{source} is longer than {max_bytes:,} bytes",
            cause="what it takes to read it grows with its length",
            code=ErrorCode.FILE_TOO_LONG,
            subject=source,
            parameters={"limit": limit},
        )


def unreadable_file(what: str, path: str, error: OSError) -> UsageError:
    """Return the error of a file that cannot be read."""
    cause = error.strerror or str(error)
    return UsageError(what, cause=cause, code=ErrorCode.FILE_UNREADABLE, subject=path)
