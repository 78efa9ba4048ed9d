"""Keys that hurt copy tools, and the one outcome each must have: data for tests and for the table in the docs.

Everything lies below one prefix, so that a key may try to leave the destination. Outcomes were decided before the
tests were run: an object lands under its own path where that is safe and no other key has it, else under its safe
name; only the residue of a connection test and empty directory markers are no objects.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

RESIDUE = ".nimble-connection-test"


@dataclass(frozen=True, slots=True)
class HostileObject:
    """One object of a case."""

    key: str
    """The key below the prefix."""
    fate: Literal["own", "safe", "ignored"]
    """``own``: lands under its own path; ``safe``: under its safe name; ``ignored``: is no result."""
    detail: str = ""
    """The path of ``own`` where it is not the key; the suffix of ``safe``; the reason of ``ignored``."""
    reason: str = ""
    """Why its path is not its key: the reason of ``--unsafe-names refuse``."""
    empty: bool = False
    """Whether it holds nothing."""
    fold: Literal["", "case", "normalization"] = ""
    """What a file system must distinguish for this outcome; elsewhere it lands under its safe name."""

    @property
    def content(self) -> bytes:
        """What must lie in the destination, to the byte."""
        if self.empty:
            return b""
        document = {
            "url": "https://www.example.com/",
            "task_id": hashlib.sha256(self.key.encode()).hexdigest(),
            "status": "success",
            "data": {"html": "<p>" + "é" * 20 + "</p>"},
            "status_code": 200,
        }
        return json.dumps(document).encode()

    @property
    def body(self) -> bytes:
        """What the bucket holds."""
        return gzip.compress(self.content, mtime=0) if self.key.endswith(".json.gz") else self.content

    @property
    def path(self) -> str:
        """Where it must lie; empty when nowhere."""
        if self.fate == "ignored":
            return ""
        return self.safe_path if self.fate == "safe" else self.detail or self.key

    @property
    def safe_path(self) -> str:
        """Its path when it cannot have its own."""
        suffix = self.detail if self.fate == "safe" else ".json"
        return f"_keys/{hashlib.sha256(self.key.encode()).hexdigest()}{suffix}"


@dataclass(frozen=True, slots=True)
class HostileKeys:
    """One case: keys that are given together."""

    name: str
    """What is hostile about them."""
    objects: tuple[HostileObject, ...]
    """The objects."""


def _own(key: str, path: str = "", fold: Literal["", "case", "normalization"] = "") -> HostileObject:
    return HostileObject(key, "own", path, fold=fold)


def _safe(key: str, reason: str, suffix: str = ".json") -> HostileObject:
    return HostileObject(key, "safe", suffix, reason)


def _ignored(key: str, reason: str) -> HostileObject:
    return HostileObject(key, "ignored", reason, empty=True)


_PLAIN = "not_a_plain_path"
_CONTROL = "control_character"
_COLLISION = "path_collision"
_RESERVED = "reserved_name"
_LONG = "name_too_long"
_ESCAPE = "../escape.json"

HOSTILE_KEYS = (
    HostileKeys("parent directory", (_safe(_ESCAPE, _PLAIN), _safe("../../etc/escape", _PLAIN, ""))),
    HostileKeys("parent directory in the middle", (_safe("inside/../up.json", _PLAIN),)),
    HostileKeys("parent directory alone", (_safe("..", _PLAIN, ""), _safe("../", _PLAIN, ""))),
    HostileKeys("current directory", (_safe("./dot.json", _PLAIN), _safe(".", _PLAIN, ""))),
    HostileKeys(
        "absolute path", (_safe("/absolute.json", "absolute_path"), _safe("//host/share", "absolute_path", ""))
    ),
    HostileKeys("double slash beside a single one", (_safe("double//slash.json", _PLAIN), _own("double/slash.json"))),
    HostileKeys("the prefix itself, with a body", (_safe("", "empty_name", ""),)),
    HostileKeys("trailing slash, empty: a directory marker", (_ignored("marker/", "directory_marker"),)),
    HostileKeys("trailing slash, with a body", (_safe("marker-with-body/", _PLAIN, ""), _safe("odd.json/", _PLAIN))),
    HostileKeys("a file that is also a folder", (_own("pair"), _safe("pair/b.json", _COLLISION))),
    HostileKeys(
        "a file that is also a folder, by its .gz",
        (_own("packed.json.gz", "packed.json"), _safe("packed.json/b.json", _COLLISION)),
    ),
    HostileKeys("plain beside compressed", (_own("x.json"), _safe("x.json.gz", _COLLISION))),
    HostileKeys("compressed twice by name", (_own("twice.gz.gz", "twice.gz"),)),
    HostileKeys("nothing but .gz", (_own(".gz"), _own("inner/.gz"))),
    HostileKeys(
        "names that differ by case", (_own("Case.json"), _own("case.json", fold="case"), _own("cASE.json", fold="case"))
    ),
    HostileKeys("folders that differ by case", (_own("Folder/1.json"), _own("folder/2.json", fold="case"))),
    HostileKeys(
        "composed and decomposed letters",
        (_own("cafe\u0301.json"), _own("caf\u00e9.json", fold="normalization")),
    ),
    HostileKeys("a name of 250 bytes", (_own("n" * 250),)),
    HostileKeys(
        "a name of 255 bytes, and .gz", (_own("m" * 250 + ".json"), _own("g" * 250 + ".json.gz", "g" * 250 + ".json"))
    ),
    HostileKeys("a name over 255 bytes", (_safe("o" * 251 + ".json", _LONG), _safe("\u00e9" * 126 + ".json", _LONG))),
    HostileKeys("a folder over 255 bytes", (_safe("f" * 256 + "/x.json", _LONG),)),
    HostileKeys("a key of 1,000 bytes in folders", (_own("/".join(["d" * 99] * 10)),)),
    HostileKeys("newline", (_safe("new\nline.json", _CONTROL), _safe("carriage\rreturn.json", _CONTROL))),
    HostileKeys("tab", (_safe("tab\there.json", _CONTROL),)),
    HostileKeys("terminal escape", (_safe("esc\x1b[31mred.json", _CONTROL), _safe("bell\x07.json", _CONTROL))),
    HostileKeys(
        "other control characters",
        (_safe("delete\x7f.json", _CONTROL), _safe("next\x85line.json", _CONTROL), _safe("line\u2028.json", _CONTROL)),
    ),
    HostileKeys("NUL", (_safe("nul\x00byte.json", _CONTROL),)),
    HostileKeys("right-to-left override", (_safe("exe\u202enosj.json", _CONTROL),)),
    HostileKeys("right-to-left isolate, in a folder", (_safe("a/exe\u2067nosj\u2069.json", _CONTROL),)),
    HostileKeys("right-to-left text with its mark", (_own("\u200f\u05ea\u05d5\u05e6\u05d0\u05d4.json"),)),
    HostileKeys("backslash", (_own("back\\slash.json"), _own("..\\up.json"))),
    HostileKeys("percent-encoded dots", (_own("%2e%2e/x.json"), _own("%2e%2e%2fy.json"), _own("100%.json"))),
    HostileKeys(
        "question mark, hash, plus", (_own("question?mark.json"), _own("hash#tag.json"), _own("plus+sign.json"))
    ),
    HostileKeys("spaces", (_own(" leading.json"), _own("trailing "), _own("in between.json"), _own(" "))),
    HostileKeys("glob characters", (_own("*.json"), _own("[a-z]?.json"), _own("{x,y}.json"))),
    HostileKeys("leading dashes", (_own("-rf"), _own("--help"))),
    HostileKeys("shell characters", (_own("~root/x.json"), _own("$HOME.json"), _own("`id`;'\"&|<>.json"))),
    HostileKeys("emoji", (_own("\U0001f600.json"), _own("\U0001f469\u200d\U0001f680/\U0001f680.json"))),
    HostileKeys("Windows' reserved names", (_own("CON"), _own("aux.json"), _own("a:b.json"), _own("dot."))),
    HostileKeys("the residue of a connection test", (_ignored(f"below/{RESIDUE}", "probe_residue"),)),
    HostileKeys(
        "keys beside and below the residue",
        (_ignored(RESIDUE, "probe_residue"), _own(f"{RESIDUE}/child.json"), _own(f"{RESIDUE}.json")),
    ),
    HostileKeys(
        "the residue's name, with a body", (_own(f"full/{RESIDUE}"), _safe(f"full/{RESIDUE}/child.json", _COLLISION))
    ),
    HostileKeys(
        "the state folder",
        (
            _safe(".nimble-harvester", _RESERVED, ""),
            _safe(".nimble-harvester/manifest.sqlite", _RESERVED, ".sqlite"),
            _safe(".nimble-harvester/tmp/1-1", _RESERVED, ""),
            _safe(".Nimble-Harvester/lock", _RESERVED, ""),
            _own("sub/.nimble-harvester/x.json"),
        ),
    ),
    HostileKeys(
        "the folder of safe names",
        (
            _safe("_keys", _RESERVED, ""),
            _safe("_keys/x.json", _RESERVED),
            _safe("_KEYS/x.json", _RESERVED),
            _own("sub/_keys/x.json"),
        ),
    ),
    HostileKeys(
        "the folder of rescued results", (_safe("_rescued", _RESERVED, ""), _safe("_rescued/x.json", _RESERVED))
    ),
    HostileKeys("the manifest's own names", (_own("nimble-task:x.json"),)),
    HostileKeys(
        "another key's safe name",
        (_safe(f"_keys/{hashlib.sha256(_ESCAPE.encode()).hexdigest()}.json", _RESERVED),),
    ),
)


def all_objects() -> list[HostileObject]:
    """Return the objects of all cases."""
    return [found for case in HOSTILE_KEYS for found in case.objects]


def held_by_directories(case: HostileKeys) -> bool:
    """Return whether a directory can hold all the keys of a case as files."""
    keys = [found.key for found in case.objects]
    for key in keys:
        parts = key.split("/")
        if "\0" in key or any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in parts):
            return False
        if any(other.startswith(f"{key}/") for other in keys):
            return False
    return True
