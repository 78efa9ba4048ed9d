"""The path of a key on this file system: the key itself where that is safe, else a name made of its hash.

A key is up to 1,024 bytes of anything; a path is not. A key's own path is taken when it stays inside the
destination, every part of it is a plain file name, and no other key has a claim on it.
"""

import os
import unicodedata
from pathlib import Path
from typing import NamedTuple, Protocol

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError

STATE_FOLDER = ".nimble-harvester"
"""Holds the manifest, the lock, temporary files and the quarantine of a destination."""
SAFE_NAME_FOLDER = "_keys"
"""Holds the objects whose key is not usable as a path."""
RESCUED_FOLDER = "_rescued"
"""Holds the results that were fetched from the API because they never reached the bucket."""

TEMPORARY = f"{STATE_FOLDER}/tmp"  # noqa: S108  # below the destination, not the system's
QUARANTINE = f"{STATE_FOLDER}/quarantine"
VERSIONS = f"{STATE_FOLDER}/versions"

_LONGEST_NAME = 255
_LONGEST_PATH = 4096
_LONGEST_SUFFIX = 16
# Embeddings, overrides and isolates (Unicode Standard Annex 9).
_TURNS_DIRECTION = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def own_path(relative_key: str, *, keep_compressed: bool, limit: int = _LONGEST_PATH) -> tuple[str, str]:
    """Return ``(path, reason)``: the path a key would have below the destination, and why it cannot have it.

    An empty reason means it can. ``limit`` is how many bytes a path below the destination may have.
    ``.gz`` is stripped unless the content is kept compressed.
    """
    path = relative_key
    if not keep_compressed and path.endswith(".gz") and not path.endswith("/.gz") and path != ".gz":
        path = path[:-3]
    if path.isascii():
        length = len(path)
        # The common case, a task id and a suffix, is decided without a check of each part.
        if length <= _LONGEST_NAME and "/" not in path and path.isprintable() and path[:1] not in ("", ".", "_"):
            return path, ""
    return path, _refusal(path, limit)


def check_inside(path: str) -> None:
    """Raise IntegrityError for a recorded path that leads outside the destination; nothing is opened."""
    if path.startswith("/") or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise _leads_elsewhere(path)


def _leads_elsewhere(path: str) -> IntegrityError:
    return IntegrityError(
        "the manifest names a file outside the destination",
        cause=f"the path {path[:200]!r} leads elsewhere: the manifest was damaged or changed by something else",
        code=ErrorCode.MANIFEST_PATH_OUTSIDE,
        subject=path,
    )


def check_landed_path(path: str) -> None:
    """Raise IntegrityError for a landed object whose recorded path leads outside the destination, or into its state."""
    check_inside(path)
    if path.partition("/")[0] == STATE_FOLDER:
        raise _leads_elsewhere(path)


def is_text(key: str) -> bool:
    """Return whether a key is text; a file name of a source may hold bytes that are none, as surrogates."""
    if key.isascii():
        return True
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refusal(path: str, limit: int) -> str:
    if not is_text(path):
        return "name_not_utf8"
    if not path:
        return "empty_name"
    if path.startswith("/"):
        return "absolute_path"
    if not path.isprintable() and any(_is_control(character) for character in path):
        return "control_character"
    if len(path.encode()) >= limit:
        return "path_too_long"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "not_a_plain_path"
    # Folded, because on a file system that folds case ".Nimble-Harvester" is the state folder.
    if parts[0].casefold() in (STATE_FOLDER, SAFE_NAME_FOLDER, RESCUED_FOLDER):
        return "reserved_name"
    if any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return "name_too_long"
    return ""


def _is_control(character: str) -> bool:
    """Return whether a character does something else than show itself.

    Those that turn the direction of writing make one name look like another. The marks that
    right-to-left scripts need, and the joiners of emoji, do not.
    """
    category = unicodedata.category(character)
    return category in ("Cc", "Zl", "Zp") or (
        category == "Cf" and unicodedata.bidirectional(character) in _TURNS_DIRECTION
    )


def safe_path(relative_key: str, *, keep_compressed: bool) -> str:
    """Return the path of a key that cannot have its own: its SHA-256 and, where it is a plain one, its suffix.

    The hash is of the key below the prefix, so that copies of one bucket have one tree wherever they come from.
    """
    name = relative_key.removesuffix("/").rpartition("/")[2]
    if not keep_compressed:
        name = name.removesuffix(".gz")
    stem, dot, suffix = name.rpartition(".")
    # Both suffixes of a double one are kept when the last is a compression, so that "x.json.gz" stays readable as such.
    if suffix == "gz" and "." in stem:
        suffix = stem.rpartition(".")[2] + ".gz"
    plain = dot and suffix.replace(".", "").isalnum() and suffix.isascii() and len(suffix) <= _LONGEST_SUFFIX
    # Loaded by the first key that is no path.
    import hashlib

    digest = hashlib.sha256(os.fsencode(relative_key)).hexdigest()
    return f"{SAFE_NAME_FOLDER}/{digest}{'.' + suffix if plain else ''}"


class FileSystemNames(NamedTuple):
    """How the destination's file system compares names."""

    folds_case: bool
    """Whether ``A`` and ``a`` are one file."""
    folds_normalization: bool
    """Whether the composed and the decomposed form of a letter are one file."""

    @property
    def exact(self) -> bool:
        """Whether different names are always different files."""
        return not (self.folds_case or self.folds_normalization)

    def identity(self, path: str) -> str:
        """Return what two paths have in common when they are one file."""
        if self.folds_normalization:
            path = unicodedata.normalize("NFC", path)
        return path.casefold() if self.folds_case else path


def probe_names(folder: Path) -> FileSystemNames:
    """Find out, with two empty files in ``folder``, how its file system compares names."""

    def same(first: str, second: str) -> bool:
        probe = folder / first
        try:
            probe.touch()
            return (folder / second).exists()
        finally:
            probe.unlink(missing_ok=True)

    return FileSystemNames(
        folds_case=same("probe-case", "PROBE-CASE"),
        folds_normalization=same("probe-caf\u00e9", "probe-cafe\u0301"),
    )


class PathClaims(Protocol):
    """Which key of a listing has which path. Keys are claimed in the order of the listing."""

    def claim(self, key: str, path: str) -> bool:
        """Claim ``path`` for ``key``; False when an earlier key has it, or has one above or below it."""
        ...


class SortedClaims:
    """Claims of keys that come in byte order, in memory that does not grow with their number.

    A path is its key or the beginning of its key (without ``.gz``). Keys that begin with a path P come in one
    unbroken run, so everything that could collide with P is listed before the first key that does not begin with P:
    a stack of the claims that the current key begins with is all that is needed.
    """

    def __init__(self) -> None:
        """Start with no claims."""
        self._open: list[str] = []

    def claim(self, key: str, path: str) -> bool:
        """Claim ``path``; both are below the location's prefix."""
        claimed = self._open
        while claimed and not key.startswith(claimed[-1]):
            claimed.pop()
        for other in claimed:
            if len(other) == len(path) or (len(other) < len(path) and path[len(other)] == "/"):
                return False
        claimed.append(path)
        return True


class FoldedClaims:
    """Claims on a file system where different names can be one file, or in a listing without order: all are kept."""

    def __init__(self, names: FileSystemNames) -> None:
        """Start with no claims on a file system that compares names as ``names`` states."""
        self._names = names
        self._files: set[str] = set()
        self._folders: dict[str, str] = {}

    def claim(self, key: str, path: str) -> bool:  # noqa: ARG002  # part of the protocol: the sorted claims need it
        """Claim ``path``; a folder that differs only by folding is a collision too, or two trees would mix."""
        identity = self._names.identity(path)
        if identity in self._files or identity in self._folders:
            return False
        folders = [path[:position] for position, character in enumerate(path) if character == "/"]
        for folder in folders:
            folded = self._names.identity(folder)
            if folded in self._files or self._folders.get(folded, folder) != folder:
                return False
        for folder in folders:
            self._folders[self._names.identity(folder)] = folder
        self._files.add(identity)
        return True
