"""Listings, answers with objects and machines that break a store's contract: a test each."""

from __future__ import annotations

from tests.hostile.surrounding_cases import Surrounding

_LISTINGS = "tests/e2e/hostile/test_hostile_listings.py::test_"
_MACHINES = "tests/e2e/machines/test_unusual_machines.py::test_"
_SETTINGS = "tests/e2e/machines/test_machine_settings.py::test_"
_ANSWERS = "tests/e2e/hostile/test_hostile_answers.py::test_"
_BODIES = "tests/contract/test_hostile_answers.py::test_"
_PARSERS = "tests/unit/storage/test_protocols.py::test_"
_SESSIONS = "tests/contract/test_sessions.py::test_"

LISTING_SURROUNDINGS = (
    Surrounding(
        "keys in another order than that of their bytes, or a key twice",
        "reported once; listed again in one sequence and sorted on disk; every object lands and counts once",
        _LISTINGS + "a_store_without_order_is_listed_again_and_loses_nothing",
    ),
    Surrounding(
        "order that is lost after objects have landed",
        "the same; what has landed is not fetched again",
        _LISTINGS + "order_that_is_lost_after_objects_have_landed_counts_each_object_once",
    ),
    Surrounding(
        "keys outside the prefix beside keys below it",
        "each is refused: `outside_prefix`; the others land; exit 3",
        _LISTINGS + "keys_outside_the_prefix_are_refused_and_the_others_land",
    ),
    Surrounding("a page with no key below the prefix", "exit 6", _LISTINGS + "a_listing_of_another_prefix_is_refused"),
    Surrounding(
        "the same continuation token, or the same page, again and again",
        "exit 6 at the second one",
        _LISTINGS + "a_listing_without_progress_ends",
    ),
    Surrounding(
        "a length over 63 bits, negative, or no number",
        "that entry is refused: `invalid_size`; the others land; exit 3",
        _LISTINGS + "a_size_over_63_bits_is_refused_and_the_others_land",
    ),
    Surrounding(
        "truncated without a token, as by list version 1",
        "continued by `start-after` and `marker`; all land",
        _LISTINGS + "a_store_that_gives_no_token_is_continued_after_the_last_key",
    ),
    Surrounding(
        "a page longer than `--max-list-bytes` (16 MiB)", "exit 6", _LISTINGS + "an_endless_list_page_is_cut_off"
    ),
    Surrounding(
        "a document type, entities, another encoding, HTML",
        "exit 6: no list page",
        _PARSERS + "what_is_no_list_page_is_refused",
    ),
    Surrounding(
        "a time that cannot be read",
        "counts as absent: no filter by time leaves the object out",
        _PARSERS + "a_time_that_cannot_be_read_counts_as_absent",
    ),
)

ANSWER_SURROUNDINGS = (
    Surrounding(
        "the rest of a broken transfer with another ETag, total or range",
        "never appended: the object starts again",
        _BODIES + "the_rest_of_another_version_is_never_appended",
    ),
    Surrounding(
        "a broken transfer without ETag, or with a weak one",
        "starts again",
        _BODIES + "without_a_strong_validator_a_body_starts_again",
    ),
    Surrounding(
        "no ETag on GET",
        "lands when its length is the listed one; reported once",
        _ANSWERS + "a_store_without_etags_lands_by_length_and_reports_it_once",
    ),
    Surrounding(
        "ETags of 32 hexadecimal digits that are no MD5",
        "diagnosed for the store, exit 7; `--accept etag-not-md5` lands them",
        _ANSWERS + "a_store_of_other_etags_is_diagnosed_and_the_option_lands_everything",
    ),
    Surrounding(
        "a checksum, time or Retry-After that cannot be read",
        "counts as absent; reported once with the number of objects",
        _ANSWERS + "headers_that_cannot_be_read_count_as_absent_and_are_named",
    ),
    Surrounding(
        "headers that cannot be read, error bodies in foreign encodings, control characters",
        "that object fails; every other lands",
        _ANSWERS + "one_answer_fails_one_object",
    ),
    Surrounding(
        "any status, headers and body for one object",
        "the others land",
        _BODIES + "no_answer_for_one_object_harms_another",
    ),
    Surrounding(
        "a body without a length and without an end",
        "fails at twice the listed length and 16 MiB; nothing is left on the disk",
        _BODIES + "an_answer_without_a_length_does_not_fill_the_disk",
    ),
    Surrounding(
        "an error body longer than `--max-error-bytes` (256 KiB)",
        "no document: the status decides",
        _BODIES + "an_error_body_is_limited_and_one_just_below_the_limit_is_read",
    ),
    Surrounding(
        "an object encrypted with a customer's key (SSE-C)",
        "failed: `sse_c`, not retried",
        _ANSWERS + "an_object_with_a_customers_key_has_a_cause_of_its_own",
    ),
    Surrounding(
        "secrets of the request in an error message", "masked", _ANSWERS + "secrets_that_a_store_echoes_are_masked"
    ),
)

MACHINE_SURROUNDINGS = (
    Surrounding(
        "a proxy that asks for a login, for http and https",
        "exit 8 naming the variables",
        _ANSWERS + "a_proxy_that_asks_for_a_login_is_named",
    ),
    Surrounding(
        "the same for calls of `explain`, `test` and `policy apply`, on S3 and Google Cloud Storage",
        "exit 8 naming the variables",
        _ANSWERS + "a_proxy_that_asks_for_a_login_is_named_by_calls_of_sdks",
    ),
    Surrounding(
        "`NO_PROXY` with names, ports, addresses and networks",
        "read as curl and requests read it",
        _SETTINGS + "what_no_proxy_names_is_reached_directly",
    ),
    Surrounding(
        "`AWS_CA_BUNDLE` or `REQUESTS_CA_BUNDLE` names a directory, hashed or not",
        "its certificates are trusted by every client; without one, exit 8 naming the directory",
        _SETTINGS + "a_directory_of_certificates_is_trusted",
    ),
    Surrounding(
        "64 or 256 open files at most, by the soft limit or by both",
        "all land, over fewer connections",
        _ANSWERS + "few_open_files_bound_the_connections",
    ),
    Surrounding(
        "a line end in an `AWS_*` or `GOOGLE_*` variable",
        "exit 8 naming the variable",
        _SESSIONS + "a_control_character_in_a_variable_is_refused_by_its_name",
    ),
    Surrounding(
        "keys in the environment beside a profile with a second factor",
        "the keys are used, as by the AWS CLI",
        _SETTINGS + "keys_in_the_environment_go_before_a_profile_with_a_second_factor",
    ),
    Surrounding(
        "an access point's ARN as a location",
        "exit 2 naming the alias",
        _SETTINGS + "an_access_points_arn_is_answered_with_its_alias",
    ),
    Surrounding(
        "no `HOME`",
        "every bucket is reached",
        _MACHINES + "without_a_home_a_bucket_is_reached",
    ),
    Surrounding(
        "no `HOME` and no entry in the password file, for `policy apply`",
        "exit 8 naming `--backup-dir`",
        _SETTINGS + "a_user_without_an_entry_has_to_name_the_directory_of_backups",
    ),
    Surrounding(
        "the locale C, POSIX or one of ISO-8859-1",
        "names are written, and printed into files and pipes, in UTF-8; the next run in another locale finds them",
        "tests/e2e/machines/test_locales.py::test_names_are_printed_and_written_in_utf8",
    ),
    Surrounding(
        "a folder of DEST is another file system",
        "its objects land under their safe names",
        _MACHINES + "objects_of_a_folder_that_is_another_file_system_land_under_their_safe_names",
    ),
    Surrounding(
        "DEST is on a file system without shared memory maps",
        "the state is kept without them; every command works",
        _MACHINES + "state_is_kept_where_no_memory_can_be_shared",
    ),
    Surrounding(
        "DEST is on a file system without locks",
        "exit 12 naming `--state-dir`, with which it works",
        _MACHINES + "where_there_are_no_locks_the_state_is_locked_alone",
    ),
    Surrounding(
        "DEST or `--state-dir` starts with `//`",
        "as with one slash",
        _MACHINES + "a_path_with_two_slashes_at_its_start_is_that_with_one",
    ),
    Surrounding(
        "the current directory was removed",
        "exit 12 where a path is relative to it",
        _MACHINES + "a_current_directory_that_was_removed_is_one_clear_error",
    ),
    Surrounding(
        "standard input, output or error is closed",
        "nothing is written into another file; a command that prints data exits 12, one that has to ask 13",
        "tests/e2e/machines/test_streams.py::test_closed_streams_are_no_files_to_write_into",
    ),
    Surrounding(
        "any umask",
        "files of every size have the permissions that it leaves",
        _MACHINES + "files_of_every_size_have_the_permissions_that_umask_leaves",
    ),
    Surrounding(
        "SIGHUP",
        "the state is saved, exit 129; ignored under `nohup`",
        "tests/e2e/sync/test_sync_interrupted.py::test_a_signal_ends_the_run_with_its_state_saved",
    ),
    Surrounding(
        "a folder, or the reserve file of a run that was killed, in `DEST/.nimble-harvester/tmp/`",
        "removed by the next run",
        _MACHINES + "what_a_killed_run_left_among_temporary_files_is_removed",
    ),
)
