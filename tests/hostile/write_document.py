"""Write docs/reference/hostile-input.md from the test tables: ``python -m tests.hostile.write_document``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.hostile.answer_cases import ANSWER_SURROUNDINGS, LISTING_SURROUNDINGS, MACHINE_SURROUNDINGS
from tests.hostile.event_cases import EVENT_SURROUNDINGS, MESSAGES, WEBHOOKS
from tests.hostile.fault_cases import FAULTS, OPTIONS, FaultCase
from tests.hostile.key_cases import HOSTILE_KEYS, HostileObject
from tests.hostile.payload_cases import HOSTILE_PAYLOADS, HostilePayload
from tests.hostile.state_cases import STATE_SURROUNDINGS
from tests.hostile.surrounding_cases import SURROUNDINGS

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "hostile-input.md"

_HEAD = """# Hostile input

Faults of buckets, networks, disks and power, and the one outcome of each. This file is generated from the tables of
the tests, by `python -m tests.hostile.write_document`; a test fails when it is not current.
"""

_KEYS = """## Keys

Every object lands with its bytes intact, once, and inside DEST: under its own path where that is safe and no other
object has it, else under its safe name, `_keys/<SHA-256 of the key below the prefix>` with the key's own suffix; the
manifest knows the key. `--unsafe-names refuse` refuses exactly those, with the reason. Where two objects would have one
path, the one that has it keeps it, else the smaller key in bytes gets it. On a file system that folds case or
Unicode normalization, names that differ by those alone are such a pair. The same objects from `s3://`,
`gs://` and `file://` become the same tree.
"""

_PAYLOADS = """## Bodies

What is no valid result is kept as it was delivered in `DEST/.nimble-harvester/quarantine/` and reported, exit 3. A
broken row does not hold its file back.
"""

_FAULTS = """## One object's faults

All of these are met in one run, each by one object, with `{options}`; that run exits 3, and every other object lands.
The next run without the fault lands the rest and exits 0.
"""

_LISTINGS = """## Listings

S3 and Google Cloud Storage list in byte order of the key, below the prefix that was asked for. Every page is checked
for that before anything is planned from it.
"""

_ANSWERS = """## Answers with objects

What one object's answers do ends no other object.
"""

_MACHINES = """## Machines and connections
"""

_EVENTS = """## Events, webhooks and the API

A message is deleted when all it announces is settled, or when it is known to announce nothing. All others are left: the
queue delivers them again, and in the end to its dead-letter queue. A message only names an object: size and version are
those of the store.
"""

_WEBHOOKS = """A webhook is not signed: only its task id is used, to ask Nimble's API about the task.
"""

_STATE = """## The state of a destination
"""

_SURROUNDINGS = """## What happens to a whole run
"""

_SOAK = """The soak ends a sync of 2,000 objects at random instants, two hundred times, in each of those ways, and
checks all of that each time: `./scripts/soak`, or `./scripts/soak --quick` for a minute of it. `--seed` repeats its
choices.
"""


def render() -> str:
    """Return the document."""
    parts = [
        _HEAD,
        _KEYS,
        _table(("case", "key", "outcome", "with `refuse`"), _key_rows()),
        _PAYLOADS,
        _table(("case", "outcome"), ((_text(payload.name), _payload_outcome(payload)) for payload in HOSTILE_PAYLOADS)),
        _FAULTS.format(options=" ".join(OPTIONS)),
        _table(("case", "outcome", "most GETs"), ((_text(case.name), _fate(case), str(case.gets)) for case in FAULTS)),
        _LISTINGS,
        _table(("case", "outcome"), ((case.name, case.outcome) for case in LISTING_SURROUNDINGS)),
        _ANSWERS,
        _table(("case", "outcome"), ((case.name, case.outcome) for case in ANSWER_SURROUNDINGS)),
        _EVENTS,
        _table(("message", "outcome"), ((_text(case.name), case.outcome) for case in MESSAGES)),
        _WEBHOOKS,
        _table(("webhook", "status"), ((_text(case.name), str(case.status)) for case in WEBHOOKS)),
        _table(("case", "outcome"), ((case.name, case.outcome) for case in EVENT_SURROUNDINGS)),
        _MACHINES,
        _table(("case", "outcome"), ((case.name, case.outcome) for case in MACHINE_SURROUNDINGS)),
        _STATE,
        _table(("case", "outcome"), ((case.name, case.outcome) for case in STATE_SURROUNDINGS)),
        _SURROUNDINGS,
        _table(("case", "outcome"), ((case.name, case.outcome) for case in SURROUNDINGS)),
        _SOAK,
    ]
    return "\n".join(parts)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _key_rows() -> Iterable[Sequence[str]]:
    for case in HOSTILE_KEYS:
        for number, found in enumerate(case.objects):
            yield (case.name if number == 0 else "", _code(found.key), _key_outcome(found), _refusal(found))


def _key_outcome(found: HostileObject) -> str:
    match found.fate:
        case "ignored":
            return f"ignored: `{found.detail}`"
        case "safe":
            return f"`_keys/…{found.detail}`"
        case _:
            printed = "own path" if found.path == found.key else f"own path {_code(found.path)}"
            return f"{printed}, where {found.fold} is distinguished" if found.fold else printed


def _refusal(found: HostileObject) -> str:
    if found.fate == "safe":
        return f"refused: `{found.reason}`"
    return "" if found.fate == "own" else "ignored"


def _payload_outcome(payload: HostilePayload) -> str:
    shape = f" as {payload.shape.value}" if payload.shape is not None else ""
    reason = f": `{payload.reason.value}`" if payload.reason is not None else ""
    return f"{payload.outcome}{shape}{reason}"


def _fate(case: FaultCase) -> str:
    return case.outcome if not case.reason else f"{case.outcome}: `{case.reason}`"


def _code(key: str) -> str:
    """Return a key as people can read it: runs shortened, what cannot be seen escaped."""
    shown = re.sub(r"(.)\1{20,}", lambda run: f"{run[1]}⟨×{len(run[0])}⟩", key)
    shown = re.sub(r"((?:[^/]+/))\1{3,}", lambda run: f"⟨{run[1]}×{len(run[0]) // len(run[1])}⟩", shown)
    shown = re.sub(r"[0-9a-f]{64}", lambda digest: f"{digest[0][:8]}…", shown)
    visible = "".join(
        letter if letter.isprintable() and ord(letter) != 0x0301 else letter.encode("unicode_escape").decode()
        for letter in shown
    )
    fence = "``" if "`" in visible else "`"
    padding = " " if fence == "``" or not visible or visible != visible.strip() else ""
    return f"{fence}{padding}{_text(visible)}{padding}{fence}" if visible else "(nothing)"


def _text(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the document."""
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
