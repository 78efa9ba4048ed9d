"""The public names of both packages: each is shown by dir() and stays what it is after its first use."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import lazy_loader
import pytest

import harvester
import policies

# Each function is called without arguments, which loads what it needs and fails; then it has to be callable still.
CALL_TWICE = """
import inspect
import {package} as package
for name in dir(package):
    for _ in range(2):
        value = getattr(package, name)
        assert not inspect.ismodule(value), name
        if inspect.isfunction(value):
            try:
                value()
            except TypeError:
                pass
            assert getattr(package, name) is value, name
print(len(dir(package)))
"""


@pytest.mark.parametrize("package", ["harvester", "policies"])
def test_every_public_name_stays_what_it_is(package: str) -> None:
    program = CALL_TWICE.format(package=package)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert int(ended.stdout) > 30


@pytest.mark.parametrize("package", [harvester, policies])
def test_no_public_name_is_that_of_a_submodule(package: object) -> None:
    assert inspect.ismodule(package)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(dir(package))


def _packages() -> list[str]:
    found = ["harvester", "policies"]
    for root in (harvester, policies):
        walked = pkgutil.walk_packages(root.__path__, f"{root.__name__}.")
        found += [module.name for module in walked if module.ispkg and not module.name.startswith("harvester.cli")]
    return found


@pytest.mark.parametrize("name", [name for name in _packages() if name.startswith("harvester")])
def test_stubs_are_read_as_lazy_loader_reads_them(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__file__ is not None
    if Path(package.__file__).with_suffix(".pyi").exists():
        assert package.__all__ == lazy_loader.attach_stub(name, package.__file__)[2]


@pytest.mark.parametrize("name", _packages())
def test_no_package_exports_the_name_of_its_own_module(name: str) -> None:
    package = importlib.import_module(name)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(package.__all__)


def test_the_program_runs_as_a_module() -> None:
    ended = subprocess.run([sys.executable, "-m", "harvester", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("nimble-harvester, version ")


@pytest.mark.parametrize("name", ["UsageError", "AccessDenied", "ErrorCode", "ExitCode", "sync", "plan_policy"])
def test_what_a_caller_needs_is_public(name: str) -> None:
    assert name in dir(harvester)
