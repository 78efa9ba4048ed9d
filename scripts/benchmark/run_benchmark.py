"""Measure this program beside the tools that are used otherwise, on the same data; print tables.

Needs nginx (Debian: nginx-light) or rclone for a server. Peers are looked for in PATH and in --peers; --install-peers
puts what PyPI has of them there.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

from scripts.benchmark import input_data, measurement, peer_tools
from scripts.benchmark.input_data import FULL, QUICK, Bucket, Sizes, make_buckets
from scripts.benchmark.page import benchmark_page, measured_machine
from scripts.benchmark.page.goals import Goal
from scripts.benchmark.scenarios import Bench, Series, print_progress, spread
from scripts.benchmark.sections import backfill_rates, event_rates, export_rates, ledger, row_rates
from scripts.benchmark.stores import object_server
from scripts.benchmark.stores.tls_server import tls_server

_LAST_START = 20 * 60
"""Seconds after which nothing more is begun, so that a run ends within 25 minutes also on a slow machine."""
_FASTER = {"A": 2.7, "B": 2.1, "C": 2.0, "D": 2.2}
"""By how much each copy is to be faster than s5cmd cp with gunzip."""
_FEW_ROWS, _MANY_ROWS = 200_000, 1_000_000


def main() -> None:
    """Run the benchmark with the options of the command line."""
    # So that an end from outside, too, stops the servers and removes the data.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = _options()
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = sizes._replace(rounds=options.rounds)
    chosen = options.only.split(",") if options.only else SCENARIOS
    if options.install_peers:
        peer_tools.install(options.peers)
    peers = peer_tools.find(options.peers)
    with _work_folder(options.work) as work:
        print_progress("making the data")
        buckets = make_buckets(work, sizes)
        if options.server == "rclone":
            if "rclone" not in peers:
                raise SystemExit("rclone is not installed: --install-peers")
            serving = object_server.rclone(peers["rclone"], work, list(buckets.values()))
        else:
            serving = object_server.nginx(work, list(buckets.values()))
        with serving as served:
            sections = Run(Bench(served, work), buckets, sizes, peers, options.disk, quick=options.quick).sections(
                chosen
            )
            text = "\n\n".join([measured_machine.describe(served.name, peers), *sections])
    print(text)
    if options.document:
        command = shlex.join(["scripts/bench", *sys.argv[1:]])
        options.document.write_text(benchmark_page.document(command, text), encoding="utf-8")


class Run:
    """One run of the benchmark."""

    def __init__(
        self, bench: Bench, buckets: dict[str, Bucket], sizes: Sizes, peers: dict[str, str], disk: Path, *, quick: bool
    ) -> None:
        self._bench = bench
        self._buckets = buckets
        self._sizes = sizes
        self._peers = peers
        self._disk = disk
        self._tools = peer_tools.copiers(peers)
        if quick:
            self._tools = [tool for tool in self._tools if not tool.slow]
        self._quick = quick
        self._started_at = time.monotonic()
        self._native: Series | None = None
        self._goals: list[Goal] = []
        self._copies: dict[str, list[Series]] = {}

    def sections(self, chosen: list[str] | tuple[str, ...]) -> list[str]:
        """Measure what was chosen; return the tables, the goals first."""
        sections = [self._floor()]
        memory = self._memory() if "memory" in chosen else {}
        for name, what in (
            ("A", "A: extracts of about 8 KB gzip, 38 KB inflated"),
            ("B", "B: extracts of about 200 KB inflated"),
            ("C", "C: extracts of about 2 MB inflated"),
            ("D", f"D: one jobs file of {self._sizes.d_megabytes} MB JSON Lines, gzip"),
        ):
            if name in chosen:
                sections.append(self._copy(name, what, memory))
        if memory:
            sections.append(self._memory_section(memory))
        for name, measure in self.SECTIONS.items():
            if name not in chosen:
                continue
            if time.monotonic() - self._started_at > _LAST_START:
                sections.append(f"### {name}\n\nNot measured: the run had taken {_LAST_START // 60} minutes.")
            else:
                sections.append(_measured(name, partial(measure, self)))
        return [self._goal_table(), *sections]

    def _floor(self) -> str:
        bucket = self._buckets["A"]
        count = len(bucket.entries)
        index = self._bench.work / "bench-a.json"
        capacity, floor = self._bench.floor(bucket, index, self._sizes.rounds)
        native = self._bench.native_floor(bucket, self._sizes.rounds)
        measured = [capacity, floor]
        if isinstance(native, Series):
            measured.append(native)
            self._native = native
        rows = [
            (
                series.tool,
                f"{count / series.wall:,.0f}",
                benchmark_page.per_object(series.cpu, count),
                benchmark_page.per_object(series.all_cpu - series.cpu, count),
            )
            for series in measured
        ]
        if isinstance(native, str):
            rows.append(("the same work in C", f"absent: {native}", "", ""))
        header = ["", "objects per second", "client's CPU per object", "server's"]
        return "### The server, and the floor, on A\n\n" + benchmark_page.table(header, rows)

    def _copy(self, name: str, what: str, memory: dict[tuple[str, int], int]) -> str:
        bucket = self._buckets[name]
        measured = self._copies[name] = self._bench.copies(self._tools, bucket, self._sizes.rounds)
        by_name = {series.tool: series for series in measured}
        ours = measured[0]
        peer = by_name.get("s5cmd cp + gunzip")
        if peer is not None:
            ratio, ratio_spread = peer.times_slower_than(ours), peer.spread(ours)
            self._goals.append(Goal(f"{name}: faster than {peer.tool}", _FASTER[name], ratio, ratio_spread))
        if name == "A" and self._native is not None:
            ratio, ratio_spread = ours.all_cpu / self._native.all_cpu, spread(ours.cpus)
            native = "A: CPU per object of the native floor's, server included"
            self._goals.append(Goal(native, 1.5, ratio, ratio_spread, at_most=True))
        return benchmark_page.copies(what, measured, len(bucket.entries), memory if name == "A" and memory else None)

    def _memory(self) -> dict[tuple[str, int], int]:
        ours, *others = self._tools
        small, big = self._buckets["A"], self._buckets["big"]
        large = self._buckets["D"]
        found = self._bench.memory([ours], [small, big, large] if self._bench.served.far else [small, large])
        return found | self._bench.memory(
            [tool for tool in others if "gunzip" not in tool.name and not tool.slow], [small]
        )

    def _memory_section(self, memory: dict[tuple[str, int], int]) -> str:
        ours = self._tools[0].name
        (_, large), *many = sorted((count, peak / 1e6) for (tool, count), peak in memory.items() if tool == ours)
        rows = [(f"{count:,} objects of A", f"{peak:.0f} MB") for count, peak in many]
        rows.append((f"D, one object of {self._sizes.d_megabytes} MB", f"{large:.0f} MB"))
        peaks = [peak for _, peak in many]
        allowed = 60 + 40 * (os.cpu_count() or 1)
        what = f"A: peak memory, {os.cpu_count()} workers"
        self._goals.append(Goal(what, allowed, peaks[0], None, at_most=True, unit="MB", is_noisy=False))
        if len(peaks) > 1:
            what = "peak memory, ten times as many objects"
            self._goals.append(Goal(what, 1.1, peaks[1] / peaks[0], None, at_most=True, is_noisy=False))
        return (
            "### Peak memory of nimble-harvester sync (proportional set size, all processes)\n\n"
            + benchmark_page.table(["", "peak"], rows)
        )

    def _on_disk(self) -> str:
        bucket = self._buckets["A"]
        with tempfile.TemporaryDirectory(dir=self._disk, prefix="bench-") as folder:
            tools = [tool for tool in self._tools if not tool.slow and "rclone" not in tool.name]
            measured = self._bench.copies(tools, bucket, 1, folder=Path(folder))
        return benchmark_page.copies(
            f"A to a disk ({measured_machine.file_system(self._disk)})", measured, len(bucket.entries)
        )

    def _nothing(self) -> str:
        pairs = [(self._tools[0], self._tools[0])]
        if "s5cmd" in self._peers:
            copy = next(tool for tool in self._tools if tool.name == "s5cmd cp")
            pairs.append((copy, peer_tools.s5cmd_sync(self._peers["s5cmd"])))
        measured = self._bench.nothing_to_do(pairs, self._buckets["A"], self._sizes.rounds)
        if len(pairs) > 1:
            ours, peer = measured[:2]
            ratio, ratio_spread = peer.times_slower_than(ours), peer.spread(ours)
            self._goals.append(Goal("A again, nothing to do: faster than s5cmd sync", 10, ratio, ratio_spread))
        return benchmark_page.plain(
            f"A again, with nothing to do ({len(self._buckets['A'].entries):,} objects)", measured
        )

    def _listing(self) -> str:
        bucket = self._buckets["keys"]
        measured = self._bench.listings(peer_tools.listers(self._peers), bucket, 1)
        return benchmark_page.plain(f"A listing of {len(bucket.entries):,} keys", measured)

    def _ranges(self) -> str:
        rows = []
        for layout in input_data.LAYOUTS:
            serial, ranges = self._bench.key_ranges(self._buckets[f"slow keys {layout}"], self._sizes.rounds)
            ratio = serial.times_slower_than(ranges)
            rows.append(
                (layout, f"{serial.wall:.2f} s", f"{ranges.wall:.2f} s", f"{ratio:.2f} ×", str(len(ranges.walls)))
            )
            what = f"listing of {layout} in key ranges: faster than one page after the other"
            self._goals.append(Goal(what, 3, ratio, serial.spread(ranges)))
        delay = round(object_server.PAGE_DELAY * 1000)
        title = f"### Walking {self._sizes.slow_keys:,} keys, {delay} ms a page, serially and in key ranges"
        return f"{title}\n\n" + benchmark_page.table(["keys", "serially", "in ranges", "faster by", "rounds"], rows)

    def _far(self) -> str:
        served = self._bench.served
        delay = round(object_server.ANSWER_DELAY * 1000)
        if not served.far:
            return f"### A, {delay} ms added to every answer\n\nNot measured: this server cannot be delayed."
        bucket = self._buckets["A"]
        capacity = Series("fetch alone, 512 at a time")
        command = self._bench.floor_command(served.far, bucket, self._bench.work / "bench-a.json", "-", 256)
        self._bench.timed(capacity, command, served.far)
        tools = [tool for tool in self._tools if not tool.slow]
        measured = self._bench.copies(tools, bucket, min(2, self._sizes.rounds), endpoint=served.far)
        text = benchmark_page.copies(f"A, {delay} ms added to every answer", measured, len(bucket.entries))
        able = len(bucket.entries) / capacity.wall
        return f"{text}\n\nThe delayed server itself answered {able:,.0f} objects per second to {capacity.tool}."

    def _events(self) -> str:
        return event_rates.events(self._bench, self._buckets["A"], self._sizes.a)

    def _rows(self) -> str:
        return row_rates.rows(self._bench, self._buckets, self._sizes.rounds)

    def _shards(self) -> str:
        measured = backfill_rates.shards(self._bench, self._buckets["A"], self._sizes.rounds)
        self._goals.append(measured.goal)
        return measured.section

    def _exports(self) -> str:
        section, goals = export_rates.exports(
            self._bench, self._buckets, self._sizes.rounds, _FEW_ROWS if self._quick else _MANY_ROWS
        )
        self._goals += goals
        return section

    def _far_listing(self) -> str:
        served, bucket = self._bench.served, self._buckets["slow keys UUID"]
        delay = round(object_server.ANSWER_DELAY * 1000)
        title = f"A listing of {len(bucket.entries):,} keys, {delay} ms added to every answer"
        if not served.far:
            return f"### {title}\n\nNot measured: this server cannot be delayed."
        measured = self._bench.listings(peer_tools.listers(self._peers), bucket, 1, served.far)
        return benchmark_page.plain(title, measured)

    def _tls(self) -> str:
        bucket, title = self._buckets["A"], "### A over TLS: connections\n\n"
        with tls_server(self._bench.served.near, self._bench.work) as server:
            if isinstance(server, str):
                return f"{title}Not measured: {server}."
            with self._bench.fresh(self._bench.work) as destination:
                command = self._tools[0].command(server.url, bucket.name, destination)
                environment = {**self._bench.environment(server.url), **server.environment()}
                taken = measurement.run(command, environment)
            requests, connections = server.connections()
        if taken.exit_code:
            return f"{title}Not measured: exit {taken.exit_code}: {taken.output.strip()[-200:]}"
        rows = [(f"{requests:,}", f"{connections:,}", f"{taken.wall:.2f} s", f"{taken.cpu:.2f} s")]
        return title + benchmark_page.table(["requests", "connections", "wall", "CPU"], rows)

    def _ledger(self) -> str:
        served = self._bench.served
        sections = []
        for name in ("A", "C", "D"):
            bucket = self._buckets[name]
            with self._bench.fresh(self._bench.work) as destination:
                command = self._tools[0].command(served.near, bucket.name, destination)
                environment = self._bench.environment(served.near)
                sections.append(
                    ledger.ledger(name, command, environment, len(bucket.entries), self._bench.work, served)
                )
        return "\n\n".join(sections)

    def _verdicts(self) -> str:
        return row_rates.verdicts()

    def _goal_table(self) -> str:
        rows = [(*goal.row, goal.verdict(quick=self._quick)) for goal in self._goals]
        return "### Goals\n\n" + benchmark_page.table(["", "goal", "measured", "spread", "reached"], rows)

    SECTIONS: ClassVar[Mapping[str, Callable[[Run], str]]] = {
        "disk": _on_disk,
        "nothing": _nothing,
        "listing": _listing,
        "ranges": _ranges,
        "far listing": _far_listing,
        "tls": _tls,
        "ledger": _ledger,
        "verdicts": _verdicts,
        "events": _events,
        "far": _far,
        "shards": _shards,
        "rows": _rows,
        "exports": _exports,
    }
    """What is measured after the copies, by its name for ``--only``; each function returns its section of the page."""


SCENARIOS = ("A", "B", "C", "D", "memory", *Run.SECTIONS)


def _measured(name: str, measure: Callable[[], str]) -> str:
    """Return a section of the page; one that fails states it, and leaves the others."""
    try:
        return measure()
    except Exception as error:  # noqa: BLE001  # the rest of the page is whole without it
        print_progress(f"{name}: {traceback.format_exc()}")
        return f"### {name}\n\nNot measured: {type(error).__name__}."


@contextmanager
def _work_folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="nimble-harvester-bench-", dir=shared if shared.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of everything, one round: under a minute")
    parser.add_argument("--rounds", type=int, help="rounds of each copy; the median counts")
    parser.add_argument("--only", metavar="NAMES", help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--server", choices=("nginx", "rclone"), default="nginx", help="rclone checks signatures")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep data here between runs (default: tmpfs, removed)"
    )
    parser.add_argument("--disk", type=Path, metavar="DIR", default=Path.cwd(), help="the disk for the run to a disk")
    parser.add_argument("--peers", type=Path, metavar="DIR", default=Path("build/peers"), help="a virtual environment")
    parser.add_argument("--install-peers", action="store_true", help="install the peers there first")
    parser.add_argument("--document", type=Path, metavar="FILE", help="also write the whole page there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
