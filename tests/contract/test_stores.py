"""What every store does alike: S3 on moto, GCS on our fake and on the emulator, and a directory."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester.causes import Cause
from harvester.errors import NoSuchBucket
from harvester.sessions.connections import GcsConnection, S3Connection
from harvester.storage.base import ObjectRef, RefusedObject, Store
from harvester.storage.keys.key_selection import KeyList, KeyPrefixes, KeyRange
from harvester.storage.listed import ListedKeys, ListedPage, ListingEnd, ListingFailed
from harvester.storage.listing import BackgroundListing
from harvester.storage.opening import open_fetcher
from tests.contract.fetching import fetch_all
from tests.contract.places import HOSTILE, Place


def test_every_key_is_listed_and_fetched_as_it_is(place: Place, spool_directory: Path) -> None:
    names = [name for name in HOSTILE if place.holds(name)]
    for name in names:
        place.put(name, f"body of {name}".encode())

    refs = place.listed()

    assert [place.store.location.relative(ref.key) for ref in refs] == sorted(names, key=os.fsencode)
    by_key = fetch_all(place.store, refs, spool_directory)
    for ref in refs:
        done = by_key[ref.key]
        assert done.failure is None
        assert done.body == f"body of {place.store.location.relative(ref.key)}".encode()
        assert done.etag == ref.etag
        assert done.attempts == 1
        assert ref.size == len(done.body)
        assert abs(ref.last_modified - time.time()) < 600


def test_head_agrees_with_the_listing(place: Place) -> None:
    for name in (name for name in HOSTILE if place.holds(name)):
        place.put(name, name.encode())

    for ref in place.listed():
        found = place.store.head(ref.key)
        assert found is not None
        assert (found.key, found.size, found.etag) == (ref.key, ref.size, ref.etag)
        assert abs(found.last_modified - ref.last_modified) <= 1
    assert place.store.head(place.key("not there")) is None


def test_put_replaces(place: Place) -> None:
    place.put("a", b"one")
    first = place.store.head(place.key("a"))
    place.put("a", b"another")
    second = place.store.head(place.key("a"))

    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (3, 7)
    assert first.etag != second.etag


def test_nothing_beside_the_prefix_is_listed(place: Place) -> None:
    if place.store.location.scheme == "file":
        Path(place.store.location.prefix.rstrip("/") + "-beside").write_bytes(b"x")
    else:
        folder = place.store.location.prefix.rstrip("/")
        place.store.put(f"{folder}-beside", b"x")
        place.store.put(folder.rpartition("/")[0], b"x")
    place.put("within", b"x")

    assert place.names() == ["within"]


def test_an_empty_prefix_lists_nothing(place: Place) -> None:
    assert list(place.store.list_pages()) == []


def test_ranges_hold_their_start_and_not_their_end(place: Place) -> None:
    for name in ["0", "1", "1a", "2", "9", "a", "b\u00e9", "z"]:
        place.put(name, b"x")

    assert place.names("1", "9") == ["1", "1a", "2"]
    assert place.names("1a") == ["1a", "2", "9", "a", "b\u00e9", "z"]
    assert place.names("", "1") == ["0"]
    assert place.names("1\0", "a") == ["1a", "2", "9"]
    assert place.names("b\u00e9", "b\u00ea") == ["b\u00e9"]
    assert place.names("x", "y") == []


def list_in_background(store: Store, keys: KeyRange | KeyPrefixes | None = None) -> Iterator[ObjectRef]:
    listing = BackgroundListing(store, keys)
    try:
        while not isinstance(listed := listing.take(), ListingEnd):
            match listed:
                case ListedPage():
                    yield from listed.refs
                case ListingFailed(error):
                    raise error
                case None:
                    select.select([listing], [], [], 1)
                case _:
                    pass
    finally:
        listing.stop()


def test_a_background_listing_holds_every_key_once(place: Place) -> None:
    names = ["-", "0", "00", "5\u00e9", "9z", ":", "A", "Z", "a", "a/b", "ff", "f", "g", "\u00e9", "\U0001f600"]
    names += [f"{digit}{number}" for digit in "0123456789abcdef" for number in range(3)]
    names = sorted({name for name in names if place.holds(name)}, key=os.fsencode)
    for name in names:
        place.put(name, b"x")

    assert [place.store.location.relative(ref.key) for ref in list_in_background(place.store)] == names


def test_folders_are_those_directly_below(place: Place) -> None:
    for name in ["a/1", "a/deep/1", "b/1", "c"]:
        place.put(name, b"x")

    folders = place.store.list_folders(place.key(""))

    assert folders == ([place.key("a/"), place.key("b/")] if place.store.starts_anywhere else [])
    assert place.store.list_folders(place.key("c/")) == []


def test_a_store_states_its_time(place: Place) -> None:
    found = place.store.now()

    # The emulators run on this machine.
    assert found is not None
    assert abs(found.seconds - time.time()) < 60
    assert found.resolution <= 1


def test_pages_follow_one_another(place: Place) -> None:
    if place.fill is None:
        pytest.skip("the emulator answers with one page whatever is asked")
    names = [f"{number:05d}.json" for number in range(place.fill())]

    pages = list(place.store.list_pages())

    assert len(pages) > 2
    assert [place.store.location.relative(ref.key) for page in pages for ref in page.objects] == names
    assert place.names("00010", "00040") == names[10:40]
    assert place.names("00010.jsoo") == names[11:]


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 300_000])
def test_bodies_come_whole_in_memory_or_spooled(place: Place, spool_directory: Path, size: int) -> None:
    if not size and not place.takes_empty_uploads:
        pytest.skip("the emulator breaks down over an empty upload")
    body = os.urandom(size)
    place.put("big", body)

    (done,) = fetch_all(place.store, place.listed(), spool_directory, spool_from=1000).values()

    assert done.failure is None
    if size < 1000:
        assert done.spool is None
        assert done.body == body
    else:
        assert done.body is None
        assert done.spool is not None
        assert Path(done.spool).parent == spool_directory
        assert Path(done.spool).read_bytes() == body


def test_what_was_replaced_since_the_listing_comes_as_it_is_now(place: Place, spool_directory: Path) -> None:
    place.put("a", b"old")
    listed = place.listed()
    place.put("a", b"newer")

    (done,) = fetch_all(place.store, listed, spool_directory).values()

    assert done.body == b"newer"
    found = place.store.head(place.key("a"))
    assert found is not None
    assert found.etag != listed[0].etag
    assert done.etag == (found.etag if place.states_identity else "")


def test_what_has_outgrown_memory_since_the_listing_is_spooled(place: Place, spool_directory: Path) -> None:
    place.put("a", b"old")
    listed = place.listed()
    place.put("a", b"n" * 5000)

    (done,) = fetch_all(place.store, listed, spool_directory, spool_from=1000).values()

    assert done.failure is None
    assert done.spool is not None
    assert Path(done.spool).read_bytes() == b"n" * 5000


def test_what_is_gone_fails_alone(place: Place, spool_directory: Path) -> None:
    place.put("a", b"x")
    present = place.listed()[0]
    gone = ObjectRef(place.key("gone"), 3, "identity", 0.0)

    results = fetch_all(place.store, [gone, present], spool_directory)

    assert results[present.key].body == b"x"
    failure = results[gone.key].failure
    assert failure is not None
    assert failure.cause is Cause.GONE
    assert results[gone.key].attempts == 1


def test_a_missing_bucket_is_reported(place: Place) -> None:
    with pytest.raises(NoSuchBucket):
        list(place.missing.list_pages())
    if place.store.location.scheme != "file":
        with pytest.raises(NoSuchBucket):
            place.missing.put("key", b"x")
        with pytest.raises(NoSuchBucket):
            place.missing.head("key")


def test_poll_wakes_for_a_pipe_and_waits_for_nothing_else(place: Place, spool_directory: Path) -> None:
    reading, writing = os.pipe()
    fetcher = open_fetcher(place.store.connection(), str(spool_directory))
    try:
        assert fetcher.poll(0.0, [reading]) == []
        os.write(writing, b"x")
        assert fetcher.poll(100_000.0, [reading]) == []  # else the test never ends
        assert fetcher.in_flight == 0
        assert fetcher.capacity() > 0
    finally:
        fetcher.close()
        os.close(reading)
        os.close(writing)


def test_a_transport_travels_and_shows_no_secret(place: Place) -> None:
    import pickle

    connection = place.store.connection()

    assert pickle.loads(pickle.dumps(connection)) == connection
    match connection:
        case S3Connection(credentials=credentials):
            secrets = [credentials.secret_key, credentials.token]
        case GcsConnection(token=token):
            secrets = [token]
        case _:
            secrets = []
    assert [secret for secret in secrets if secret and secret in repr(connection)] == []


def given_keys(place: Place, *entries: str | ObjectRef | RefusedObject) -> ListedKeys:
    @contextlib.contextmanager
    def known() -> Iterator[Callable[[ObjectRef], bool]]:
        yield lambda ref: ref.etag == "older"

    listing = BackgroundListing(place.store, KeyList(entries), known)
    found = ListedKeys([], [], [])
    try:
        while not isinstance(listed := listing.take(), ListingEnd):
            match listed:
                case ListedKeys():
                    found = ListedKeys(
                        found.refs + listed.refs, found.refused + listed.refused, found.failed + listed.failed
                    )
                case ListingFailed(error):
                    raise error
                case None:
                    select.select([listing], [], [], 1)
                case _:
                    pass
    finally:
        listing.stop()
    return found


def test_given_keys_are_asked_for_one_by_one(place: Place) -> None:
    for name in ("b", "a", "d"):
        place.put(name, b"x" * 7)
    listed = {place.store.location.relative(ref.key): ref for ref in place.listed()}
    described = ObjectRef(place.key("never asked for"), 3, "tag", 5.0)

    found = given_keys(
        place,
        *map(place.key, ["b", "missing", "a", "b"]),
        described,
        listed["d"]._replace(etag="older"),
        "elsewhere",
        place.key("\ud800"),
    )

    assert [ref[:3] for ref in found.refs] == [
        listed["a"][:3],
        listed["b"][:3],
        listed["d"][:3],
        described[:3],
    ]
    assert found.failed == [(place.key("missing"), "not_found", "")]
    assert sorted(entry.reason for entry in found.refused) == ["name_not_utf8", "outside_prefix"]


def test_a_range_and_prefixes_are_listed_alone(place: Place) -> None:
    for name in ("0", "a-/x", "a/b", "a/c", "a0", "b/x", "c/x"):
        place.put(name, b"x")

    def names(keys: KeyRange | KeyPrefixes) -> list[str]:
        found = list_in_background(place.store, keys)
        return [place.store.location.relative(ref.key) for ref in found]

    assert names(KeyRange(place.key("a/b"), place.key("b/x"))) == ["a/c", "a0", "b/x"]
    assert names(KeyRange("", place.key("a/b"))) == ["0", "a-/x", "a/b"]
    assert names(KeyRange(place.key("b/x"))) == ["c/x"]
    assert names(KeyPrefixes((place.key("c/"), place.key("a/"), place.key("none/")))) == ["a/b", "a/c", "c/x"]
