"""A listing is planned the same whether every object is reported or the unchanged ones are counted only."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import LandedRow, ProblemRow
from harvester.destination.paths import FileSystemNames
from harvester.destination.selection import CompiledSelection, Selection
from harvester.storage.base import ObjectRef
from harvester.storage.listed import ListedPage, RangeEnd
from harvester.transfer.listing_planner import ListingPlanner
from harvester.transfer.plan import PlanOptions
from harvester.transfer.range_planner import PathNaming, Planned

KEYS = ["a", "b", "d/e", "d/f", "é", ".nimble-connection-test", "z/"]
MTIME = 1_700_000_000_000_000_000
NOTHING = "nothing"
DEVIATIONS = [
    *[NOTHING] * 8,
    *("evicted", "gone", "rescued", "distrusted", "other version", "other size", "empty", "altered", "missing"),
    *("a folder", "a link", "never landed", "not listed", "listed late", "listed twice"),
]


class Known(NamedTuple):
    """One key, and how it deviates from lying here as it was landed and is listed."""

    key: str
    deviation: str
    problem: ProblemRow | None

    @property
    def row(self) -> LandedRow:
        deviation = self.deviation
        return LandedRow(
            self.key, "two" if deviation == "other version" else "one",
            {"other size": 5, "empty": 0}.get(deviation, 4), 1.0, f"{self.key.rstrip('/')}.landed", 4,
            -1 if deviation == "distrusted" else MTIME, "digest", KEYS.index(self.key) + 1, 1, 1.0, "extract", "gzip",
            None, "failed", None, "rescued" if deviation == "rescued" else "delivered",
            int(deviation == "evicted"), int(deviation == "gone"),
        )  # fmt: skip

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.key, 0 if self.deviation == "empty" else 4, "one", 1.0)

    def lay(self, root: Path) -> None:
        path = root / self.row.path
        if self.deviation == "a folder":
            path.mkdir(parents=True)
        elif self.deviation == "a link":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to("four")  # as long as the file would be
        elif self.deviation not in {"missing", "never landed"}:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"altered" if self.deviation == "altered" else b"four")
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, ns=(MTIME, MTIME), follow_symlinks=False)


@st.composite
def problems(draw: st.DrawFn, key: str) -> ProblemRow:
    outcome = draw(st.sampled_from(["landed", "quarantined", "failed"]))
    return ProblemRow(key, draw(st.sampled_from(["one", "two"])), 4, outcome, "empty", "", 1, 1, None, None, "print")


@st.composite
def states(draw: st.DrawFn) -> list[Known]:
    return [
        Known(key, draw(st.sampled_from(DEVIATIONS)), draw(st.none() | st.none() | problems(key)))
        for key in sorted(draw(st.sets(st.sampled_from(KEYS))))
    ]


def listing(state: list[Known]) -> list[ObjectRef]:
    listed = [known.ref for known in state if known.deviation not in {"not listed", "listed late"}]
    again = [known.ref for known in state if known.deviation in {"listed twice", "listed late"}]
    return listed + again


def plans(
    manifest: Manifest, root: Path, pages: list[list[ObjectRef]], selection: Selection, *, plan_all: bool
) -> tuple[list[Planned], int, list[str]]:
    planner = ListingPlanner(
        manifest,
        PathNaming("", str(root), keep_compressed=False, refuse_unsafe=False),
        FileSystemNames(folds_case=False, folds_normalization=False),
        CompiledSelection(selection),
        PlanOptions(lambda _: "print", ".nimble-connection-test"),
        plan_all=plan_all,
    )
    planned: list[Planned] = []
    passed = 0
    for refs in pages:
        planned += planner.page(ListedPage(0, "", None, refs, []))
        passed += planner.take_unchanged_count()
    planner.end_range(RangeEnd(0, "", None))
    planned += planner.late()
    gone = planner.take_gone()
    planner.close()
    return planned, passed, gone


def says_nothing(planned: Planned) -> bool:
    row = planned.row
    unchanged = planned.action == ("unchanged", "unchanged") and planned.problem is None
    return unchanged and row is not None and not row.gone


@settings(max_examples=400)
@given(states(), st.integers(1, 8), st.sampled_from([Selection(), Selection(), Selection(exclude=("a",))]))
def test_passing_what_is_unchanged_leaves_nothing_out(
    state: list[Known], page_length: int, selection: Selection
) -> None:
    refs = listing(state)
    pages = [refs[start : start + page_length] for start in range(0, len(refs), page_length)]
    with tempfile.TemporaryDirectory() as folder, Manifest(Path(folder) / "manifest.sqlite") as manifest:
        root = Path(folder) / "tree"
        for known in state:
            known.lay(root)
        manifest.record(
            [known.row for known in state if known.deviation != "never landed"],
            [known.problem for known in state if known.problem is not None],
        )
        every, none_passed, gone = plans(manifest, root, pages, selection, plan_all=True)
        some, passed, gone_then = plans(manifest, root, pages, selection, plan_all=False)
    assert none_passed == 0
    assert gone == gone_then
    assert len(some) + passed == len(every)
    assert [each for each in every if not says_nothing(each)] == [each for each in some if not says_nothing(each)]
    if selection == Selection() and all(known[1:] == (NOTHING, None) for known in state):
        assert passed == len(every)


def test_a_range_that_goes_on_where_another_ended_knows_its_paths(tmp_path: Path) -> None:
    def ref(key: str) -> ObjectRef:
        return ObjectRef(key, 4, "one", 1.0)

    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        planner = ListingPlanner(
            manifest,
            PathNaming("", str(tmp_path), keep_compressed=False, refuse_unsafe=False),
            FileSystemNames(folds_case=False, folds_normalization=False),
            CompiledSelection(Selection()),
            PlanOptions(lambda _: "print", ".nimble-connection-test"),
        )
        paths = []
        for number, (start, key, end) in enumerate((("", "a", "a/"), ("a/", "a/b", "a0"), ("a0", "a0/c", None))):
            planned = planner.page(ListedPage(number, start, end, [ref(key)], []))
            paths += [each.path for each in planned]
            planner.end_range(RangeEnd(number, start, end))
        planner.close()
    assert paths[0] == "a"
    assert paths[1] != "a/b"
    assert paths[2] == "a0/c"
