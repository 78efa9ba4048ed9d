"""What only a directory does: links, names that are no text, special files, files that change."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from harvester.causes import Cause
from harvester.errors import AccessDenied, NoSuchBucket, UsageError
from harvester.location import parse_location
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from harvester.storage.base import FetchResult, ObjectRef, Store
from harvester.storage.opening import open_store
from tests.contract.fetching import fetch_all


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    return directory


def opened(source: Path, settings: StoreSettings | None = None) -> Store:
    return open_store(parse_location(f"file://{source}"), settings)


def names(source: Path) -> list[str]:
    store = opened(source)
    return [store.location.relative(ref.key) for page in store.list_pages() for ref in page.objects]


def fetch(
    source: Path, spool: Path, settings: StoreSettings | None = None, spool_from: int = 1 << 22
) -> dict[str, FetchResult]:
    store = opened(source, settings)
    done = fetch_all(store, [ref for page in store.list_pages() for ref in page.objects], spool, spool_from=spool_from)
    return {store.location.relative(key): fetched for key, fetched in done.items()}


def test_the_order_is_a_buckets(source: Path) -> None:
    for name in ["a/x", "a.json", "a-", "a0", "b"]:
        path = source / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")

    assert names(source) == ["a-", "a.json", "a/x", "a0", "b"]


def test_names_that_are_no_text_keep_their_bytes(source: Path, spool_directory: Path) -> None:
    raw = b"caf\xe9\xff.json"
    (source / os.fsdecode(raw)).write_bytes(b"latin")

    (name,) = names(source)

    assert os.fsencode(name) == raw
    assert fetch(source, spool_directory)[name].body == b"latin"


def test_links_count_only_to_files_inside(source: Path, spool_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (source / "real").write_bytes(b"real")
    (source / "sub").mkdir()
    (source / "sub" / "inside").symlink_to("../real")
    (source / "outside").symlink_to(tmp_path / "secret")
    (source / "dangling").symlink_to("nowhere")
    (source / "loop").symlink_to("loop")
    (source / "directory").symlink_to(source / "sub")
    os.mkfifo(source / "pipe")

    done = fetch(source, spool_directory)

    assert {name: fetched.body for name, fetched in done.items()} == {"real": b"real", "sub/inside": b"real"}


def test_a_file_that_became_a_link_outwards_is_not_read(source: Path, spool_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (source / "a").write_bytes(b"x")
    store = opened(source)
    refs = [ref for page in store.list_pages() for ref in page.objects]
    (source / "a").unlink()
    (source / "a").symlink_to(tmp_path / "secret")

    (done,) = fetch_all(store, refs, spool_directory).values()

    assert done.body is None
    assert done.failure is not None
    assert done.failure.cause is Cause.GONE


def test_a_file_that_became_a_pipe_hangs_no_run(source: Path, spool_directory: Path) -> None:
    (source / "a").write_bytes(b"x")
    store = opened(source)
    refs = [ref for page in store.list_pages() for ref in page.objects]
    (source / "a").unlink()
    os.mkfifo(source / "a")

    (done,) = fetch_all(store, refs, spool_directory).values()

    assert done.failure is not None
    assert done.failure.cause is Cause.GONE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_denied(source: Path, spool_directory: Path) -> None:
    (source / "a").write_bytes(b"x")
    (source / "a").chmod(0)
    (done,) = fetch(source, spool_directory).values()
    assert done.failure is not None
    assert done.failure.cause is Cause.OBJECT_DENIED

    source.chmod(0)
    try:
        with pytest.raises(AccessDenied):
            names(source)
    finally:
        source.chmod(0o700)


@pytest.mark.parametrize("spool_from", [1, 1 << 30])
def test_a_file_that_grows_all_the_time_never_comes_in_half(
    source: Path, spool_directory: Path, spool_from: int
) -> None:
    path = source / "growing"
    path.write_bytes(b"x" * 5_000_000)
    store = opened(source, StoreSettings(retry=RetryPolicy(attempts=2)))
    refs = [ref for page in store.list_pages() for ref in page.objects]
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * 1000)
                file.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        (done,) = fetch_all(store, refs, spool_directory, spool_from=spool_from).values()
    finally:
        stop.set()
        thread.join()

    if done.failure is None:  # it was read between two writes: then its identity is right
        length = len(done.body) if done.body is not None else Path(done.spool or "").stat().st_size
        assert done.etag.startswith(f"{length}-")
    else:
        assert done.failure.cause is Cause.INTEGRITY
        assert list(spool_directory.iterdir()) == []


def test_a_rewritten_file_has_another_identity(source: Path) -> None:
    store = opened(source)
    key = store.location.key("a")
    seen = set()
    for body in (b"one", b"two"):
        store.put(key, body)
        found = store.head(key)
        assert found is not None
        seen.add(found.etag)
    assert len(seen) == 2


def test_a_larger_file_than_allowed_is_refused(source: Path, spool_directory: Path) -> None:
    (source / "a").write_bytes(b"x" * 11)

    (done,) = fetch(source, spool_directory, StoreSettings(max_object_bytes=10)).values()

    assert done.failure is not None
    assert done.failure.cause is Cause.TOO_LARGE


def test_a_spool_that_takes_nothing_is_reported(source: Path, tmp_path: Path) -> None:
    (source / "a").write_bytes(b"x" * 11)

    (done,) = fetch(source, tmp_path / "missing", spool_from=1).values()

    assert done.failure is not None
    assert (done.failure.cause, done.failure.code) == (Cause.SPOOL, "ENOENT")


def test_what_is_no_directory_is_reported(source: Path) -> None:
    (source / "file").write_bytes(b"x")

    with pytest.raises(NoSuchBucket, match="not a directory"):
        names(source / "file")


@pytest.mark.parametrize("name", ["../out", "a/../b", "a//b", "dir/", "."])
def test_nothing_is_written_beside_its_key(source: Path, name: str) -> None:
    store = opened(source)

    with pytest.raises(UsageError):
        store.put(store.location.key(name), b"x")
    assert names(source) == []


def test_a_vanished_file_has_no_head(source: Path) -> None:
    store = opened(source)
    assert store.head(store.location.key("none")) is None
    assert store.head(store.location.key("none/deeper")) is None


def test_an_object_is_described_by_its_own_name(source: Path) -> None:
    (source / "a").write_bytes(b"12345")
    store = opened(source)
    key = store.location.key("a")

    found = store.head(key)

    status = (source / "a").stat()
    assert found == ObjectRef(key, 5, f"5-{status.st_mtime_ns}-{status.st_ino}", status.st_mtime)
