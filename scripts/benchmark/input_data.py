"""The benchmark's buckets: seeded objects as files below one folder, and their entries in a listing."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from scripts.inputs.deliveries import LARGE, MIDDLE, SMALL, DataSet, data_set, large_json_lines

CLONES = 10
"""Bucket ``bench-big`` lists each object of ``bench-a`` this often, under different keys."""
_MODIFIED = 1_770_000_000
"""Every object's time, seconds since the epoch: one run's listing is another's."""


class Entry(NamedTuple):
    """One object, as a listing has it."""

    key: str
    """The key."""
    size: int
    """Bytes as stored."""
    etag: str
    """MD5 of the bytes, as of an object uploaded in one part; of the large file what a multipart upload has."""


class Bucket(NamedTuple):
    """One bucket."""

    name: str
    """Its name, also that of its folder."""
    entries: list[Entry]
    """Its objects in byte order of the key."""

    @property
    def stored(self) -> int:
        """Bytes as stored."""
        return sum(entry.size for entry in self.entries)


class Sizes(NamedTuple):
    """How much of everything."""

    a: int
    b: int
    c: int
    d_megabytes: int
    keys: int
    slow_keys: int
    rounds: int


FULL = Sizes(a=20_000, b=2_000, c=200, d_megabytes=500, keys=1_000_000, slow_keys=200_000, rounds=5)
QUICK = Sizes(a=1_500, b=150, c=15, d_megabytes=30, keys=25_000, slow_keys=25_000, rounds=1)


def make_buckets(work: Path, sizes: Sizes) -> dict[str, Bucket]:
    """Make every data set below ``work``."""
    a = small(work, sizes.a)
    return {
        "A": a,
        "B": middle(work, sizes.b),
        "C": large(work, sizes.c),
        "D": jobs(work, sizes.d_megabytes),
        "big": clones(a),
        "keys": names("bench-keys", sizes.keys),
        **{
            f"slow keys {layout}": names(f"bench-slow-keys-{number}", sizes.slow_keys, layout=layout)
            for number, layout in enumerate(LAYOUTS)
        },
    }


def small(root: Path, count: int) -> Bucket:
    """Make data set A."""
    return _extracts(root, SMALL, "bench-a", count)


def middle(root: Path, count: int) -> Bucket:
    """Make data set B."""
    return _extracts(root, MIDDLE, "bench-b", count)


def large(root: Path, count: int) -> Bucket:
    """Make data set C."""
    return _extracts(root, LARGE, "bench-c", count)


def jobs(root: Path, megabytes: int) -> Bucket:
    """Make data set D: one file of JSON Lines with ``megabytes`` million bytes before compression."""
    return _bucket(root, "bench-d", [("output/run-1.jsonl.gz", large_json_lines(megabytes))], multipart=True)


def clones(original: Bucket) -> Bucket:
    """Return a bucket that shows each object ten times; the server maps the keys, no file is made."""
    entries = [
        Entry(f"{entry.key.removesuffix('.json.gz')}-{number}.json.gz", entry.size, entry.etag)
        for entry in original.entries
        for number in range(CLONES)
    ]
    return Bucket("bench-big", sorted(entries))


LAYOUTS: Mapping[str, Callable[[int, str], str]] = {
    "UUID": lambda _, task: task,
    "2026/11/DD/UUID": lambda number, task: f"2026/11/{number % 30 + 1:02d}/{task}",
    "product_N": lambda number, _: f"product_{number}",
}
"""Layouts of keys by the name that the tables have: the key of an object from its number and its task id."""


def names(name: str, count: int, seed: int = 1, layout: str = "UUID") -> Bucket:
    """Return a bucket that can only be listed: ``count`` objects with keys of one of the `LAYOUTS`."""
    random, key_of = Random(seed), LAYOUTS[layout]
    tasks = [str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(count)]
    keys = {f"{key_of(number, task)}.json.gz": task.replace("-", "") for number, task in enumerate(tasks)}
    return Bucket(name, [Entry(key, 8192, keys[key]) for key in sorted(keys)])


def _extracts(root: Path, kind: DataSet, name: str, count: int) -> Bucket:
    return _bucket(root, name, ((found.key, (found.body,)) for found in data_set(kind, count)))


def _bucket(
    root: Path, name: str, objects: Iterable[tuple[str, Iterable[bytes]]], *, multipart: bool = False
) -> Bucket:
    folder = root / name
    index = root / f"{name}.json"
    if index.is_file():
        return Bucket(name, [Entry(*fields) for fields in json.loads(index.read_bytes())])
    entries = sorted(_write(folder, objects, multipart=multipart))
    index.write_text(json.dumps(entries))
    return Bucket(name, entries)


def _write(folder: Path, objects: Iterable[tuple[str, Iterable[bytes]]], *, multipart: bool) -> Iterator[Entry]:
    for key, blocks in objects:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.md5(usedforsecurity=False)
        with path.open("wb") as file:
            for block in blocks:
                digest.update(block)
                file.write(block)
        os.utime(path, (_MODIFIED, _MODIFIED))
        size = path.stat().st_size
        # The form nginx gives its own: like a multipart upload's it is no MD5 of the whole.
        etag = f"{_MODIFIED:x}-{size:x}" if multipart else digest.hexdigest()
        yield Entry(key, size, etag)
