"""What may have become of the state of a destination between two commands, and what becomes of the next one."""

from __future__ import annotations

from tests.hostile.surrounding_cases import Surrounding

_STATE = "tests/e2e/rows/test_destination_state.py::test_"
_REFUSALS = "tests/e2e/sync/test_sync_refusals.py::test_"

STATE_SURROUNDINGS = (
    Surrounding(
        "a row of the manifest names a path outside DEST",
        "exit 7, for `sync`, `cat`, `verify` and `evict`; nothing outside is read, written or removed",
        _STATE + "a_recorded_path_outside_is_an_integrity_error",
    ),
    Surrounding(
        "the manifest is empty",
        "exit 7; exit 8, never synced, only where nothing else is left of the state",
        _STATE + "an_emptied_manifest_is_damage_and_one_never_made_is_not",
    ),
    Surrounding("the manifest is no database", "exit 7", _REFUSALS + "a_manifest_that_is_none"),
    Surrounding("the manifest is of a newer version", "exit 8", _REFUSALS + "a_newer_state"),
    Surrounding(
        "`--state-dir` holds the state of another destination",
        "exit 2 naming that destination",
        _STATE + "one_state_for_two_destinations_is_refused",
    ),
    Surrounding(
        "DEST was emptied, its state is elsewhere",
        "every object is fetched again",
        _STATE + "an_empty_destination_at_its_place_is_fetched_again",
    ),
    Surrounding(
        "a file of the state is a FIFO, a link, or has a second name",
        "exit 12; the file behind it is not changed",
        _STATE + "state_is_opened_in_plain_files_only",
    ),
    Surrounding(
        "a landed file is missing, altered, or a link",
        "named by `verify`, exit 7",
        "tests/e2e/rows/test_read_back.py::test_every_mark_of_verify",
    ),
)
