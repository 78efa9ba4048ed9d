from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.nimble_api.models import Task
from harvester.nimble_api.states import TaskState
from harvester.reconciliation.matching import (
    DeliveredObject,
    LocalState,
    ReconciledTask,
    Reconciliation,
    TaskOutcome,
    TaskReason,
    match_tasks,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=2)
GRACE = timedelta(minutes=15)
UUID = "8e8cfde8-345b-42b8-b3e2-0c61eb11e00f"
OTHER = "ec89b1f7-1cf2-40eb-91b4-78716093f9ed"


def task(
    task_id: str = UUID, state: str | None = "success", *, ended: datetime | None = LONG_AGO, to: str | None = None
) -> Task:
    return Task(task_id, state, modified_at=ended, output_url=to, error="boom" if state == "error" else None)


def thing(
    name: str,
    body: str | None = None,
    local: LocalState = LocalState.LANDED,
    digest: str | None = None,
    listed: bool = True,
) -> DeliveredObject:
    key = f"out/{name}"
    return DeliveredObject(key, f"s3://bucket/{key}", local, name, body, digest, listed)


def reconciled(tasks: list[Task], objects: list[DeliveredObject]) -> Reconciliation:
    return match_tasks(tasks, objects, now=NOW, grace=GRACE)


def only(expected: Task, *objects: DeliveredObject) -> ReconciledTask:
    return reconciled([expected], list(objects)).tasks[0]


# ---- matching


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (task(), thing("anything.bin", UUID)),
        (task(to="s3://bucket/out/named.json"), thing("named.json")),
        (task(to="s3://bucket/out/my%20name.json"), thing("my name.json")),
        (task(), thing(f"{UUID}.json")),
        (task(), thing(f"{UUID}.json.gz")),
        (task(), thing(f"{UUID}.png")),
        (task(), thing(UUID)),
        (task(), thing(f"my-name-{UUID}.json")),
        (task(), thing(f"my_name_{UUID}.json.gz")),
        (task(), thing(f"{UUID}_my-name.json")),
        (task("task_1"), thing("name.task_1.json")),
        (task(), thing(f"{UUID}.json", "an-id-not-expected")),
    ],
)
def test_an_object_is_found_by_body_then_address_then_name(expected: Task, found: DeliveredObject) -> None:
    result = reconciled([expected], [found])
    assert result.tasks[0].outcome is TaskOutcome.LANDED
    assert result.tasks[0].objects == (found,)
    assert result.unexpected == ()


@pytest.mark.parametrize(
    "name", [f"x{UUID}.json", f"{UUID}0.json", f"{UUID[:-1]}.json", "task_11.json", ".json", "-", ""]
)
def test_a_name_that_only_resembles_an_id_is_unexpected(name: str) -> None:
    result = reconciled([task(), task("task_1")], [thing(name)])
    assert result.unexpected == (thing(name),)
    assert result.counts[TaskOutcome.MISSING] == 2


def test_the_body_decides_against_the_name() -> None:
    swapped = [thing(f"{UUID}.json", OTHER), thing(f"{OTHER}.json", UUID)]
    first, second = reconciled([task(), task(OTHER)], swapped).tasks
    assert first.objects == (swapped[1],)
    assert second.objects == (swapped[0],)


def test_the_longest_contained_id_decides() -> None:
    result = reconciled([task("a"), task("a-b")], [thing("x-a-b.json")])
    assert [account.outcome for account in result.tasks] == [TaskOutcome.MISSING, TaskOutcome.LANDED]


def test_a_name_of_many_pieces_costs_no_more_than_its_length() -> None:
    hostile = [thing("-".join("a" * 500) + f"{number}.json") for number in range(200)]
    assert len(reconciled([task(f"{UUID[:-4]}{number:04}") for number in range(1000)], hostile).unexpected) == 200


# ---- classes


@pytest.mark.parametrize(
    ("local", "outcome", "reason"),
    [
        (LocalState.LANDED, TaskOutcome.LANDED, TaskReason.NONE),
        (LocalState.RESCUED, TaskOutcome.LANDED, TaskReason.NONE),
        (LocalState.ABSENT, TaskOutcome.DELIVERED, TaskReason.NOT_FETCHED),
        (LocalState.QUARANTINED, TaskOutcome.DELIVERED, TaskReason.QUARANTINED),
        (LocalState.REFUSED, TaskOutcome.DELIVERED, TaskReason.REFUSED),
        (LocalState.FAILED, TaskOutcome.DELIVERED, TaskReason.FETCH_FAILED),
        (LocalState.LOST, TaskOutcome.DELIVERED, TaskReason.FILE_LOST),
    ],
)
@pytest.mark.parametrize("state", ["success", "completed", "warning", "pending", "archived", None])
def test_a_delivered_result_is_judged_by_the_destination_whatever_its_state(
    local: LocalState, outcome: TaskOutcome, reason: TaskReason, state: str | None
) -> None:
    account = only(task(state=state), thing("x.json", UUID, local))
    assert (account.outcome, account.reason) == (outcome, reason)


def test_a_failure_stays_a_failure_whatever_was_delivered() -> None:
    for objects in ([], [thing("a.json", UUID)], [thing("a.json", UUID), thing("b.json", UUID)]):
        account = only(task(state="error"), *objects)
        assert account.outcome is TaskOutcome.FAILED_UPSTREAM
        assert account.task.error == "boom"
        assert not account.is_incomplete


@pytest.mark.parametrize(
    ("state", "reason"),
    [("pending", TaskReason.NONE), ("archived", TaskReason.UNKNOWN_STATE), (None, TaskReason.UNKNOWN_STATE)],
)
def test_what_has_not_ended_is_running(state: str | None, reason: TaskReason) -> None:
    account = only(task(state=state))
    assert (account.outcome, account.reason) == (TaskOutcome.RUNNING, reason)


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (timedelta(seconds=-30), TaskOutcome.ARRIVING),
        (timedelta(0), TaskOutcome.ARRIVING),
        (GRACE, TaskOutcome.ARRIVING),
        (GRACE + timedelta(seconds=1), TaskOutcome.MISSING),
    ],
)
def test_a_success_without_an_object_is_arriving_within_the_grace(age: timedelta, outcome: TaskOutcome) -> None:
    assert only(task(ended=NOW - age)).outcome is outcome


def test_a_success_that_states_no_time_is_missing() -> None:
    account = only(task(ended=None))
    assert (account.outcome, account.reason, account.expires_at) == (TaskOutcome.MISSING, TaskReason.END_UNKNOWN, None)
    assert account.rescuable


def test_two_objects_of_one_task_are_a_duplicate() -> None:
    account = only(task(), thing(f"{UUID}.json", UUID), thing(f"{UUID}.json.gz", UUID, LocalState.ABSENT))
    assert (account.outcome, account.reason, len(account.objects)) == (
        TaskOutcome.DUPLICATE,
        TaskReason.DELIVERED_TWICE,
        2,
    )
    assert not account.rescuable


def test_copies_that_all_landed_with_the_same_bytes_are_complete() -> None:
    same = [thing("a.json", UUID, digest="x"), thing("b.json", UUID, digest="x")]
    account = only(task(), *same)
    assert (account.outcome, account.reason, account.is_incomplete) == (
        TaskOutcome.DUPLICATE,
        TaskReason.IDENTICAL_COPIES,
        True,
    )
    for other in (thing("c.json", UUID, digest="y"), thing("c.json", UUID, LocalState.ABSENT)):
        account = only(task(), *same, other)
        assert (account.reason, account.is_incomplete) == (TaskReason.DELIVERED_TWICE, True)


def test_what_the_bucket_holds_now_and_what_is_valid_decides() -> None:
    now, before = thing("a.json", UUID, digest="x"), thing("b.json", UUID, digest="y", listed=False)
    assert only(task(), before, now).objects == (now,)
    broken = thing("c.json", UUID, LocalState.QUARANTINED)
    assert only(task(), broken, now).objects == (now,)
    rescued = thing("d.json", UUID, LocalState.RESCUED)
    assert only(task(), broken, rescued).objects == (rescued,)
    assert only(task(), broken).rescuable


def test_a_task_that_nimble_does_not_know_is_missing_unless_it_was_delivered() -> None:
    found = thing(f"{UUID}.json", UUID)
    result = match_tasks(
        [task(state=None), task(OTHER, None)], [found], now=NOW, grace=GRACE, unknown_ids={UUID, OTHER}
    )
    assert [(each.outcome, each.reason) for each in result.tasks] == [
        (TaskOutcome.LANDED, TaskReason.NONE),
        (TaskOutcome.MISSING, TaskReason.NOT_KNOWN),
    ]


def test_a_rescued_copy_gives_way_to_the_delivered_object() -> None:
    account = only(task(), thing("rescued", UUID, LocalState.RESCUED), thing(f"{UUID}.json", UUID, LocalState.ABSENT))
    assert (account.outcome, account.reason) == (TaskOutcome.DELIVERED, TaskReason.NOT_FETCHED)


def test_a_name_given_twice_keeps_one_result_and_loses_the_other() -> None:
    address = "s3://bucket/out/name.json"
    kept, lost = reconciled([task(to=address), task(OTHER, to=address)], [thing("name.json", UUID)]).tasks
    assert kept.outcome is TaskOutcome.LANDED
    assert (lost.outcome, lost.reason) == (TaskOutcome.DUPLICATE, TaskReason.NAME_COLLISION)
    assert lost.rescuable
    assert lost.objects == (thing("name.json", UUID),)


def test_a_key_that_holds_another_tasks_result_is_a_collision_and_not_unexpected() -> None:
    result = reconciled([task(to="s3://bucket/out/name.json")], [thing("name.json", "another-task")])
    assert result.tasks[0].reason is TaskReason.NAME_COLLISION
    assert result.unexpected == ()


def test_two_indistinguishable_binaries_are_a_collision_of_both() -> None:
    address = "s3://bucket/out/name.png"
    result = reconciled([task(to=address), task(OTHER, to=address)], [thing("name.png")])
    assert result.counts[TaskOutcome.DUPLICATE] == 2


def test_a_binary_belongs_to_the_one_that_did_not_fail() -> None:
    address = "s3://bucket/out/name.png"
    failed, able = reconciled([task(state="error", to=address), task(OTHER, to=address)], [thing("name.png")]).tasks
    assert (failed.outcome, able.outcome) == (TaskOutcome.FAILED_UPSTREAM, TaskOutcome.LANDED)


def test_a_rescued_loser_of_a_collision_has_landed() -> None:
    address = "s3://bucket/out/name.json"
    objects = [thing("name.json", UUID), thing("rescued", OTHER, LocalState.RESCUED)]
    result = reconciled([task(to=address), task(OTHER, to=address)], objects)
    assert result.counts[TaskOutcome.LANDED] == 2


# ---- the whole


def test_the_first_expiry_of_rescuable_results_is_reported() -> None:
    late, early = NOW - timedelta(hours=1), NOW - timedelta(hours=20)
    result = reconciled(
        [task("a", ended=late), task("b", ended=early), task("c", ended=NOW - timedelta(days=3))], [thing("x", "c")]
    )
    assert result.expires_at == early + timedelta(hours=24)
    assert reconciled([task("c")], [thing("x", "c")]).expires_at is None


def test_a_task_listed_twice_counts_once_and_the_last_entry_wins() -> None:
    result = reconciled([task(state="pending"), task(state="error")], [])
    assert (result.expected, result.tasks[0].outcome) == (1, TaskOutcome.FAILED_UPSTREAM)


ids = st.sampled_from([UUID, OTHER, "task-1", "task-1-2", "a", "b", "c"])
names = st.one_of(ids, st.text("ab-_./c1", max_size=12)).flatmap(
    lambda stem: st.sampled_from([f"{stem}.json", f"{stem}.json.gz", f"name-{stem}.json", stem])
)
expected_tasks = st.lists(
    st.builds(
        Task,
        ids,
        st.sampled_from(["success", "error", "pending", "WARNING", "archived", None]),
        modified_at=st.none() | st.sampled_from([NOW, LONG_AGO, NOW + timedelta(days=1)]),
        output_url=st.none() | st.builds(lambda name: f"s3://bucket/out/{name}", names),
    ),
    max_size=12,
)
deliveries = st.lists(
    st.builds(
        thing,
        names,
        st.none() | ids | st.just("another-id"),
        st.sampled_from(LocalState),
        st.none() | st.sampled_from("xy"),
        st.booleans(),
    ),
    max_size=12,
)


@given(expected_tasks, deliveries)
def test_every_expected_task_has_exactly_one_outcome(expected: list[Task], objects: list[DeliveredObject]) -> None:
    result = reconciled(expected, objects)
    assert [account.task.id for account in result.tasks] == list(dict.fromkeys(each.id for each in expected))
    assert sum(result.counts.values()) == result.expected == len({each.id for each in expected})
    assert set(result.counts) == set(TaskOutcome)
    # Each object carries the result of one task at most, or is at its name, or is unexpected.
    carried = Counter(
        id(found)
        for account in result.tasks
        if account.reason is not TaskReason.NAME_COLLISION
        for found in account.objects
    )
    assert all(times == 1 for times in carried.values())
    assert not {id(found) for found in result.unexpected} & set(carried)
    for account in result.tasks:
        state = account.task.state
        assert (account.outcome is TaskOutcome.FAILED_UPSTREAM) == (state is TaskState.FAILED)
        if account.outcome in {TaskOutcome.ARRIVING, TaskOutcome.MISSING}:
            assert state in {TaskState.SUCCEEDED, TaskState.PARTIAL}
            assert account.objects == ()
        if account.outcome is TaskOutcome.LANDED:
            assert len(account.objects) == 1
            assert account.objects[0].landed
        assert account.is_incomplete or not account.rescuable


@given(expected_tasks, deliveries)
def test_the_order_of_the_objects_does_not_matter(expected: list[Task], objects: list[DeliveredObject]) -> None:
    forwards, backwards = reconciled(expected, objects), reconciled(expected, objects[::-1])
    assert [account.outcome for account in forwards.tasks] == [account.outcome for account in backwards.tasks]
    assert forwards.expires_at == backwards.expires_at


@given(expected_tasks, deliveries)
def test_more_grace_turns_missing_into_arriving_and_changes_nothing_else(
    expected: list[Task], objects: list[DeliveredObject]
) -> None:
    strict = match_tasks(expected, objects, now=NOW, grace=timedelta(0))
    lenient = match_tasks(expected, objects, now=NOW, grace=timedelta(days=9))
    for before, after in zip(strict.tasks, lenient.tasks, strict=True):
        if before.outcome is not after.outcome:
            assert before.outcome in {TaskOutcome.MISSING, TaskOutcome.DUPLICATE}
            assert after.outcome is TaskOutcome.ARRIVING
