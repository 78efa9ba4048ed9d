"""Cases that are a test each, and their outcomes: what the tables of keys, bodies and faults cannot hold."""

from __future__ import annotations

from typing import NamedTuple


class Surrounding(NamedTuple):
    """One case."""

    name: str
    """What happens."""
    outcome: str
    """What becomes of the run."""
    test: str
    """The test that shows it, as a pytest node id."""


_FAULTS = "tests/e2e/sync/test_faults.py::test_"
_OBJECT_FAULTS = "tests/e2e/sync/test_object_faults.py::test_"
_WORKERS = "tests/e2e/sync/test_worker_limits.py::test_"
_LINKS = "tests/e2e/sync/test_links.py::test_"
_NAMES = "tests/e2e/hostile/test_hostile_keys.py::test_"
_KILLS = "tests/e2e/sync/test_kills.py::test_"
_RIGHT = "the next run ends in the tree of an undisturbed one; `verify` finds no difference; no number is given twice"

SURROUNDINGS = (
    Surrounding(
        "any mixture of good objects with damaged and hostile ones of every format, under any name",
        "the good ones land whole; each of the others has one outcome, recorded; what landed can be read",
        "tests/contract/test_hostile_files.py::test_no_file_harms_another",
    ),
    Surrounding(
        "an object ends its worker by a fault in native code",
        "it is tried once more alone, then quarantined undecoded: `worker_crashed`; all others land",
        "tests/unit/transfer/test_worker_pool.py"
        "::test_an_object_that_ends_its_worker_by_a_fault_also_alone_is_quarantined_undecoded",
    ),
    Surrounding(
        "decoding an object takes longer than `--decode-timeout`",
        "it is tried once more alone, then quarantined undecoded: `time_exceeded`; all others land",
        _WORKERS + "an_object_that_stalls_its_worker_is_quarantined_alone",
    ),
    Surrounding(
        "decoding an object takes more than `--max-worker-memory`",
        "the same: `memory_exceeded`",
        _WORKERS + "an_object_that_fills_memory_is_quarantined_alone",
    ),
    Surrounding(
        "decoding an object takes more memory than the system gives to a process",
        "the same: `memory_exceeded`",
        _WORKERS + "an_object_that_the_system_gives_no_memory_for_is_quarantined_alone",
    ),
    Surrounding(
        "a worker is killed",
        "what it held is tried object by object, and lands",
        "tests/unit/transfer/test_worker_pool.py::test_what_a_worker_held_when_it_died_is_done_by_others",
    ),
    Surrounding(
        "three workers are killed that held one object alone",
        "that object fails: `internal_error`; all others land",
        "tests/unit/transfer/test_worker_pool.py::test_an_object_that_kills_every_worker_fails_and_no_other_does",
    ),
    Surrounding(
        "DEST holds links to elsewhere where folders are needed, or foreign folders where objects are",
        "what lies behind them lands under its safe name; a link in an object's own place is replaced",
        _LINKS + "what_lies_behind_a_link_lands_under_its_safe_name",
    ),
    Surrounding(
        "the same with `--unsafe-names refuse`",
        "refused, exit 3: `path_obstructed`",
        _LINKS + "refuse_refuses_what_lies_behind_a_link",
    ),
    Surrounding(
        "`DEST/_keys` is a link",
        "what needs a safe name is refused, exit 3: `path_obstructed`; all others land",
        _LINKS + "a_link_in_place_of_the_safe_names_bars_only_what_needs_one",
    ),
    Surrounding(
        "the state folder, or a part of it, is a link",
        "exit 12 before anything is written",
        _LINKS + "state_behind_a_link_is_refused_before_anything_is_written",
    ),
    Surrounding(
        "a folder with landed files is moved elsewhere, and a link left in its place",
        "what lay in it is missing to `sync`, `verify` and `cat`, and lands again under its safe name; `evict` leaves"
        " what lies behind the link alone",
        "tests/e2e/rows/test_read_back.py::test_what_lies_behind_a_link_is_not_in_the_destination",
    ),
    Surrounding(
        "DEST is on a file system that folds case and refuses characters (exFAT), or folds case and normal forms",
        "every object lands, those it folds or cannot store under their safe names; with `--unsafe-names refuse`"
        " exactly those are refused, exit 3: `path_collision`, `path_obstructed`",
        _NAMES + "on_a_file_system_that_folds_or_refuses_names_every_object_lands",
    ),
    Surrounding(
        "DEST itself is a link",
        "the folder it leads to is the destination",
        _LINKS + "a_destination_may_itself_be_given_by_a_link",
    ),
    Surrounding(
        "a folder is moved away in mid-run and a link left in its place",
        "nothing more is written there; what follows lands under its safe name",
        _LINKS + "a_link_put_in_while_a_run_works_is_not_followed",
    ),
    Surrounding(
        "an object is deleted between listing and fetch",
        "failed, exit 3: `gone`",
        _OBJECT_FAULTS + "what_changes_between_listing_and_fetch",
    ),
    Surrounding(
        "an object is replaced between listing and fetch",
        "the newer version lands, and is current in the next run",
        _OBJECT_FAULTS + "what_changes_between_listing_and_fetch",
    ),
    Surrounding(
        "an object belongs to another account than the bucket",
        "failed, exit 3: `other_owner`, with that owner's canonical id",
        _OBJECT_FAULTS + "an_object_of_another_account_is_distinguished",
    ),
    Surrounding(
        "the bytes are not those of the CRC32C or MD5 that GCS states",
        "failed, exit 3: `integrity`",
        _OBJECT_FAULTS + "what_google_states_of_an_object_is_verified",
    ),
    Surrounding(
        "the first hundred fetches all fail for one cause",
        "the run stops with that cause's exit code (denied: 4); the rest is `not_attempted`",
        _FAULTS + "a_run_that_only_fails_stops",
    ),
    Surrounding(
        "content of more than 8 GiB after inflating: a gzip bomb by size",
        "quarantined, exit 3: `too_large`; all others land",
        "tests/e2e/hostile/test_hostile_payloads.py::test_a_bomb_by_size_is_quarantined_as_it_was_delivered",
    ),
    Surrounding(
        "an object's body drips for ever, too fast to count as stalled",
        "failed, exit 3: `timeout`, 15 minutes after its first request and a second more for each KiB listed",
        _FAULTS + "a_body_that_drips_for_ever_is_given_up",
    ),
    Surrounding(
        "the endpoint dies and comes back within the retries",
        "every object lands, exit 0",
        _FAULTS + "an_endpoint_that_dies_and_comes_back_costs_time_only",
    ),
    Surrounding(
        "the endpoint fails for good in mid-run",
        "exit 6; the rest is `not_attempted`; the next run goes on from there",
        _FAULTS + "an_endpoint_that_dies_for_good_ends_the_run_and_the_next_one_goes_on",
    ),
    Surrounding(
        "credentials expire in mid-run",
        "renewed once, by the parent, through the SDK's own chain; every object lands",
        _FAULTS + "credentials_that_expire_in_mid_run_are_renewed_once_by_the_parent",
    ),
    Surrounding(
        "credentials need a second factor",
        "it is asked for once, by the parent",
        _FAULTS + "a_second_factor_is_asked_for_once_in_the_parent",
    ),
    Surrounding(
        "a login expires in mid-run and cannot be renewed",
        "exit 8; the rest is `not_attempted`",
        _FAULTS + "a_login_that_cannot_be_renewed_ends_the_run",
    ),
    Surrounding(
        "the disk is full, or out of inodes",
        "exit 12 with the numbers; what landed is recorded and stays; the next run fetches the rest only",
        _FAULTS + "a_full_disk_ends_the_run_and_what_landed_stays",
    ),
    Surrounding(
        "the disk is full, and `evict` is run as the error advises",
        "it frees the disk; the next run goes on",
        _FAULTS + "eviction_frees_space_on_a_full_disk",
    ),
    Surrounding(
        "a file's name at a `file://` source is no text",
        "refused, exit 3: `name_not_utf8`; all others land",
        "tests/e2e/hostile/test_hostile_keys.py::test_a_file_name_that_is_no_text_is_refused_and_reported",
    ),
    Surrounding(
        "DEST is read-only",
        "exit 12 before anything is fetched",
        _FAULTS + "a_read_only_destination_is_reported_before_anything_is_fetched",
    ),
    Surrounding("`kill -9` of the run", _RIGHT, _KILLS + "the_next_run_makes_it_right"),
    Surrounding(
        "`kill -9` of a worker",
        "another takes its work over: the run itself ends in the tree of an undisturbed one",
        _KILLS + "the_next_run_makes_it_right",
    ),
    Surrounding("`kill -9` of the process group", _RIGHT, _KILLS + "the_next_run_makes_it_right"),
    Surrounding("SIGINT or SIGTERM, to the run or to the group", _RIGHT, _KILLS + "the_next_run_makes_it_right"),
    Surrounding(
        "the power fails: what was landed since the last durable barrier is cut off, zeroed or gone, and the manifest"
        " is an earlier one",
        _RIGHT,
        _KILLS + "the_next_run_makes_it_right",
    ),
    Surrounding(
        "a user's schema refers to a document elsewhere",
        "it is never fetched: exit 2",
        "tests/e2e/hostile/test_hostile_payloads.py::test_a_remote_reference_in_a_schema_is_never_fetched",
    ),
)
