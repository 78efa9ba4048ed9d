"""What a sync without a destination costs for what its output holds already.

``python -m scripts.benchmark.known_versions COUNT`` writes parts with so many objects in random order, 20,000 each, and
prints windows, processor time, memory and scratch of learning and asking for all of them.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.storage import ListingScope, ObjectRef
from harvester.tables import open_output
from harvester.tables.direct.exported_versions import ExportedVersions

_PART_OBJECTS = 20_000
_PREFIX = "results/"


class Learned(NamedTuple):
    """The measurements of one output."""

    windows: int
    """How often the parts were read."""
    cpu_seconds: float
    """Processor time."""
    memory_bytes: int
    """Memory of the process at most, the libraries included."""
    scratch_bytes: int
    """Temporary files at most."""


def write_parts(out: Path, objects: int) -> None:
    """Write parts that hold so many objects in random order."""
    folder = out / "data/envelopes/landed_day=2026-11-30"
    folder.mkdir(parents=True)
    numbers = list(range(objects))
    random.Random(1).shuffle(numbers)
    for begin in range(0, objects, _PART_OBJECTS):
        chunk = numbers[begin : begin + _PART_OBJECTS]
        same = len(chunk)
        columns = {
            "key": [_ref(number).key for number in chunk],
            "version": [_ref(number).etag for number in chunk],
            "row_index": [0] * same,
            "source": ["delivered"] * same,
            "delivered_at": ["2026-11-30T00:00:00.000000Z"] * same,
            "landed_at": ["2026-11-30T00:00:00.000000Z"] * same,
            "position": [f"0000000000000-{index:012d}-end" for index in range(same)],
        }
        pq.write_table(pa.table(columns), folder / f"s_0-0000000000000-{begin:012d}-end.parquet", compression="zstd")


def learn(out: Path, objects: int) -> Learned:
    """List the objects in order, asking for each of them. Raises ValueError where one is not known."""
    done, most = threading.Event(), 0

    def watch() -> None:
        nonlocal most
        while not done.wait(0.05):
            most = max(most, _temporary_bytes())

    watching = threading.Thread(target=watch)
    watching.start()
    started, windows, number = time.process_time(), 0, 0
    try:
        scope = ListingScope(_PREFIX)
        with open_output(str(out)) as store, ExportedVersions(store, [scope]) as known:
            for window in known.windows(scope):
                windows += 1
                while number < objects and (window.end is None or _ref(number).key < window.end):
                    if not known.holds(_ref(number), ""):
                        raise ValueError(_ref(number).key)
                    number += 1
    finally:
        done.set()
        watching.join()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Learned(windows, time.process_time() - started, memory, most)


def _temporary_bytes() -> int:
    """Return the bytes of SQLite's temporary files that this process has open; they have no name any more."""
    total = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if "etilqs_" in descriptor.readlink().name:
                total += descriptor.stat().st_size
        except OSError:
            continue
    return total


def _ref(number: int) -> ObjectRef:
    return ObjectRef(f"{_PREFIX}{number:032x}.json.gz", 1, f"{number * 7919:032x}", 0.0)


def main() -> None:
    objects = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder), objects)
        found = learn(Path(folder), objects)
    sys.stdout.write(
        f"{objects:,} objects: {found.windows} windows, {found.cpu_seconds:.1f} s of processor time,"
        f" {found.memory_bytes / 1e6:.0f} MB of memory, {found.scratch_bytes / 1e6:.0f} MB of scratch\n"
    )


if __name__ == "__main__":
    main()
