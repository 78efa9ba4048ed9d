"""Report the mutants of modules that their unit tests do not notice.

Each mutant is one small change of one module: a comparison, a boolean or arithmetic operator, a constant, a condition
that is always or never true, a result of None, a statement left out. The tests of the mirrored directory of tests/unit
that run the changed lines decide it, in a fork of one process, bounded in processor time. Mutants that change nothing a
caller can see are listed with the reason in scripts/mutation/equivalent.toml.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.mutation.forked_tests import Baseline, is_killed, measure, preload
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
    parser.add_argument("--limit", type=float, default=LIMIT, help="percent that may survive (default: %(default)s)")
    arguments = parser.parse_args()

    modules = [module_of(path, arguments.tests) for path in files(arguments.paths)]
    drawn = [(module, mutant) for module in modules for mutant in mutants(module.source)]
    if arguments.sample is not None and arguments.sample < len(drawn):
        chosen = sorted(random.Random(arguments.seed).sample(range(len(drawn)), arguments.sample))
        drawn = [drawn[place] for place in chosen]
    total = survivors = 0
    for module in modules:
        own = [mutant for each, mutant in drawn if each is module]
        if own:
            survived, equivalent = run(module, own)
            total += len(own) - equivalent
            survivors += survived
    share = 100 * survivors / max(total, 1)
    print(f"total: {survivors} of {total} mutants survived ({share:.1f} %; limit {arguments.limit:g} %)")
    return int(share > arguments.limit)


def run(module: Module, own: list[Mutant]) -> tuple[int, int]:
    """Run one module's mutants, print the survivors, return how many survived and how many are equivalent."""
    reasons = equivalent_changes(module.shown)
    baseline = measure(module.path, module.tests)
    preload(baseline.modules)
    unchanged = ast.parse(module.source)
    if is_killed(module.name, module.path, unchanged, baseline.tests_of(1, len(module.source)), baseline):
        raise RuntimeError(f"the tests of {module.shown} fail in a fork without a mutant")
    different = [mutant for mutant in own if (mutant.function, module.line(mutant), mutant.change) not in reasons]
    survived = 0
    for done, mutant in enumerate(different, 1):
        if sys.stderr.isatty():
            print(f"\r{module.shown}: {done}/{len(different)}, {survived} survived", end="", file=sys.stderr)
        why = survives(module, mutant, baseline)
        if why:
            survived += 1
            print(f"{module.shown}:{mutant.line}: {mutant.change}  [{mutant.function or 'module'}] {why}", flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    equivalent = len(own) - len(different)
    share = 100 * survived / max(len(different), 1)
    print(
        f"{module.shown}: {survived} of {len(different)} survived ({share:.1f} %), {equivalent} equivalent", flush=True
    )
    return survived, equivalent


def survives(module: Module, mutant: Mutant, baseline: Baseline) -> str:
    """Return why a mutant survives, or an empty text when a test kills it."""
    tests = baseline.tests_of(*mutant.statement)
    if not tests:
        return "(no test runs it)"
    tree = mutate(module.source, mutant)
    return "" if is_killed(module.name, module.path, tree, tests, baseline) else f"({len(tests)} tests run it)"


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
