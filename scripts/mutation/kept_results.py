"""Baselines and outcomes of mutants in a file, so that a long run is made in parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.mutation.forked_tests import FileBaseline
from scripts.mutation.mutants import Mutant


class KeptResults:
    """What is known of one module's mutants.

    Outcomes are of one text of the module. A killed mutant stays killed; a survivor is tried again once a test file
    has changed.
    """

    def __init__(self, file: Path | None, module: str, source: str) -> None:
        """Take the file, None to keep nothing."""
        self._file = file
        self._module = module
        known = self._read().get(module, {})
        self._document: dict[str, Any] = {
            "source": _digest(source.encode()),
            "tests": known.get("tests", {}),
            "outcomes": {},
            "kills": known.get("kills", {}),
        }
        if known.get("source") == self._document["source"]:
            self._document["outcomes"] = known["outcomes"]

    def _read(self) -> dict[str, Any]:
        if self._file is None or not self._file.exists():
            return {}
        found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return found

    def save(self) -> None:
        """Write the file anew."""
        if self._file is not None:
            document = self._read() | {self._module: self._document}
            self._file.write_text(json.dumps(document), encoding="utf-8")

    def baseline(self, test_file: Path) -> FileBaseline | None:
        """Return the baseline of a test file; None where it, or the module, has changed since."""
        known = self._document["tests"].get(str(test_file))
        wanted = [self._document["source"], _digest(test_file.read_bytes())]
        return FileBaseline(*known["baseline"]) if known is not None and known["digests"] == wanted else None

    def keep_baseline(self, test_file: Path, baseline: FileBaseline) -> None:
        """Keep the baseline of a test file; survivors are tried again."""
        digests = [self._document["source"], _digest(test_file.read_bytes())]
        self._document["tests"][str(test_file)] = {"digests": digests, "baseline": baseline}
        outcomes = self._document["outcomes"]
        self._document["outcomes"] = {key: each for key, each in outcomes.items() if not each}

    def outcome(self, mutant: Mutant) -> str | None:
        """Return why a mutant survived, empty if it was killed; None if that is not known."""
        known: str | None = self._document["outcomes"].get(_key(mutant))
        return known

    def keep_outcome(self, mutant: Mutant, why: str) -> None:
        """Keep why a mutant survived, empty if it was killed."""
        self._document["outcomes"][_key(mutant)] = why

    @property
    def kills(self) -> Mapping[str, int]:
        """How many mutants of the module each test file has killed."""
        known: dict[str, int] = self._document["kills"]
        return known

    def count_kill(self, test_file: str) -> None:
        """Count a mutant that a test of this file killed."""
        self._document["kills"][test_file] = self.kills.get(test_file, 0) + 1


def _key(mutant: Mutant) -> str:
    return f"{mutant.node}/{mutant.number}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
