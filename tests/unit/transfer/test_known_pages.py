"""A run that knows pages of earlier listings decides as one that compares every object; both see the same histories."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import ProblemRow
from harvester.destination.opened import open_destination
from harvester.destination.selection import Selection
from harvester.storage.base import ComparedPage, KnownPage, ListPage, ObjectRef
from harvester.transfer.dispatcher import Dispatcher
from harvester.transfer.listing_run import ListingRun
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.sync_report import SyncReport
from harvester.transfer.sync_run import SyncRun
from harvester.transfer.workers.messages import Assignment
from tests.unit.transfer.memory_workers import (
    MemoryStore,
    MemoryWorkers,
    Message,
    failed,
    landed,
)

PAGE = 3


class PagedStore(MemoryStore):
    """Lists objects with versions, a few to a page, with digests."""

    starts_anywhere = True

    def __init__(self) -> None:
        super().__init__({})
        self.versions: dict[str, int] = {}
        self.secret = b""
        self.compared = 0
        self.listed = 0

    def write(self, key: str, body: bytes) -> None:
        self.objects[key] = body
        self.versions[key] = self.versions.get(key, 0) + 1

    def _refs(self, start: str, end: str | None) -> list[ObjectRef]:
        keys = sorted(key for key in self.objects if key >= start and (end is None or key < end))
        return [ObjectRef(key, len(self.objects[key]), f"v{self.versions[key]}", 1.0) for key in keys]

    def list_pages(
        self,
        start: str = "",
        end: str | None = None,
        *,
        ordered: bool = False,  # noqa: ARG002  # part of the protocol, as are others below
        prefix: str = "",  # noqa: ARG002
        page_keys: int = PAGE,
    ) -> Iterator[ListPage]:
        refs = self._refs(start, end)
        self.listed += 1
        for first in range(0, len(refs), min(page_keys, PAGE)):
            page = refs[first : first + PAGE]
            yield ListPage(page, [], self._digest(page))

    def list_folders(self, parent: str) -> list[str]:  # noqa: ARG002
        return []

    def _digest(self, refs: list[ObjectRef]) -> bytes:
        return blake2b(repr(refs).encode(), key=self.secret).digest()

    def digested(self, secret: bytes) -> PagedStore:
        self.secret = secret
        return self

    def compare_page(self, page: KnownPage, limit: int) -> ComparedPage:
        refs = self._refs(f"{page.after}\0" if page.after else "", None)
        found = refs[: min(limit, PAGE)]
        self.compared += 1
        is_equal = (len(found), self._digest(found)) == (page.keys, page.digest)
        return ComparedPage(is_equal, len(found) == len(refs), lambda: ListPage(found, []))


class Place(NamedTuple):
    """A destination."""

    root: Path
    knows_pages: bool


def worker(root: Path, store: PagedStore) -> Callable[[Assignment], Message]:
    """Return a script that lands bytes as they are, and has problems with some."""

    def script(given: Assignment) -> Message:
        body = store.objects[given.request.key]
        if body.startswith(b"fail"):
            return failed(given, "object_denied")
        path = root / given.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                path.unlink()
            path.write_bytes(body)
        except OSError:
            return failed(given, "internal_error")
        os.utime(path, ns=(1, store.versions[given.request.key]))
        fault = ("broken_rows", "one") if body.startswith(b"rows") else None
        found = path.stat()
        return landed(given, content_size=len(body), mtime_ns=found.st_mtime_ns, fault=fault)

    return script


def run(place: Place, store: PagedStore, options: SyncOptions) -> SyncReport:
    with open_destination(place.root) as opened:
        manifest = opened.manifest
        first = manifest.is_empty()
        sync_run = SyncRun(store, opened.root, manifest, options, Observer())
        launch = MemoryWorkers(worker(opened.root, store))
        sync_run.dispatcher = Dispatcher(store, opened.root, sync_run.recorder, options, Observer(), launch)
        report = ListingRun(sync_run, Observer(), expect_many=first).run()
    if not place.knows_pages:
        forget(place.root)
    return report


def forget(root: Path) -> None:
    database = sqlite3.connect(root / ".nimble-harvester" / "manifest.sqlite")
    with database:
        database.execute("DELETE FROM pages")
    database.close()


def pages(root: Path) -> int:
    with Manifest(root / ".nimble-harvester" / "manifest.sqlite", readonly=True) as manifest:
        return len(manifest.pages().all())


def state(root: Path) -> tuple[object, ...]:
    """Return everything that two destinations of one history have in common."""
    with Manifest(root / ".nimble-harvester" / "manifest.sqlite", readonly=True) as manifest:
        rows = [row._replace(seq=0, landed_at=0, gone_at=None) for row in manifest.landed()]
        problems = list(manifest.problems())
        tombstones = [row.key for row in manifest.tombstones()]
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".nimble-harvester" not in path.parts
    }
    return rows, problems, tombstones, files


def outcome(report: SyncReport) -> tuple[object, ...]:
    return (
        report.counts, report.exit_code, report.source_gone, report.ignored_by_reason, report.replaced,
        report.bytes_written, report.problems, None if report.error is None else report.error.what,
    )  # fmt: skip


NAMES = [
    f"p/{name}" for name in ("a", "a.gz", "a/b", "b", "c-1", "c/x", "c/y", "d", "e", "f", "g", "h", "i", "probe", "m/")
]
KEYS = st.sampled_from(NAMES)
BODIES = st.sampled_from([b"one", b"three", b"", b"fail", b"rows"])
DISTURBANCES = ("touch", "resize", "unlink", "link", "link folder", "evict", "purge", "problem", "distrust")
CHANGES = st.one_of(
    st.tuples(st.just("write"), KEYS, BODIES),
    st.tuples(st.just("remove"), KEYS, st.just(b"")),
    st.tuples(st.sampled_from(DISTURBANCES), KEYS, st.just(b"")),
)
PLAIN = SyncOptions(workers=1, probe_name="probe")
FILTERED = replace(PLAIN, selection=Selection(include=("c*",)))
LIMITED = replace(PLAIN, max_objects=1)
OPTIONS = st.sampled_from([PLAIN, PLAIN, FILTERED, LIMITED, replace(PLAIN, fail_on="any", fail_on_empty=True)])
# Runs flush to the disk, which these tests do not need.
SHARED_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def change(place: Place, store: PagedStore, what: str, key: str) -> None:
    """Change a destination as a person or another verb does."""
    with open_destination(place.root) as opened:
        row = opened.manifest.landed_row(key)
        if row is None:
            return
        path = opened.root / row.path
        is_plain = path.is_file() and not path.is_symlink() and path.resolve() == path
        if what == "touch" and is_plain:
            os.utime(path, ns=(5, 5_000_000))
        elif what == "resize" and is_plain:
            path.write_bytes(b"seventeen")
            os.utime(path, ns=(1, row.mtime_ns))
        elif what == "unlink" and is_plain:
            path.unlink()
        elif what == "link" and is_plain:
            copy = path.with_name(f".{path.name}-copy")
            path.rename(copy)
            path.symlink_to(copy)
        elif what == "link folder" and is_plain and path.parent != opened.root:
            copy = path.parent.with_name(f".{path.parent.name}-copy")
            shutil.rmtree(copy, ignore_errors=True)
            path.parent.rename(copy)
            path.parent.symlink_to(copy)
        elif what == "evict":
            opened.manifest.evict([row])
            path.unlink(missing_ok=True)
        elif what == "problem":
            problem = ProblemRow(key, row.etag, row.size, "landed", "broken_rows", "", 1, 1, None, None, "")
            opened.manifest.record([], [problem])
        elif what == "distrust":
            opened.manifest.distrust([key])
        elif what == "purge":
            opened.manifest.purge([(key, None)])
            path.unlink(missing_ok=True)


class Histories:
    """Two destinations of one store: one knows pages, the other compares every object."""

    def __init__(self, folder: Path) -> None:
        self.places = [Place(folder / "knows", knows_pages=True), Place(folder / "compares", knows_pages=False)]
        self.store = PagedStore()
        for name in NAMES[2:13]:
            self.store.write(name, b"one")
        self.run(*[PLAIN] * 2)

    def change(self, what: str, key: str, body: bytes) -> None:
        if what == "write":
            self.store.write(key, body)
        elif what == "remove":
            self.store.objects.pop(key, None)
        else:
            for place in self.places:
                change(place, self.store, what, key)

    def run(self, *runs: SyncOptions) -> None:
        for options in runs:
            knowing, comparing = [run(place, self.store, options) for place in self.places]
            assert outcome(knowing) == outcome(comparing)
            assert comparing.error is None or "every fetch fails" in comparing.error.what
            assert state(self.places[0].root) == state(self.places[1].root)


@given(st.lists(st.tuples(st.lists(CHANGES, max_size=4), OPTIONS), min_size=1, max_size=3))
@settings(max_examples=12)
def test_both_see_the_same(history: list[tuple[list[tuple[str, str, bytes]], SyncOptions]]) -> None:
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        both = Histories(Path(folder))
        for changes, options in history:
            for what, key, body in changes:
                both.change(what, key, body)
            both.run(options, PLAIN, PLAIN)


@pytest.mark.parametrize(
    ("what", "key", "body"),
    [
        ("write", "p/d", b"three"),
        ("write", "p/d", b"fail"),
        ("write", "p/d", b"rows"),
        ("write", "p/c-2", b"one"),
        ("write", "p/c-2", b"fail"),
        ("write", "p/c-2", b""),
        ("write", "p/probe", b""),
        ("write", "p/d", b""),
        ("write", "p/m", b"one"),
        ("write", "p/b/x", b"one"),
        ("remove", "p/d", b""),
        ("remove", "p/h", b""),
        *((what, key, b"") for what in DISTURBANCES for key in ("p/c/x", "p/d", "p/h")),
    ],
)
@pytest.mark.parametrize("options", [PLAIN, FILTERED, LIMITED])
def test_each_change_is_seen(what: str, key: str, body: bytes, options: SyncOptions) -> None:
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        both = Histories(Path(folder))
        assert pages(both.places[0].root) > 2
        both.change(what, key, body)
        both.run(options, PLAIN, PLAIN)


def test_two_new_keys_of_one_path_are_settled_as_in_one_listing() -> None:
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        both = Histories(Path(folder))
        # They fall into two pages, with keys of a third between them.
        both.store.write("p/c", b"one")
        both.store.write("p/c/z", b"one")
        both.run(PLAIN, PLAIN)


def test_keys_behind_the_last_known_page_stay_gone() -> None:
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        both = Histories(Path(folder))
        del both.store.objects["p/h"], both.store.objects["p/i"]
        both.run(PLAIN, PLAIN, PLAIN)


def test_pages_are_remembered_by_the_run_that_finds_them_unchanged(tmp_path: Path) -> None:
    place, store = Place(tmp_path / "dest", knows_pages=True), PagedStore()
    for number in range(10):
        store.write(f"p/{number}", b"one")
    options = SyncOptions(workers=1)
    run(place, store, options)
    assert pages(place.root) == 0
    run(place, store, options)
    assert pages(place.root) == 4
    store.compared = store.listed = 0
    report = run(place, store, options)
    assert (report.counts.unchanged, report.counts.listed) == (10, 10)
    assert (store.compared, store.listed) == (4, 0)


def test_a_new_key_changes_one_page(tmp_path: Path) -> None:
    place, store = Place(tmp_path / "dest", knows_pages=True), PagedStore()
    for number in range(10, 22):
        store.write(f"p/{number}", b"one")
    options = SyncOptions(workers=1)
    for _ in range(2):
        run(place, store, options)
    store.write("p/15-new", b"one")
    report = run(place, store, options)
    assert (report.counts.unchanged, report.counts.landed) == (12, 1)
    assert pages(place.root) == 4
    assert run(place, store, options).counts.unchanged == 13
    assert pages(place.root) == 5
