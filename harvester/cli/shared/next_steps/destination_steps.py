"""What to do after an error of a destination, an export, or a file that is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.step_values import CHECK_DISK, RUN_AGAIN, StepText, StepValues
from harvester.error_codes import ErrorCode

_OTHER_DESTINATION = "choose another destination"
_UPGRADE = "pip install --upgrade nimble-harvester"


def _compression(values: StepValues) -> str:
    kept = "with" if values.get("keep_compressed") else "without"
    return f"run {kept} --keep-compressed, or use another destination"


_C = ErrorCode
DESTINATION_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {
        _C.DESTINATION_LOCKED: "wait for it to end, or stop that process",
        _C.INTERRUPTED: f"{RUN_AGAIN} to continue",
        _C.NEVER_SYNCED: "nimble-harvester sync LOCATION {subject}",
        _C.DESTINATION_OF_ANOTHER_LOCATION: "give every source a separate destination",
        _C.DESTINATION_INSIDE_ANOTHER: (
            "choose a destination beside it; if {outer} became one by mistake, remove {state}"
        ),
        _C.LOCATION_OUTSIDE_SOURCE: "name a folder of {location}",
        _C.DESTINATION_INSIDE_SOURCE: "choose a destination outside the source",
        _C.DESTINATION_FULL: ("free some space, e.g. nimble-harvester evict {subject} --older-than 7d, and run again"),
        _C.DESTINATION_READ_ONLY: _OTHER_DESTINATION,
        _C.DESTINATION_NOT_A_DIRECTORY: _OTHER_DESTINATION,
        _C.DESTINATION_DENIED: "check its owner and mode",
        _C.DESTINATION_STILL_WRITTEN: (
            f"end the processes named harvester.transfer.workers.worker_process, then {RUN_AGAIN}"
        ),
        _C.COMPRESSION_DIFFERS: _compression,
        _C.DISK_FULL: "free some space and run again",
        _C.MANIFEST_NOT_WRITTEN: CHECK_DISK,
        _C.STATE_NEEDS_LOCAL_DISK: "keep the state on a local disk: add --state-dir DIR",
        _C.MANIFEST_UNREADABLE: (
            "move {subject} away and sync again: files that are still right are fetched once more"
        ),
        _C.STATE_FROM_NEWER_VERSION: _UPGRADE,
        _C.NAMES_NOT_UTF8: "export PYTHONUTF8=1",
        _C.CURRENT_DIRECTORY_GONE: "cd to a directory that exists",
        _C.HOME_DIRECTORY_UNKNOWN: "name a directory with --backup-dir DIR, or set HOME",
        _C.STATE_IS_A_LINK: "remove the link; to keep the state elsewhere use --state-dir",
        _C.RESCUED_FOLDER_OCCUPIED: f"move {{folder}} away, and {RUN_AGAIN}",
        _C.FILE_NOT_REMOVED: f"inspect {{subject}}, then {RUN_AGAIN}",
        _C.FILES_DAMAGED: "nimble-harvester verify {dest}   (then sync again)",
        _C.RUN_NOT_PROVED: f"{RUN_AGAIN}; where it repeats, report it with the output of nimble-harvester verify",
        _C.MANIFEST_EMPTY: (
            "restore {subject} from a backup, or remove it and sync again: every object is fetched once more, and "
            "consumers read every row again"
        ),
        _C.MANIFEST_PATH_OUTSIDE: "restore the manifest from a backup, or move it away and sync again",
        _C.STATE_FILE_REFUSED: f"remove {{subject}}, then {RUN_AGAIN}",
        _C.STATE_OF_ANOTHER_DESTINATION: "give each destination a separate --state-dir",
        _C.DESTINATION_ID_INVALID: "restore it from a backup, or move it and the manifest away and sync again",
        _C.FOREIGN_POSITION: "nimble-harvester cat {subject} --after {shared} --meta",
        _C.NOT_A_POSITION: "nimble-harvester cat DEST --after 0 --meta   (each line has its position)",
        _C.NO_SUCH_CONSUMER: "nimble-harvester consumers create {subject} NAME",
        _C.CONSUMER_EXISTS: "nimble-harvester consumers rewind {subject} {name} 0   (or forget it, and create it anew)",
        _C.NOTHING_TO_EVICT: ("nimble-harvester evict {subject} --older-than 7d, or --consumed, or --through POSITION"),
        _C.NO_SUCH_PROBLEM: "nimble-harvester problems list {subject}",
        _C.NO_PROBLEM_CHOSEN: "name KEY…, or --reason REASON",
        _C.NO_SUCH_RUN: "nimble-harvester status DEST",
        _C.PROFILE_INVALID: "remove {subject}, and accept a profile again",
        _C.COLUMNS_INVALID: 'for example [{{"name": "price", "pointer": "/data/parsing/price", "type": "float64"}}]',
        _C.EXPORT_DAMAGED: "restore the files of the output from a backup, or export to another --to",
        _C.EXPORT_BEHIND_EVICTED: (
            "export with --after-restore to go on without the evicted rows, or sync them into another destination"
        ),
        _C.EXPORT_NOT_EMPTY: "leave --from out, or name another --to",
        _C.EXPORT_OF_ANOTHER_DESTINATION: "give every destination a separate output",
        _C.EXPORT_OF_ANOTHER_LAYOUT: "name another --to",
        _C.EXPORT_OUTPUT_UNSUPPORTED: "name a directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX",
        _C.EXPORT_FORMAT_UNSUPPORTED: "choose parquet or jsonl, or nimble-harvester export DEST --to OUT --as delta",
        _C.EXPORT_OUTPUT_OVERLAPS: "name a --to outside of DEST and of its location",
        _C.EXPORT_SERIES_INVALID: "name it in lower-case letters, digits and hyphens",
        _C.EXPORT_COLUMN_REQUIRED: "nimble-harvester export DEST --to OUT --drop html,markdown",
        _C.SCHEMA_INVALID: "correct it; nimble-harvester schema extract shows one",
        _C.SCHEMA_NOT_JSON: "correct the file",
        _C.SCHEMA_REFERENCE_UNRESOLVED: "put what it refers to under $defs",
        _C.TASK_FILE_INVALID: "give task ids, one a line, or the answers to submitting them, as JSON or JSON Lines",
        _C.NO_CONFIG_FILE: "nimble-harvester --config FILE run   (or set NIMBLE_HARVESTER_CONFIG)",
        _C.CONFIG_FILE_INVALID: "correct it, then: nimble-harvester --config {subject} config check",
        _C.CONFIG_FILE_UNSAFE: "chmod go-w {subject}   (and let it belong to you or to root)",
        _C.OUTPUT_NOT_WRITTEN: f"free some space, or send it elsewhere, then {RUN_AGAIN}",
        _C.REPORT_NOT_WRITTEN: "choose another file, in a folder that exists",
        _C.REPORT_TOO_LONG: "write a report of up to {most} destinations, and another of the rest",
    }
)
"""What to do after an error of a destination, an export, or a file that is read or written."""
