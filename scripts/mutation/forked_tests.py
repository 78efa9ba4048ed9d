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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

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
_NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)
_FIRST_FILE = 100
"""Exit code of a fork whose first file has a test that fails; of the next file, one more."""
_OWN = ("harvester", "policies", "tests", "scripts")


_EXAMPLES = 50
"""The most examples of a property, whatever its own settings are."""
_OWN_SETTINGS = "_hypothesis_internal_use_settings"
_BUDGET = 30.0
"""Seconds of processor time of the tests that decide one mutant; of more tests, the quickest."""


class FileBaseline(NamedTuple):
    """What the tests of one file do with the module as it is."""

    lines: dict[str, list[int]]
    """The lines of the module that each test runs; under an empty name those that run at import."""
    seconds: dict[str, float]
    """Processor time of each test."""
    collecting: float
    """Processor time before the first test."""
    modules: list[str]
    """The modules of other packages that the tests import."""

    def tests_of(self, first: int, last: int) -> list[str]:
        """Return the tests that run one of the lines, the quickest first; of lines run at import, every test."""
        lines = range(first, last + 1)
        if not set(self.lines.get("", ())).isdisjoint(lines):
            found = [test for test in self.lines if test]  # also a case that is computed while tests are collected
        else:
            found = [test for test, run in self.lines.items() if test and not set(run).isdisjoint(lines)]
        return sorted(found, key=lambda test: self.seconds[test])


class FileTests(NamedTuple):
    """Tests of one file that decide a mutant."""

    file: str
    tests: tuple[str, ...]
    """In the order in which they run."""
    seconds: float
    """Their processor time without a mutant, and that of collecting them."""


def select(
    baseline: Mapping[str, FileBaseline], lines: tuple[int, int], kills: Mapping[str, int]
) -> tuple[FileTests, ...]:
    """Return the tests that run the lines: first those of files that are quick, or that killed many mutants."""
    found = {file: each.tests_of(*lines) for file, each in baseline.items()}
    costs = {
        file: baseline[file].collecting + sum(baseline[file].seconds[test] for test in tests)
        for file, tests in found.items()
    }
    selected = []
    spent = 0.0
    for file in sorted(found, key=lambda file: costs[file] / (1 + kills.get(file, 0))):
        known = baseline[file]
        chosen = list(found[file])
        while chosen and spent + sum(known.seconds[test] for test in chosen) > _BUDGET:
            chosen.pop()
        if chosen:
            seconds = known.collecting + sum(known.seconds[test] for test in chosen)
            selected.append(FileTests(file, tuple(chosen), seconds))
            spent += seconds
    return tuple(selected)


class _ChosenTests:
    """A pytest plugin: run these tests in this order, with examples that do not change from run to run."""

    def __init__(self, chosen: Sequence[str]) -> None:
        self._order = {test: place for place, test in enumerate(chosen)}

    def pytest_sessionstart(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        profile = hypothesis.settings(
            deadline=None,
            max_examples=_EXAMPLES,
            derandomize=True,
            database=None,
            phases=phases,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.register_profile("mutation", profile)
        hypothesis.settings.load_profile("mutation")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            _limit_examples(getattr(item, "obj", None))
        if self._order:
            items[:] = sorted(
                (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
            )


def _limit_examples(test: object) -> None:
    """Lower the number of examples that a property's own settings ask for; a test cannot be decorated twice."""
    function = getattr(test, "__func__", test)
    own = getattr(function, _OWN_SETTINGS, None)
    if isinstance(own, hypothesis.settings) and own.max_examples > _EXAMPLES:
        setattr(function, _OWN_SETTINGS, hypothesis.settings(own, max_examples=_EXAMPLES))


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


def measure(name: str, path: Path, file: str) -> FileBaseline:
    """Run every test of a file once, with the module unchanged. Raises RuntimeError when one fails."""

    def run(results: Path) -> int:
        started = time.process_time()
        sys.meta_path.insert(0, _MutantFinder(name, path, ast.parse(path.read_text(encoding="utf-8"))))
        measured = coverage.Coverage(data_file=None, include=[str(path)], config_file=False)
        recorder = _Recorder(measured)
        # Public names load on first use, so the module would be imported by one test of the file, for all of them.
        measured.start()
        importlib.import_module(name)
        measured.stop()
        imported = measured.get_data().lines(str(path)) or []
        measured.start()
        code = pytest.main([*_PYTEST, file], plugins=[recorder, _ChosenTests(())])
        measured.stop()
        data = measured.get_data()
        lines: dict[str, list[int]] = {test: [] for test in recorder.seconds}
        for test in data.measured_contexts():
            data.set_query_context(test)
            lines[test] = data.lines(str(path)) or []
        if not any(lines[test] for test in recorder.seconds) and set(lines.get("", ())) <= set(imported):
            lines[""] = []  # neither its tests nor their collection use the module
        names = [each for each in sys.modules if _is_foreign(each)]
        collecting = (recorder.first or started) - started
        results.write_text(json.dumps(FileBaseline(lines, recorder.seconds, collecting, names)))
        return int(code)

    results = Path(os.environ.get("TMPDIR", "/tmp")) / f"mutation-{os.getpid()}.json"
    output = results.with_suffix(".out")
    try:
        if _forked(lambda: run(results), output=output) not in (0, _NO_TESTS):
            raise RuntimeError(f"the tests of {file} fail without a mutant:\n{output.read_text()[-4000:]}")
        return FileBaseline(*json.loads(results.read_text()))
    finally:
        results.unlink(missing_ok=True)
        output.unlink(missing_ok=True)


def preload(modules: Iterable[str]) -> None:
    """Import what the tests import of other packages, so that a fork need not."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def killer(name: str, path: Path, tree: ast.Module, selected: Sequence[FileTests]) -> str | None:
    """Return the file whose test fails with the mutant; empty if it took many times the time; None if all pass."""

    def run() -> int:
        sys.meta_path.insert(0, _MutantFinder(name, path, tree))
        for place, (file, tests, seconds) in enumerate(selected, _FIRST_FILE):
            _limit_time(seconds)
            if pytest.main([*_PYTEST, file], plugins=[_ChosenTests(tests)]) not in (0, _NO_TESTS):
                return place
        return 0

    code = _forked(run)
    if code == 0:
        return None
    return selected[code - _FIRST_FILE].file if code >= _FIRST_FILE else ""


def _limit_time(seconds: float) -> None:
    """End this process after some times ``seconds`` of processor time from now, or far more of a test that waits."""
    spent = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent + 4 + 4 * seconds), resource.RLIM_INFINITY))
    signal.alarm(int(60 + 40 * seconds))


def _forked(call: Callable[[], int], *, output: Path | None = None) -> int:
    """Return the exit code of a call in a fork; of one ended by a signal, its negative number."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 70
        try:
            os.setpgid(0, 0)
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
