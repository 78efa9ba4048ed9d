"""The plan is a pure function: every case of it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.destination.manifest.row_types import KnownRow, ProblemRow
from harvester.destination.selection import CompiledSelection, Selection
from harvester.storage.base import UNKNOWN_TIME, ObjectRef
from harvester.transfer.plan import Action, ActionKind, LocalFile, PlanOptions, decide

REF = ObjectRef("p/a.json", 10, "etag", 1000.0)
ROW = KnownRow("p/a.json", "etag", 10, "a.json", 30, 5, "digest", 1, None, "delivered", 0, 0)
PROBLEM = ProblemRow("p/a.json", "etag", 10, "quarantined", "invalid_json", "", 1, 1, "q", "d", "print")
HERE = LocalFile(30, 5)
ALL = CompiledSelection(Selection())
PARQUET = PROBLEM._replace(outcome="refused", reason="parquet_extra_missing")
OPTIONS = PlanOptions(lambda _: "print", ".nimble-connection-test", 100)
WITHOUT_PARQUET = OPTIONS._replace(reads_parquet=False)


def plan(
    ref: ObjectRef = REF,
    row: KnownRow | None = None,
    problem: ProblemRow | None = None,
    local: LocalFile | None = None,
    selection: Selection | None = None,
    options: PlanOptions = OPTIONS,
) -> tuple[str, str]:
    chosen = ALL if selection is None else CompiledSelection(selection)
    action: Action = decide(ref, ref.key.removeprefix("p/"), row, problem, local, chosen, options)
    return action.kind.value, action.reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (plan(), ("fetch", "new")),
        (plan(row=ROW, local=HERE), ("unchanged", "unchanged")),
        (plan(row=ROW, local=None), ("fetch", "missing_locally")),
        (plan(row=ROW, local=LocalFile(29, 5)), ("fetch", "altered_locally")),
        (plan(row=ROW, local=LocalFile(30, 6)), ("fetch", "altered_locally")),
        (plan(row=ROW._replace(mtime_ns=-1), local=HERE), ("fetch", "altered_locally")),
        (plan(row=ROW._replace(evicted=1)), ("unchanged", "evicted")),
        (plan(REF._replace(etag="other"), ROW._replace(evicted=1)), ("fetch", "changed")),
        (plan(REF._replace(etag="other"), ROW, local=HERE), ("fetch", "changed")),
        (plan(REF._replace(size=11), ROW, local=HERE), ("fetch", "changed")),
        (plan(REF._replace(last_modified=2000.0), ROW, local=HERE), ("unchanged", "unchanged")),
        (plan(problem=PROBLEM), ("quarantined", "invalid_json")),
        (plan(REF._replace(etag="other"), problem=PROBLEM), ("fetch", "new")),
        (plan(problem=PROBLEM._replace(fingerprint="older")), ("recheck", "validation_changed")),
        (plan(problem=PROBLEM._replace(outcome="failed")), ("fetch", "new")),
        (plan(problem=PROBLEM._replace(outcome="refused")), ("fetch", "new")),
        (plan(problem=PARQUET), ("fetch", "new")),
        (plan(problem=PARQUET, options=WITHOUT_PARQUET), ("refuse", "parquet_extra_missing")),
        (plan(options=WITHOUT_PARQUET), ("fetch", "new")),
        (plan(problem=PROBLEM._replace(outcome="refused"), options=WITHOUT_PARQUET), ("fetch", "new")),
        (plan(REF._replace(etag="other"), problem=PARQUET, options=WITHOUT_PARQUET), ("fetch", "new")),
        (plan(REF._replace(size=101)), ("refuse", "too_large")),
        (plan(REF._replace(size=100)), ("fetch", "new")),
        (plan(REF._replace(key="p/.nimble-connection-test", size=0)), ("ignore", "probe_residue")),
        (plan(REF._replace(key="p/d/.nimble-connection-test", size=0)), ("ignore", "probe_residue")),
        (plan(REF._replace(key="p/.nimble-connection-test")), ("fetch", "new")),
        (plan(REF._replace(key="p/d/", size=0)), ("ignore", "directory_marker")),
        (plan(REF._replace(key="p/", size=0)), ("ignore", "directory_marker")),
        (plan(REF._replace(key="p/d/")), ("fetch", "new")),
        (plan(REF._replace(key="p/empty.json", size=0)), ("fetch", "new")),
        (plan(selection=Selection(include=("*.json",))), ("fetch", "new")),
        (plan(row=ROW, local=HERE, selection=Selection(exclude=("*",))), ("ignore", "excluded")),
    ],
)
def test_cases(found: tuple[str, str], expected: tuple[str, str]) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("selection", "key", "refusal"),
    [
        (Selection(), "a", ""),
        (Selection(include=("*.json",)), "deep/a.json", ""),
        (Selection(include=("*.json",)), "a.csv", "not_included"),
        (Selection(include=("*.csv", "*.json")), "a.csv", ""),
        (Selection(exclude=("tmp/*",)), "tmp/a", "excluded"),
        (Selection(include=("tmp/*",), exclude=("*a",)), "tmp/a", "excluded"),
        (Selection(include=("[ab].json",)), "b.json", ""),
        (Selection(include=("a?",)), "a\n", ""),
        (Selection(since=1000.0), "a", ""),
        (Selection(since=1000.5), "a", "before_since"),
        (Selection(until=1000.0), "a", "after_until"),
        (Selection(until=1000.5), "a", ""),
        (Selection(after=1000.0), "a", "before_start"),
        (Selection(after=999.999), "a", ""),
    ],
)
def test_selection(selection: Selection, key: str, refusal: str) -> None:
    assert CompiledSelection(selection).refusal(key, 1000.0) == refusal


def test_no_filter_by_time_excludes_an_object_of_unknown_time() -> None:
    for selection in (Selection(since=1000.0), Selection(until=-1.0), Selection(after=1000.0)):
        assert CompiledSelection(selection).refusal("a", UNKNOWN_TIME) == ""
    assert CompiledSelection(Selection(include=("b",), since=1000.0)).refusal("a", UNKNOWN_TIME) == "not_included"


GLOBS = st.lists(st.sampled_from(["*", "a*", "*b", "?", "ab", "[ab]*"]), max_size=4)


@given(st.text("ab", max_size=4), GLOBS, GLOBS, st.randoms())
def test_the_order_of_globs_means_nothing(key: str, include: list[str], exclude: list[str], random: Random) -> None:
    def refusal() -> str:
        return CompiledSelection(Selection(tuple(include), tuple(exclude))).refusal(key, 0.0)

    before = refusal()
    random.shuffle(include)
    random.shuffle(exclude)
    assert refusal() == before


@given(
    st.builds(
        ObjectRef,
        st.sampled_from(["p/", "p/a", "p/d/", "p/.nimble-connection-test"]),
        st.integers(0, 200),
        st.sampled_from("xy"),
        st.floats(0, 10),
    ),
    st.none()
    | st.builds(ROW._replace, etag=st.sampled_from("xy"), size=st.integers(0, 200), evicted=st.integers(0, 1)),
    st.none()
    | st.builds(
        PROBLEM._replace,
        etag=st.sampled_from("xy"),
        size=st.integers(0, 200),
        outcome=st.sampled_from(["quarantined", "failed", "refused", "landed"]),
    ),
    st.none() | st.builds(LocalFile, st.integers(29, 31), st.integers(4, 6)),
)
def test_what_is_unchanged_is_here_or_evicted(
    ref: ObjectRef, row: KnownRow | None, problem: ProblemRow | None, local: LocalFile | None
) -> None:
    action = decide(ref, ref.key.removeprefix("p/"), row, problem, local, ALL, OPTIONS)
    if action.kind is ActionKind.UNCHANGED:
        assert row is not None
        assert (row.etag, row.size) == (ref.etag, ref.size)
        assert row.evicted or local == LocalFile(row.content_size, row.mtime_ns)
    if action.kind in (ActionKind.QUARANTINED, ActionKind.RECHECK):
        assert problem is not None
        assert (problem.etag, problem.size, problem.outcome) == (ref.etag, ref.size, "quarantined")
    if action.kind is ActionKind.IGNORE:
        assert ref.size == 0
