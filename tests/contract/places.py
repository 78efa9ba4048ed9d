"""A store under test, and names that a store must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harvester.storage.base import ObjectRef, Store

# Names below the prefix which a bucket can hold; what a directory cannot is left out there.
HOSTILE = [
    "../x",
    "../../etc/passwd",
    "/abs",
    "//abs",
    "a//b",
    "a/b",
    "a",
    "./x",
    "s/../x",
    ".",
    "..",
    "dir/",
    "dir/x",
    "x.json",
    "x.json.gz",
    "Case",
    "case",
    "caf\u00e9",
    "cafe\u0301",
    "\U0001f600",
    "\uffee",
    "control\x01\x1f",
    "new\nline",
    "tab\tcarriage\r",
    "back\\slash",
    "%2e%2e/x",
    "100%",
    "question?mark#hash+plus",
    " space ",
    "a b",
    "a+b",
    "a&b=c;d",
    "quo'te\"s",
    "<angle>&amp;",
    "[brackets]{braces}*",
    "~tilde",
    "-dash",
    "CON",
    "n" * 250,
    "e" + "\u00e9" * 500,
]


@dataclass(frozen=True)
class Place:
    """A store under test, and how to speak to it behind the program's back."""

    store: Store
    missing: Store
    """A store of a bucket that does not exist."""
    holds: Callable[[str], bool]
    """Whether a name below the prefix can exist here."""
    fill: Callable[[], int] | None = None
    """Puts 00000.json and so on, so many that they need three pages; returns how many."""
    takes_empty_uploads: bool = True
    states_identity: bool = True
    """Whether a GET's answer states which version it is."""

    def key(self, name: str) -> str:
        return self.store.location.key(name)

    def put(self, name: str, body: bytes) -> None:
        self.store.put(self.key(name), body)

    def names(self, start: str = "", end: str | None = None) -> list[str]:
        prefix = self.store.location.prefix
        pages = self.store.list_pages(start and prefix + start, None if end is None else prefix + end)
        return [self.store.location.relative(found.key) for page in pages for found in page.objects]

    def listed(self) -> list[ObjectRef]:
        return [found for page in self.store.list_pages() for found in page.objects]
