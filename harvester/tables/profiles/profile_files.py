"""The profiles that a destination's state keeps: the accepted one, and the newest."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final, NamedTuple

from harvester.destination import destination_error, state_directory
from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError

ACCEPTED_SCHEMA: Final = "urn:nimble-harvester:accepted-profile:v1"
ACCEPTED_NAME: Final = "accepted-profile.json"
NEWEST_SCHEMA: Final = "urn:nimble-harvester:newest-profile:v1"
NEWEST_NAME: Final = "newest-profile.json"


class SavedProfiles(NamedTuple):
    """The groups of the saved profiles, see the published schema of a profile; None where there is none."""

    accepted: dict[str, Any] | None
    """The profile that later ones are compared with."""
    newest: dict[str, Any] | None
    """The profile of a window that was made last."""


def saved_profiles(destination: Path | str, *, state_dir: Path | None = None) -> SavedProfiles:
    """Return the saved profiles of a destination. Raises IntegrityError for one that cannot be read."""
    folder = state_directory(Path(destination), state_dir)
    return SavedProfiles(read_accepted(folder), _read(folder / NEWEST_NAME, NEWEST_SCHEMA))


def read_accepted(folder: Path) -> dict[str, Any] | None:
    """Return the groups of the accepted profile; None if none was accepted. Raises IntegrityError."""
    return _read(folder / ACCEPTED_NAME, ACCEPTED_SCHEMA)


def write_accepted(destination: Path, folder: Path, groups: dict[str, Any]) -> None:
    """Replace the accepted profile. Raises DestinationUnusable."""
    _write(destination, folder / ACCEPTED_NAME, {"schema": ACCEPTED_SCHEMA, "groups": groups})


def write_newest(destination: Path, folder: Path, groups: dict[str, Any]) -> None:
    """Replace the newest profile. Raises DestinationUnusable."""
    _write(destination, folder / NEWEST_NAME, {"schema": NEWEST_SCHEMA, "groups": groups})


def _read(path: Path, schema: str) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(content)
        groups: dict[str, Any] = document["groups"]
        if document["schema"] != schema or not isinstance(groups, dict):
            raise ValueError
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise IntegrityError(
            f"{path} is no saved profile", code=ErrorCode.PROFILE_INVALID, subject=str(path)
        ) from error
    return groups


def _write(destination: Path, path: Path, document: dict[str, Any]) -> None:
    """Replace a file by rename."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("x") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise destination_error(destination, error) from error
