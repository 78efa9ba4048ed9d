"""Look again and again, land one object at each look, and measure the memory that a look leaves behind."""

from __future__ import annotations

import gc
import json
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harvester.location import parse_location
from harvester.transfer import SyncOptions, open_session

_REPORT_EVERY = 100
_MOST_OBJECTS = 0.1
"""A look leaves fewer behind."""


class LookMemory(NamedTuple):
    """The memory of the process after some looks."""

    looks: int
    """Looks so far."""
    traced_bytes: int
    """Memory that Python's allocator holds."""
    objects: int
    """Objects that Python's collector knows."""
    resident_bytes: int
    """Resident memory of this process, its workers apart."""


def memory_of_looks(folder: Path, looks: int, *, every: int = _REPORT_EVERY) -> Iterator[LookMemory]:
    """Sync a new destination below ``folder`` as watch does; yield what is used after every so many looks."""
    source, dest = folder / "source", folder / "dest"
    source.mkdir()
    location = parse_location(f"file://{source}/")
    is_own = not tracemalloc.is_tracing()
    with open_session(location, dest, SyncOptions(workers=1)) as session:
        for look in range(1, looks + 1):
            (source / f"{look:09d}.json").write_text(json.dumps({"url": "u", "status": "success", "data": {}}))
            report = session.run_listing(keep_idle=False)
            if report.counts.landed != 1:
                raise AssertionError(f"look {look} landed {report.counts.landed} objects: {report.error}")
            if look == every and is_own:
                tracemalloc.start()
            if look % every == 0 and look > every:
                gc.collect()
                yield LookMemory(look, tracemalloc.get_traced_memory()[0], _objects(), _resident())
    if is_own:
        tracemalloc.stop()


def watch_soak(folder: Path, *, looks: int) -> int:
    """Print the memory as the looks go on; return 1 when a look leaves objects behind, else 0."""
    first = last = None
    for used in memory_of_looks(folder, looks):
        first, last = first or used, used
        print(
            f"{used.looks:,} looks: {used.traced_bytes:,} B traced, {used.objects:,} objects, "
            f"{used.resident_bytes:,} B resident",
            flush=True,
        )
    if first is None or last is None or last.looks == first.looks:
        print(f"too few looks: more than {2 * _REPORT_EVERY}")
        return 1
    looked = last.looks - first.looks
    objects = (last.objects - first.objects) / looked
    resident = (last.resident_bytes - first.resident_bytes) / looked
    print(f"a look leaves {objects:.2f} objects and {resident:,.0f} B resident behind")
    return int(objects >= _MOST_OBJECTS)


def _objects() -> int:
    # The database module drops the dead references to its cursors every 200 cursors.
    return sum(not isinstance(each, weakref.ref) for each in gc.get_objects())


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    return pages * 4096
