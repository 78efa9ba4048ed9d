"""Read files that options name."""

from __future__ import annotations

from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError


def read_given_text(path: Path, noun: str) -> str:
    """Return the text of a file; ``noun`` states in errors what it holds. Raises UsageError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"cannot read the {noun} {path}", cause="it is not UTF-8", code=ErrorCode.FILE_NOT_UTF8, subject=str(path)
        ) from error
    except OSError as error:
        raise unreadable_file(f"cannot read the {noun} {path}", str(path), error) from error


def unreadable_file(what: str, path: str, error: OSError) -> UsageError:
    """Return the error of a file that cannot be read."""
    cause = error.strerror or str(error)
    return UsageError(what, cause=cause, code=ErrorCode.FILE_UNREADABLE, subject=path)
