"""Which destination a state belongs to: one random id, in the destination itself and in its manifest."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from harvester.destination.manifest import Manifest, StateIdentity
from harvester.destination.paths import STATE_FOLDER
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, IntegrityError, UsageError

IDENTITY_NAME = "destination.json"
IDENTITY_SCHEMA = "urn:nimble-harvester:destination:v1"
_ID_LETTERS = 32
_HEXADECIMAL = frozenset("0123456789abcdef")
_LONGEST = 4096
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


def check_state_files(folder: Path) -> None:
    """Raise DestinationUnusable for a file in a state folder that is not opened: a device, a FIFO, a second name.

    A FIFO would block, and writing to a file with two names would change a file outside the destination.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        found = entry.stat(follow_symlinks=False)
        mode = found.st_mode
        if stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and found.st_nlink == 1):
            continue
        what = (
            "a symbolic link" if stat.S_ISLNK(mode)
            else "a file with more than one name" if stat.S_ISREG(mode)
            else "neither a file nor a folder"
        )  # fmt: skip
        raise DestinationUnusable(
            f"{entry.path} is {what}",
            cause="state is read and written in regular files with one name only",
            code=ErrorCode.STATE_FILE_REFUSED,
            subject=entry.path,
        )


def read_identity(root: Path) -> str | None:
    """Return the id of the destination at ``root``, None where it has none. Raises IntegrityError for a damaged one."""
    path = root / STATE_FOLDER / IDENTITY_NAME
    try:
        file = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return None
    try:
        text = os.read(file, _LONGEST)
    finally:
        os.close(file)
    try:
        known = json.loads(text)["id"]
    except (ValueError, RecursionError, KeyError, TypeError):
        known = None
    if not isinstance(known, str) or len(known) != _ID_LETTERS or not _HEXADECIMAL.issuperset(known):
        raise IntegrityError(
            f"{path} does not name a destination",
            cause="it was written by something else, or is damaged",
            code=ErrorCode.DESTINATION_ID_INVALID,
            subject=str(path),
        )
    return known


def settle_identity(root: Path, manifest: Manifest) -> str:
    """Give an opened destination and its manifest one id; return a warning, else an empty string.

    Raises UsageError when the state belongs to another destination, or the destination to another state.
    """
    here, known = read_identity(root), manifest.identity()
    if known is None:
        # A new manifest, or one from before there were ids.
        identity = StateIdentity(here or os.urandom(16).hex(), str(root))
        _write(root, identity.id)
        manifest.set_identity(identity)
        return ""
    if here == known.id:
        if known.root != str(root):
            manifest.set_identity(known._replace(root=str(root)))
        return ""
    if here is None and known.root == str(root) and _is_empty(root):
        _write(root, known.id)
        if manifest.is_empty():
            return ""
        return f"{root} is empty, its manifest is not: what was not evicted is fetched again"
    raise _not_its_state(root, manifest, known)


def check_identity(root: Path, manifest: Manifest) -> None:
    """Raise UsageError when a destination that is opened for reading and its manifest do not belong together."""
    here, known = read_identity(root), manifest.identity()
    if known is None or here == known.id or (here is None and known.root == str(root)):
        return
    raise _not_its_state(root, manifest, known)


def _not_its_state(root: Path, manifest: Manifest, known: StateIdentity) -> UsageError:
    return UsageError(
        f"{manifest.path} is not the state of {root}",
        cause=f"it is the state of the destination that was at {known.root}",
        code=ErrorCode.STATE_OF_ANOTHER_DESTINATION,
        subject=str(root),
        parameters={"owner": known.root},
    )


def _is_empty(root: Path) -> bool:
    return set(os.listdir(root)) <= {STATE_FOLDER, "lost+found"}  # noqa: PTH208  # names, not paths


def _write(root: Path, identity: str) -> None:
    """Write the id durably, by rename: half an id would bar the destination."""
    folder = root / STATE_FOLDER
    temporary = folder / f"{IDENTITY_NAME}.new"
    text = json.dumps({"schema": IDENTITY_SCHEMA, "id": identity}) + "\n"
    temporary.unlink(missing_ok=True)
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o644)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    temporary.rename(folder / IDENTITY_NAME)
