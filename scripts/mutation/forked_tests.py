"""Run unit tests in a fork of this process, with one module replaced by its mutant."""

from __future__ import annotations

import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import coverage
import hypothesis
import pytest

_PYTEST = (
    "-q",
    "-x",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "-p",
    "no:randomly",
    "-o",
    "addopts=",
    "-o",
    "filterwarnings=",
)
_OWN = ("harvester", "policies", "tests", "scripts")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the tests do with the module as it is."""

    lines: dict[str, frozenset[int]]
    """The lines of the module that each test runs."""
    seconds: dict[str, float]
    """Processor time of each test."""
    collecting: float
    """Processor time before the first test."""
    modules: tuple[str, ...]
    """The modules of other packages that the tests import."""

    def tests_of(self, first: int, last: int) -> list[str]:
        """Return the tests that run one of the lines, the quickest first; of lines run at import, every test."""
        lines = range(first, last + 1)
        found = [test for test, run in self.lines.items() if test and not run.isdisjoint(lines)]
        if not self.lines.get("", frozenset()).isdisjoint(lines):
            found = [test for test in self.lines if test]
        return sorted(found, key=lambda test: self.seconds[test])


class _ChosenTests:
    """A pytest plugin: run these tests in this order, with examples that do not change from run to run."""

    def __init__(self, chosen: Sequence[str]) -> None:
        self._order = {test: place for place, test in enumerate(chosen)}

    def pytest_sessionstart(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        profile = hypothesis.settings(
            deadline=None,
            derandomize=True,
            database=None,
            phases=phases,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.register_profile("mutation", profile)
        hypothesis.settings.load_profile("mutation")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._order:
            items[:] = sorted(
                (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
            )


class _Recorder:
    """A pytest plugin: note the lines of the module and the processor time of each test."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self.seconds: dict[str, float] = {}
        self.first: float | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        started = time.process_time()
        if self.first is None:
            self.first = started
        self._measured.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._measured.switch_context("")
            self.seconds[item.nodeid] = time.process_time() - started


class _MutantFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import one module from the syntax tree of its mutant."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name = name
        self._path = path
        self._tree = tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def get_code(self) -> CodeType:
        return compile(self._tree, str(self._path), "exec")

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(), module.__dict__)


def measure(path: Path, directories: Sequence[Path]) -> Baseline:
    """Run every test of the directories once. Raises RuntimeError when one fails."""

    def run(results: Path) -> int:
        started = time.process_time()
        measured = coverage.Coverage(data_file=None, include=[str(path)], config_file=False)
        recorder = _Recorder(measured)
        measured.start()
        code = pytest.main([*_PYTEST, *map(str, directories)], plugins=[recorder, _ChosenTests(())])
        measured.stop()
        data = measured.get_data()
        lines: dict[str, list[int]] = {test: [] for test in recorder.seconds}
        for test in data.measured_contexts():
            data.set_query_context(test)
            lines[test] = data.lines(str(path)) or []
        names = [name for name in sys.modules if _is_foreign(name)]
        document = {
            "lines": lines,
            "seconds": recorder.seconds,
            "collecting": (recorder.first or started) - started,
            "modules": names,
        }
        results.write_text(json.dumps(document))
        return int(code)

    results = Path(os.environ.get("TMPDIR", "/tmp")) / f"mutation-{os.getpid()}.json"
    output = results.with_suffix(".out")
    try:
        if _forked(lambda: run(results), output=output) != 0:
            raise RuntimeError(f"the tests fail without a mutant:\n{output.read_text()[-4000:]}")
        found = json.loads(results.read_text())
    finally:
        results.unlink(missing_ok=True)
        output.unlink(missing_ok=True)
    lines = {test: frozenset(run) for test, run in found["lines"].items()}
    return Baseline(lines, found["seconds"], found["collecting"], tuple(found["modules"]))


def preload(modules: Sequence[str]) -> None:
    """Import what the tests import of other packages, so that a fork need not."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def is_killed(name: str, path: Path, tree: ast.Module, tests: Sequence[str], baseline: Baseline) -> bool:
    """Return whether a test fails with the mutant, or takes many times its processor time."""
    expected = baseline.collecting + sum(baseline.seconds[test] for test in tests)

    def run() -> int:
        sys.meta_path.insert(0, _MutantFinder(name, path, tree))
        files = sorted({test.partition("::")[0] for test in tests})
        return int(pytest.main([*_PYTEST, *files], plugins=[_ChosenTests(tests)]))

    return _forked(run, seconds=int(10 + 5 * expected)) != 0


def _forked(call: Callable[[], int], *, seconds: int | None = None, output: Path | None = None) -> int:
    """Return the exit code of a call in a fork; of one ended by a signal, its negative number."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 70
        try:
            os.setpgid(0, 0)
            if seconds is not None:
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
                signal.alarm(20 * seconds)  # for a mutant that waits
            target = os.open(output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(target, 1)
            os.dup2(target, 2)
            code = call()
        except Exception:  # noqa: BLE001  # a fork must not continue as its parent
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a killed test has started
    return os.waitstatus_to_exitcode(status)


def _is_foreign(name: str) -> bool:
    if name.startswith(("_", "conftest")) or name.split(".")[0] in _OWN:
        return False
    origin = getattr(getattr(sys.modules[name], "__spec__", None), "origin", None)
    known = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    return isinstance(origin, str) and origin.startswith(known)
