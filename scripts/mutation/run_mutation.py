"""Report the mutants of modules that their unit tests do not notice.

Each mutant is one small change of one module: a comparison, a boolean or arithmetic operator, a constant, a condition
that is always or never true, a result of None, a statement left out. The tests of the mirrored directory of tests/unit
that run the changed lines decide it, in a fork of one process, bounded in processor time. A long run is made in parts:
--keep FILE holds what is known, --minutes ends the run, and the next one continues. Mutants that change nothing a
caller can see are listed with the reason in scripts/mutation/equivalent.toml.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scripts.mutation.forked_tests import FileBaseline, killer, measure, preload, select
from scripts.mutation.kept_results import KeptResults
from scripts.mutation.mutants import Mutant, mutants, mutate

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
LIMIT = 10.0
"""Percent of the mutants that may survive."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module with the directories whose tests decide its mutants."""

    path: Path
    source: str
    tests: tuple[Path, ...]

    @property
    def name(self) -> str:
        return self.shown.removesuffix(".py").replace("/", ".")

    @property
    def shown(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    def test_files(self) -> list[Path]:
        found = (each.rglob("test_*.py") if each.is_dir() else [each] for each in self.tests)
        return sorted({file.resolve().relative_to(ROOT) for files in found for file in files})

    def line(self, mutant: Mutant) -> str:
        return self.source.splitlines()[mutant.line - 1].strip()


def main() -> int:
    """Run the mutants; return 1 when more than the limit survive."""
    parser = argparse.ArgumentParser(
        prog="scripts/mutate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a module, or a folder of modules")
    parser.add_argument("--sample", type=int, metavar="N", help="at most N mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: %(default)s)")
    parser.add_argument(
        "--tests", nargs="+", type=Path, metavar="PATH", help="tests instead of the mirrored directory's"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep results in FILE, and continue from it")
    parser.add_argument("--minutes", type=float, metavar="N", help="end after N minutes, complete or not")
    parser.add_argument("--limit", type=float, default=LIMIT, help="percent that may survive (default: %(default)s)")
    arguments = parser.parse_args()

    modules = [module_of(path, arguments.tests) for path in files(arguments.paths)]
    drawn = [(module, mutant) for module in modules for mutant in mutants(module.source)]
    if arguments.sample is not None and arguments.sample < len(drawn):
        chosen = sorted(random.Random(arguments.seed).sample(range(len(drawn)), arguments.sample))
        drawn = [drawn[place] for place in chosen]
    end = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    total = Count()
    for module in modules:
        own = [mutant for each, mutant in drawn if each is module]
        if own:
            total += run(module, own, arguments.keep, end)
    print(f"total: {total} (limit {arguments.limit:g} %)")
    return int(total.share > arguments.limit or total.unknown > 0)


class Count(NamedTuple):
    """How many mutants survived, and of how many that is."""

    survived: int = 0
    decided: int = 0
    equivalent: int = 0
    unknown: int = 0
    """Not decided when the time was up."""

    def __add__(self, other: object) -> Count:
        """Return the sum of both counts."""
        if not isinstance(other, Count):
            return NotImplemented
        return Count(*map(sum, zip(self, other, strict=True)))

    @property
    def share(self) -> float:
        return 100 * self.survived / max(self.decided, 1)

    def __str__(self) -> str:
        unknown = f", {self.unknown} not decided yet" if self.unknown else ""
        return f"{self.survived} of {self.decided} survived ({self.share:.1f} %), {self.equivalent} equivalent{unknown}"


def run(module: Module, own: list[Mutant], keep: Path | None, end: float | None) -> Count:
    """Run one module's mutants until ``end``, print the survivors, and count them."""
    reasons = equivalent_changes(module.shown)
    different = [mutant for mutant in own if (mutant.function, module.line(mutant), mutant.change) not in reasons]
    equivalent = len(own) - len(different)
    kept = KeptResults(keep, module.shown, module.source)
    baseline = baseline_of(module, kept, end)
    if baseline is None:
        return Count(equivalent=equivalent, unknown=len(different))
    preload(dict.fromkeys(name for each in baseline.values() for name in each.modules))
    survived = decided = 0
    for done, mutant in enumerate(different, 1):
        if sys.stderr.isatty():
            print(f"\r{module.shown}: {done}/{len(different)}, {survived} survived", end="", file=sys.stderr)
        why = kept.outcome(mutant)
        if why is None and not is_over(end):
            why = survives(module, mutant, baseline, kept)
            kept.keep_outcome(mutant, why)
            kept.save()
        if why is None:
            continue
        decided += 1
        if why:
            survived += 1
            print(f"{module.shown}:{mutant.line}: {mutant.change}  [{mutant.function or 'module'}] {why}", flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    count = Count(survived, decided, equivalent, len(different) - decided)
    print(f"{module.shown}: {count}", flush=True)
    return count


def is_over(end: float | None) -> bool:
    """Return whether the time of the run is up."""
    return end is not None and time.monotonic() > end


def baseline_of(module: Module, kept: KeptResults, end: float | None) -> dict[str, FileBaseline] | None:
    """Measure the test files that are not known yet; return None when the time is up before that is done."""
    baseline = {}
    for file in module.test_files():
        known = kept.baseline(file)
        if known is None:
            if is_over(end):
                return None
            known = measure(module.name, module.path, str(file))
            kept.keep_baseline(file, known)
            kept.save()
        baseline[str(file)] = known
    return baseline


def survives(module: Module, mutant: Mutant, baseline: Mapping[str, FileBaseline], kept: KeptResults) -> str:
    """Return why a mutant survives, or an empty text when a test kills it."""
    selected = select(baseline, mutant.statement, kept.kills)
    if not selected:
        return "(no test runs it)"
    file = killer(module.name, module.path, mutate(module.source, mutant), selected)
    if file is None:
        return f"({sum(len(each.tests) for each in selected)} tests run it)"
    if file:
        kept.count_kill(file)
    return ""


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the modules that the paths name."""
    for path in paths:
        yield from sorted(path.resolve().rglob("*.py")) if path.is_dir() else [path.resolve()]


def module_of(path: Path, tests: list[Path] | None) -> Module:
    """Return the module with the deepest directory of tests/unit that mirrors one of its packages."""
    directory = ROOT / "tests" / "unit"
    parts = path.relative_to(ROOT).parts[:-1]
    for part in parts[1:] if parts[0] == "harvester" else parts:
        directory = directory / part if (directory / part).is_dir() else directory
    return Module(path, path.read_text(encoding="utf-8"), tuple(tests or [directory]))


def equivalent_changes(module: str) -> set[tuple[str, str, str]]:
    """Return function, line and change of the mutants that are listed as equivalent for a module."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutant", [])
    return {(each["function"], each["line"], each["change"]) for each in entries if each["module"] == module}


if __name__ == "__main__":
    sys.exit(main())
