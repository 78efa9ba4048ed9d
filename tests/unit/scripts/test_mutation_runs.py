"""Long runs of mutation tests continue from what is kept, and ask the quickest tests first."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.mutation import forked_tests
from scripts.mutation.forked_tests import FileBaseline, FileTests, killer, measure, select
from scripts.mutation.kept_results import KeptResults
from scripts.mutation.mutants import mutants, mutate
from scripts.mutation.run_mutation import Count

SOURCE = "def half(n):\n    return n // 2\n"
FIRST, SECOND = mutants(SOURCE)[:2]


def baseline(lines: dict[str, list[int]], seconds: float = 0.1, collecting: float = 0.1) -> FileBaseline:
    return FileBaseline(lines, dict.fromkeys(lines, seconds), collecting, [])


def test_tests_that_run_the_lines_are_selected_by_cost_and_success() -> None:
    known = {
        "slow.py": baseline({"slow.py::a": [2]}, seconds=5),
        "quick.py": baseline({"quick.py::a": [2], "quick.py::b": [9]}),
        "other.py": baseline({"other.py::a": [9]}),
    }

    assert [(each.file, each.tests) for each in select(known, (1, 3), {})] == [
        ("quick.py", ("quick.py::a",)),
        ("slow.py", ("slow.py::a",)),
    ]
    assert [each.file for each in select(known, (1, 3), {"slow.py": 99})] == ["slow.py", "quick.py"]


def test_lines_that_run_at_import_are_decided_by_every_test_of_the_file() -> None:
    known = {"a.py": baseline({"": [1], "a.py::x": [2], "a.py::none": []})}

    assert select(known, (1, 1), {})[0].tests == ("a.py::x", "a.py::none")


def test_of_many_tests_the_quickest_are_selected() -> None:
    lines = {f"a.py::{number}": [1] for number in range(10)}

    (selected,) = select({"a.py": baseline(lines, seconds=4)}, (1, 1), {})

    assert len(selected.tests) == int(forked_tests._BUDGET // 4)


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    file = tmp_path / "test_it.py"
    file.write_text("first")
    return file


def test_outcomes_are_kept_for_one_text_of_the_module(tmp_path: Path, test_file: Path) -> None:
    keep = tmp_path / "kept.json"
    kept = KeptResults(keep, "m.py", SOURCE)
    kept.keep_baseline(test_file, baseline({"a": [1]}))
    kept.keep_outcome(FIRST, "")
    kept.keep_outcome(SECOND, "(1 tests run it)")
    kept.count_kill("a")
    kept.save()

    again = KeptResults(keep, "m.py", SOURCE)
    assert (again.outcome(FIRST), again.outcome(SECOND)) == ("", "(1 tests run it)")
    assert again.baseline(test_file) == baseline({"a": [1]})
    assert again.kills == {"a": 1}
    changed = KeptResults(keep, "m.py", SOURCE + "\n")
    assert (changed.outcome(FIRST), changed.baseline(test_file)) == (None, None)
    assert KeptResults(keep, "other.py", SOURCE).outcome(FIRST) is None


def test_survivors_are_tried_again_once_a_test_has_changed(tmp_path: Path, test_file: Path) -> None:
    kept = KeptResults(None, "m.py", SOURCE)
    kept.keep_outcome(FIRST, "")
    kept.keep_outcome(SECOND, "(1 tests run it)")
    test_file.write_text("second")
    assert kept.baseline(test_file) is None

    kept.keep_baseline(test_file, baseline({"a": [1]}))

    assert (kept.outcome(FIRST), kept.outcome(SECOND)) == ("", None)


def test_counts_add_up() -> None:
    total = Count(1, 10, 2) + Count(2, 20, 0, 5)

    assert total == Count(3, 30, 2, 5)
    assert str(total) == "3 of 30 survived (10.0 %), 2 equivalent, 5 not decided yet"


def test_a_mutant_is_killed_by_the_file_whose_test_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One module and a test of it, in forks."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "mutated_module.py"
    module.write_text(SOURCE)
    file = tmp_path / "test_half.py"
    file.write_text("from mutated_module import half\n\ndef test_half():\n    assert half(0) == half(1) == 0\n")
    found = measure("mutated_module", module, str(file))
    (test,) = (name for name in found.lines if name)
    assert found.lines[test] == [2]

    selected = [FileTests(str(file), (test,), 0.0)]
    decided = {
        mutant.change: killer("mutated_module", module, mutate(SOURCE, mutant), selected) for mutant in mutants(SOURCE)
    }
    assert decided["n // 2 -> n * 2"] == str(file)
    assert decided["2 -> 3"] is None


def test_a_module_that_a_test_imports_is_decided_by_every_test_of_files_that_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "late_module.py"
    module.write_text("HALF = 2\n" + SOURCE.replace("2", "HALF"))
    using, other = tmp_path / "test_using.py", tmp_path / "test_other.py"
    used = "def test_{}():\n    import late_module\n    assert late_module.half({}) == 2\n\n"
    using.write_text(used.format("first", 4) + used.format("second", 5))
    other.write_text("def test_other():\n    assert True\n")

    known = {str(file): measure("late_module", module, str(file)) for file in (using, other)}

    (selected,) = select(known, (1, 1), {})
    assert (selected.file, len(selected.tests)) == (str(using), 2)
