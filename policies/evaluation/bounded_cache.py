"""A dictionary of results that is emptied when it is full."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
KEPT = 10_000
"""How many results a cache keeps by default."""


class BoundedCache(dict[Key, Result]):
    """Results by what they were computed from; never more than ``kept``."""

    def __init__(self, kept: int = KEPT) -> None:
        """Keep at most ``kept`` results."""
        super().__init__()
        self.kept = kept

    def keep(self, key: Key, result: Result) -> Result:
        """Add a result and return it; a full cache is emptied first."""
        if len(self) >= self.kept:
            self.clear()
        self[key] = result
        return result
