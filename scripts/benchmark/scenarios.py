"""The scenarios: run tools in turn over the same data, each time into an empty folder."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchmark.floors import native_floor
from scripts.benchmark.input_data import Bucket
from scripts.benchmark.measurement import Taken, peak_memory, run
from scripts.benchmark.peer_tools import Tool, environment
from scripts.benchmark.stores.object_server import Served

_ROOT = Path(__file__).resolve().parents[2]
Command = Callable[[Path], Sequence[str]]


@dataclass
class Series:
    """All rounds of one tool in one scenario."""

    tool: str
    """What the tables call it."""
    walls: list[float] = field(default_factory=list)
    """Seconds, a round each."""
    cpus: list[float] = field(default_factory=list)
    """Seconds of the tool's processes, a round each."""
    servers: list[float] = field(default_factory=list)
    """Seconds of the server's processes meanwhile, a round each."""
    failure: str = ""
    """How it failed, if it did."""

    @property
    def wall(self) -> float:
        """Median seconds."""
        return statistics.median(self.walls)

    @property
    def cpu(self) -> float:
        """Median CPU seconds, the server's not included."""
        return statistics.median(self.cpus)

    @property
    def all_cpu(self) -> float:
        """Median CPU seconds, the server's included."""
        return statistics.median(map(sum, zip(self.cpus, self.servers, strict=True)))

    def times_slower_than(self, other: Series) -> float:
        """Return the median over the rounds of this tool's wall time as a multiple of the other's in the same round."""
        return statistics.median(self._ratios(other))

    def spread(self, other: Series) -> float | None:
        """Return the spread of those multiples as a share of their median, or None when there is one round only."""
        return spread(self._ratios(other))

    def cpu_times(self, other: Series) -> float:
        """Return the median over the rounds of this tool's CPU time as a multiple of the other's in the same round."""
        return statistics.median(mine / max(theirs, 1e-9) for mine, theirs in zip(self.cpus, other.cpus, strict=False))

    def _ratios(self, other: Series) -> list[float]:
        return [mine / theirs for mine, theirs in zip(self.walls, other.walls, strict=False)]


def spread(values: Sequence[float]) -> float | None:
    """Return largest minus smallest value as a share of the median, or None for a single one."""
    return (max(values) - min(values)) / statistics.median(values) if len(values) > 1 else None


class Bench:
    """The running store, and where copies go."""

    def __init__(self, served: Served, work: Path) -> None:
        self.served = served
        self.work = work
        self._home_directory = work / "home"
        self._home_directory.mkdir(exist_ok=True)

    def environment(self, endpoint: str) -> Mapping[str, str]:
        """Return the environment of a tool, or of one of our own modules."""
        return environment(endpoint, self._home_directory) | {"PYTHONPATH": str(_ROOT)}

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[Path]:
        """Give a folder that does not exist yet, and remove what was put there."""
        destination = folder / "copy"
        try:
            yield destination
        finally:
            shutil.rmtree(destination, ignore_errors=True)

    def timed(self, series: Series, command: Sequence[str], endpoint: str) -> Taken:
        """Run one command and add what it took."""
        before = self.served.cpu_seconds()
        taken = run(command, self.environment(endpoint))
        series.servers.append(self.served.cpu_seconds() - before)
        series.walls.append(taken.wall)
        series.cpus.append(taken.cpu)
        if taken.exit_code:
            series.failure = f"exit {taken.exit_code}: {taken.output.strip()[-200:]}"
        print_progress(f"  {series.tool}: {taken.wall:.2f} s, {taken.cpu:.2f} s of CPU {series.failure}")
        return taken

    def copies(
        self, tools: Sequence[Tool], bucket: Bucket, rounds: int, *, endpoint: str = "", folder: Path | None = None
    ) -> list[Series]:
        """Let each tool copy a bucket, ``rounds`` times in turn. What takes longest does so once."""
        print_progress(f"{bucket.name}: {len(bucket.entries)} objects, {bucket.stored / 1e6:.0f} MB")
        endpoint = endpoint or self.served.near
        all_series = [Series(tool.name) for tool in tools]
        for number in range(rounds):
            # Each round in another order, so that none always comes after the same one.
            turn = number % len(tools)
            for tool, series in [*zip(tools, all_series, strict=True)][turn:] + [*zip(tools, all_series, strict=True)][
                :turn
            ]:
                if number and tool.slow:
                    continue
                with self.fresh(folder or self.work) as destination:
                    self.timed(series, tool.command(endpoint, bucket.name, destination), endpoint)
                    self._expect_all(series, bucket, destination)
        return all_series

    @staticmethod
    def _expect_all(series: Series, bucket: Bucket, destination: Path) -> None:
        found = sum(1 for path in destination.rglob("*") if path.is_file() and ".nimble-harvester" not in path.parts)
        if found != len(bucket.entries):
            series.failure = series.failure or f"{found} files of {len(bucket.entries)} objects"

    def floor(self, bucket: Bucket, index: Path, rounds: int) -> tuple[Series, Series]:
        """Return fetching alone, which is what the server can do, and fetching, inflating and writing alone."""
        print_progress("floor")
        capacity, floor = Series("fetch alone"), Series("fetch, inflate and write alone")
        for _ in range(rounds):
            with self.fresh(self.work) as destination:
                for series, target in ((capacity, "-"), (floor, str(destination))):
                    self.timed(series, self.floor_command(self.served.near, bucket, index, target), self.served.near)
        return capacity, floor

    def native_floor(self, bucket: Bucket, rounds: int) -> Series | str:
        """Return what a native program takes for the same work as this one, or why there is none."""
        program, reason = native_floor.build(self.work)
        if program is None:
            return reason
        series = Series("all of a sync's work on an object, in C")
        for _ in range(rounds):
            with self.fresh(self.work) as destination:
                destination.mkdir()
                index = self.work / "native-floor.txt"
                command = native_floor.command(program, self.served.near, bucket, index, destination)
                self.timed(series, command, self.served.near)
                self._expect_all(series, bucket, destination)
        return series

    def floor_command(self, endpoint: str, bucket: Bucket, index: Path, target: str, transfers: int = 16) -> list[str]:
        """Return the command that fetches into ``target``; ``-`` throws everything away."""
        arguments = [endpoint, bucket.name, str(index), target, str(transfers)]
        signed = ["signed"] if self.served.signed else []
        return [sys.executable, "-m", "scripts.benchmark.floors.python_floor", *arguments, *signed]

    def nothing_to_do(self, tools: Sequence[tuple[Tool, Tool]], bucket: Bucket, rounds: int) -> list[Series]:
        """Let each pair's first tool copy the bucket once, and its second find, ``rounds`` times, nothing to do.

        A run between these two is not counted: the first tool's then remembers what was listed. It is the last series.
        """
        print_progress("nothing to do")
        all_series = [Series(again.name) for _, again in tools]
        folders = [self.work / f"done-{number}" for number in range(len(tools))]
        try:
            for (first, _), folder in zip(tools, folders, strict=True):
                self.timed(
                    Series(f"{first.name}, to begin with"),
                    first.command(self.served.near, bucket.name, folder),
                    self.served.near,
                )
            after_copy = Series(f"{tools[0][1].name}, the first run after the copy")
            for (_, again), folder in zip(tools, folders, strict=True):
                series = after_copy if folder == folders[0] else Series(f"{again.name}, not counted")
                self.timed(series, again.command(self.served.near, bucket.name, folder), self.served.near)
            for _ in range(rounds):
                for (_, again), series, folder in zip(tools, all_series, folders, strict=True):
                    self.timed(series, again.command(self.served.near, bucket.name, folder), self.served.near)
        finally:
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        return [*all_series, after_copy]

    def listings(self, tools: Sequence[Tool], bucket: Bucket, rounds: int, endpoint: str = "") -> list[Series]:
        """Let each tool print every key of a bucket."""
        print_progress(f"listing {len(bucket.entries)} keys")
        endpoint = endpoint or self.served.pages
        all_series = [Series(tool.name) for tool in tools]
        for _ in range(rounds):
            for tool, series in zip(tools, all_series, strict=True):
                self.timed(series, tool.command(endpoint, bucket.name, self.work), endpoint)
        return all_series

    def key_ranges(self, bucket: Bucket, rounds: int) -> list[Series]:
        """Walk a listing whose pages take their time, serially and in key ranges."""
        print_progress("key ranges")
        all_series = [Series(way) for way in ("serial", "ranges")]
        for _ in range(rounds):
            for series in all_series:
                arguments = [series.tool, f"s3://{bucket.name}/"]
                command = [sys.executable, "-m", "scripts.benchmark.floors.list_only", *arguments]
                self.timed(series, command, self.served.slow_pages)
        return all_series

    def memory(self, tools: Sequence[Tool], buckets: Sequence[Bucket]) -> dict[tuple[str, int], int]:
        """Return the peak memory in bytes by tool and number of objects."""
        print_progress("memory")
        found = {}
        for bucket in buckets:
            for tool in tools:
                with self.fresh(self.work) as destination:
                    command = tool.command(self.served.near, bucket.name, destination)
                    _, peak = peak_memory(command, self.environment(self.served.near))
                    found[tool.name, len(bucket.entries)] = peak
                    print_progress(f"  {tool.name}, {len(bucket.entries)} objects: {peak / 1e6:.0f} MB")
        return found


def print_progress(text: str) -> None:
    """Print a line of progress on standard error."""
    print(text, file=sys.stderr, flush=True)
