"""The rules of the layout that import-linter cannot state: unique names, folders of a dozen files."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("harvester", "policies") for path in (ROOT / package).rglob("*.py"))
CROWDED = {"harvester/cli/commands"}  # one file per verb


def test_no_two_modules_have_one_name() -> None:
    names = Counter(path.stem for path in MODULES if not path.stem.startswith("__"))

    assert [name for name, count in names.items() if count > 1] == []


def test_no_two_public_types_have_one_name() -> None:
    places: dict[str, list[Path]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            name = _type_name(node)
            if name is not None and not name.startswith("_"):
                places[name].append(path.relative_to(ROOT))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def _type_name(node: ast.stmt) -> str | None:
    """Return the name of a class or of an alias of a type, which is written in CamelCase."""
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) if name[0].isupper() and not name.isupper():
            return name
        case _:
            return None


def test_a_folder_can_be_read_at_a_glance() -> None:
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in MODULES if not path.stem.startswith("__"))

    assert {folder: count for folder, count in counts.items() if count > 16 and folder not in CROWDED} == {}


def test_no_module_only_forwards_names() -> None:
    forwarding = [
        path.relative_to(ROOT)
        for path in MODULES
        if not path.stem.startswith("__")
        and all(
            isinstance(node, (ast.Import, ast.ImportFrom)) or (isinstance(node, ast.Expr) and node is tree.body[0])
            for tree in [ast.parse(path.read_text(encoding="utf-8"))]
            for node in tree.body
        )
    ]

    assert forwarding == []


def test_scripts_import_no_tests() -> None:
    for path in (ROOT / "scripts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "tests" for name in names), path


def test_no_test_imports_another_test() -> None:
    importing = {
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.")
        if any(name.startswith("test_") for name in (node.module or "").split("."))
    }

    assert importing == set()
