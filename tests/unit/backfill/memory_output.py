"""An output in memory, with a hook before and after whatever changes it, and the rows that are visible in it."""

from __future__ import annotations

import io
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq

from harvester.errors import DestinationUnusable

Identity = tuple[str, str, int | None]


class MemoryOutput:
    """Files by name; several may share one dict."""

    def __init__(
        self, scratch: Path, files: dict[str, bytes] | None = None, hook: Callable[[], None] | None = None
    ) -> None:
        self.url = "memory"
        self.files = {} if files is None else files
        self._scratch = scratch
        self._hook = hook or (lambda: None)

    def hooked(self, hook: Callable[[], None]) -> MemoryOutput:
        """Return the same files, seen by another process."""
        return MemoryOutput(self._scratch, self.files, hook)

    def names(self, prefix: str) -> Iterator[str]:
        return iter(sorted(name for name in self.files if name.startswith(prefix)))

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def size(self, name: str) -> int:
        return len(self.files[name])

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        return self.files[name][start:stop]

    def create(self, name: str, content: bytes) -> bool:
        self._hook()
        created = self.files.setdefault(name, content) is content
        self._hook()
        return created

    def publish(self, file: Path, name: str) -> bool:
        content = file.read_bytes()
        file.unlink()
        return self.create(name, content)

    def exists(self, name: str) -> bool:
        return name in self.files

    def copy(self, source: str, target: str) -> None:
        self._hook()
        if source not in self.files:
            raise DestinationUnusable(f"{source} is gone")
        assert self.files.setdefault(target, self.files[source]) == self.files[source]
        self._hook()

    def remove(self, name: str) -> None:
        self._hook()
        self.files.pop(name, None)
        self._hook()

    def scratch(self) -> Path:
        return self._scratch / secrets.token_hex(8)

    def delta_options(self) -> dict[str, str]:
        return {}

    def visible(self) -> Counter[Identity]:
        """Return the rows under data/ by what identifies them."""
        found: Counter[Identity] = Counter()
        for name in self.names("data/"):
            found.update(_identities(self.files[name]))
        return found


@cache
def _identities(part: bytes) -> list[Identity]:
    columns = pq.read_table(io.BytesIO(part), columns=["key", "version", "row_index"]).to_pydict()
    return list(zip(columns["key"], columns["version"], columns["row_index"], strict=True))
