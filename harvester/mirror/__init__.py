"""From a listing to a truthful local copy.

The names below are loaded when they are first used: a worker process needs few of the modules behind them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvester.cloud import ObjectRef, StoreSettings
    from harvester.mirror.breaker import step_after
    from harvester.mirror.destination import state_directory
    from harvester.mirror.engine import sync
    from harvester.mirror.eviction import EvictReport, evict
    from harvester.mirror.inside import InsideTree
    from harvester.mirror.intake import Intake, open_intake
    from harvester.mirror.listing import list_objects, similar_key
    from harvester.mirror.options import Observer, SyncOptions
    from harvester.mirror.plan import Selection, same_version
    from harvester.mirror.reading import (
        ReadAccount,
        ResultRow,
        landed_rows,
        problem_rows,
        read,
        source_of,
        unreadable_error,
    )
    from harvester.mirror.repeated import open_repeated
    from harvester.mirror.report import ObjectEvent, ObjectProblem, SyncCounts, SyncProgress, SyncReport
    from harvester.mirror.rescue import RescuedResult, RescueReport, land_rescued
    from harvester.mirror.siblings import Siblings
    from harvester.mirror.status import DestinationStatus, destination_status
    from harvester.mirror.verification import Mark, Verification, Verified, VerifyReport
    from harvester.result import ResultOptions, Validation

__all__ = [
    "DestinationStatus",
    "EvictReport",
    "InsideTree",
    "Intake",
    "Mark",
    "ObjectEvent",
    "ObjectProblem",
    "ObjectRef",
    "Observer",
    "ReadAccount",
    "RescueReport",
    "RescuedResult",
    "ResultOptions",
    "ResultRow",
    "Selection",
    "Siblings",
    "StoreSettings",
    "SyncCounts",
    "SyncOptions",
    "SyncProgress",
    "SyncReport",
    "Validation",
    "Verification",
    "Verified",
    "VerifyReport",
    "destination_status",
    "evict",
    "land_rescued",
    "landed_rows",
    "list_objects",
    "open_intake",
    "open_repeated",
    "problem_rows",
    "read",
    "same_version",
    "similar_key",
    "source_of",
    "state_directory",
    "step_after",
    "sync",
    "unreadable_error",
]

_HOMES = {
    name: module
    for module, names in {
        "harvester.cloud": ("ObjectRef", "StoreSettings"),
        "harvester.mirror.breaker": ("step_after",),
        "harvester.mirror.destination": ("state_directory",),
        "harvester.mirror.engine": ("sync",),
        "harvester.mirror.eviction": ("EvictReport", "evict"),
        "harvester.mirror.inside": ("InsideTree",),
        "harvester.mirror.intake": ("Intake", "open_intake"),
        "harvester.mirror.listing": ("list_objects", "similar_key"),
        "harvester.mirror.options": ("Observer", "SyncOptions"),
        "harvester.mirror.plan": ("Selection", "same_version"),
        "harvester.mirror.reading": (
            "ReadAccount",
            "ResultRow",
            "landed_rows",
            "problem_rows",
            "read",
            "source_of",
            "unreadable_error",
        ),
        "harvester.mirror.repeated": ("open_repeated",),
        "harvester.mirror.report": ("ObjectEvent", "ObjectProblem", "SyncCounts", "SyncProgress", "SyncReport"),
        "harvester.mirror.rescue": ("RescuedResult", "RescueReport", "land_rescued"),
        "harvester.mirror.siblings": ("Siblings",),
        "harvester.mirror.status": ("DestinationStatus", "destination_status"),
        "harvester.mirror.verification": ("Mark", "Verification", "Verified", "VerifyReport"),
        "harvester.result": ("ResultOptions", "Validation"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> object:
    """Load a public name from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
