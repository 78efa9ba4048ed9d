"""Public names of a package that load on first use, from the list in its ``__init__.pyi``."""

import os
from collections.abc import Callable
from typing import TypeAlias

import lazy_loader

_Exports: TypeAlias = tuple[Callable[[str], object], Callable[[], list[str]], list[str]]


def attach_exports(package: str, file: str) -> _Exports:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of the package whose ``__init__.py`` is ``file``.

    lazy_loader's ``attach_stub`` does the same, but parses the stub as Python: a third of a millisecond for each of the
    fifteen packages that a short run loads. Ours name one export a line.
    """
    with open(f"{os.path.splitext(file)[0]}.pyi", encoding="utf-8") as stub:  # noqa: PTH122, PTH123  # before pathlib
        exports: _Exports = lazy_loader.attach(package, submod_attrs=read_exports(stub.read()))
    return exports


def read_exports(stub: str) -> dict[str, list[str]]:
    """Return the names that lines of ``from .module import name as name`` export, by module."""
    found: dict[str, list[str]] = {}
    for line in stub.splitlines():
        if line.startswith("from ."):
            module, _, names = line.removeprefix("from .").partition(" import ")
            found.setdefault(module, []).append(names.partition(" as ")[0])
    return found
