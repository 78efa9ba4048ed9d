"""Where the processor time of a sync goes: samples of ``perf``, by the library that was running."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.benchmark.measurement import run
from scripts.benchmark.page.benchmark_page import per_object, table
from scripts.benchmark.stores.object_server import Served

_STAGES = (
    ("the kernel: receive, open, write, stat, rename", re.compile(r"\[kernel|\[vdso")),
    ("inflating", re.compile(r"isal|libz\b|libz[.-]|zlib")),
    ("JSON: proving and decoding", re.compile(r"orjson|msgspec|jsonschema|_core\.|_json\.")),
    ("HTTP: libcurl and its Python module", re.compile(r"curl|nghttp")),
    ("hashes and signatures", re.compile(r"crypto|libssl|xxhash|_hashlib|_blake2|_sha|_md5")),
    ("SQLite", re.compile(r"sqlite")),
    ("messages between the processes", re.compile(r"pickle|_socket|_multiprocessing")),
    ("the C library: copying, memory", re.compile(r"^libc\.|^ld-|libpthread")),
    ("Python: the interpreter and this program", re.compile(r"python")),
)
_OTHER = "everything else"
_LINE = re.compile(r"\s*([0-9.]+)%\s*,\s*(\S.*?)\s*$")


def stages(report: Iterable[str]) -> Mapping[str, float]:
    """Return the share of each stage in the lines of ``perf report --sort dso -t,``; the shares add up to 1."""
    found: dict[str, float] = {}
    for line in report:
        if matched := _LINE.match(line):
            stage = next((name for name, pattern in _STAGES if pattern.search(matched[2])), _OTHER)
            found[stage] = found.get(stage, 0.0) + float(matched[1])
    total = sum(found.values())
    return {stage: found[stage] / total for stage in sorted(found, key=lambda stage: -found[stage])} if total else {}


def ledger(
    name: str, command: list[str], environment: Mapping[str, str], objects: int, work: Path, served: Served
) -> str:
    """Sync data set ``name`` once under ``perf``; return the table of processor time an object, largest stage first."""
    title = f"### Where the time of {name} goes\n\n"
    if shutil.which("perf") is None:
        return f"{title}Not measured: perf is absent."
    samples = work / "perf.data"
    before = served.cpu_seconds()
    taken = run(
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", "999", "-o", str(samples), "--", *command], environment
    )
    server = served.cpu_seconds() - before
    reported = subprocess.run(
        ["perf", "report", "-i", str(samples), "--stdio", "--sort", "dso", "-F", "overhead,dso", "-t", ","],
        capture_output=True,
        text=True,
        check=False,
    )
    found = stages(reported.stdout.splitlines())
    if taken.exit_code or not found:
        return f"{title}Not measured: perf samples nothing here."
    rows = [(stage, per_object(share * taken.cpu, objects), f"{100 * share:.0f} %") for stage, share in found.items()]
    rows.append(("all of it, perf's own share included", per_object(taken.cpu, objects), ""))
    rows.append(("the server meanwhile", per_object(server, objects), ""))
    return title + table(["", "CPU per object", "share"], rows)
