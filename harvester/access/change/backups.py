"""Copies of policies, made before they are changed: one file per run, readable by its owner alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, DestinationUnusable, IntegrityError, UsageError

SCHEMA = "urn:nimble-harvester:policy-backup:v1"
_SCHEMAS = (SCHEMA, "nimble-harvester/policy-backup/v1")
"""The names of the schema in files, also as earlier versions wrote it."""
MadeBy = Literal["apply", "revert"]


@dataclass(frozen=True, slots=True)
class SavedPolicy:
    """One policy as it was before a change."""

    kind: Literal["s3", "kms", "gcs"]
    """Which kind of policy."""
    resource: str
    """The bucket's name, or the key's ARN."""
    policy: str | None
    """Its text; None where there was none."""
    replaced_by: str | None
    """The text that was about to replace it; None where it was about to be removed."""


@dataclass(frozen=True, slots=True)
class Backup:
    """The policies one run was about to change."""

    path: Path
    """The file."""
    made_by: MadeBy
    """What was about to change them."""
    at: str
    """When, ISO 8601."""
    policies: tuple[SavedPolicy, ...]
    """The policies."""


def default_directory() -> Path:
    """Return where backups are kept by default: under XDG_STATE_HOME, else ``~/.local/state``.

    Raises ConfigurationError where neither is known.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    # The specification has a relative path ignored.
    if state.startswith("/"):
        return Path(state) / "nimble-harvester" / "backups"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise ConfigurationError(
            "there is no directory for backups",
            cause="neither XDG_STATE_HOME nor HOME is set, and this user has no home directory",
            code=ErrorCode.HOME_DIRECTORY_UNKNOWN,
        ) from error
    return home / ".local" / "state" / "nimble-harvester" / "backups"


def write_backup(
    directory: Path | None, scheme: str, bucket: str, made_by: MadeBy, policies: Sequence[SavedPolicy]
) -> Backup:
    """Write a backup durably and return it. Raises DestinationUnusable, and then nothing may be changed."""
    now = datetime.now(UTC)
    folder = (directory or default_directory()) / scheme / bucket
    path = folder / f"{now.strftime('%Y%m%dT%H%M%S.%fZ')}-{made_by}.json"
    document = {
        "schema": SCHEMA,
        "made_by": made_by,
        "at": now.isoformat(timespec="seconds"),
        "policies": [
            {
                "kind": each.kind,
                "resource": each.resource,
                "policy": each.policy,
                "replaced_by": each.replaced_by,
            }
            for each in policies
        ],
    }
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DestinationUnusable(
            f"cannot write the backup {path}, so nothing was changed",
            cause=error.strerror or str(error),
            code=ErrorCode.BACKUP_NOT_WRITTEN,
            subject=str(path),
        ) from error
    return Backup(path, made_by, document["at"], tuple(policies))  # type: ignore[arg-type]  # a text, put there above


def find_backup(directory: Path | None, scheme: str, bucket: str, named: str | None) -> Backup:
    """Return the backup ``named`` (a file, or its name in the folder), else the newest that an apply made.

    Raises UsageError where there is none, IntegrityError for a file that is no backup.
    """
    folder = (directory or default_directory()) / scheme / bucket
    if named is not None:
        path = next((each for each in (Path(named), folder / named) if each.is_file()), None)
        if path is None:
            raise UsageError(
                f"there is no backup {named}",
                cause=_known_backups(folder),
                code=ErrorCode.NO_SUCH_BACKUP,
                subject=named,
                parameters={"folder": str(folder)},
            )
        return read_backup(path)
    made = sorted(folder.glob("*-apply.json")) if folder.is_dir() else []
    if not made:
        raise UsageError(
            f"there is no backup of {scheme}://{bucket}",
            cause=f"nothing was applied to it from here: {folder} holds none",
            code=ErrorCode.NO_BACKUP,
            subject=f"{scheme}://{bucket}",
        )
    return read_backup(made[-1])


def _known_backups(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("*.json")) if folder.is_dir() else []
    return f"there are {', '.join(names[-3:])}" if names else f"{folder} holds none"


def read_backup(path: Path) -> Backup:
    """Return the backup in a file. Raises IntegrityError for a file that is none."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] not in _SCHEMAS:
            raise ValueError(f"schema {document['schema']!r}")
        policies = tuple(
            SavedPolicy(each["kind"], each["resource"], each["policy"], each["replaced_by"])
            for each in document["policies"]
        )
        return Backup(path, document["made_by"], document["at"], policies)
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        unread = (error.strerror or "") if isinstance(error, OSError) else "it is not what an apply or a revert wrote"
        raise IntegrityError(
            f"{path} is no backup of a policy",
            cause=unread,
            code=ErrorCode.BACKUP_INVALID,
            subject=str(path),
        ) from error
