"""From a listing to a truthful local copy."""

from harvester.cloud import ObjectRef, StoreSettings
from harvester.mirror.engine import sync
from harvester.mirror.eviction import EvictReport, evict
from harvester.mirror.intake import Intake, open_intake
from harvester.mirror.listing import list_objects, similar_key
from harvester.mirror.options import Observer, SyncOptions
from harvester.mirror.plan import Selection
from harvester.mirror.reading import (
    ReadAccount,
    ResultRow,
    landed_rows,
    problem_rows,
    read,
    source_of,
    unreadable_error,
)
from harvester.mirror.report import ObjectEvent, ObjectProblem, SyncCounts, SyncProgress, SyncReport
from harvester.mirror.rescue import RescuedResult, RescueReport, land_rescued
from harvester.mirror.status import DestinationStatus, destination_status
from harvester.mirror.verification import Mark, Verification, Verified, VerifyReport
from harvester.result import ResultOptions, Validation

__all__ = [
    "DestinationStatus",
    "EvictReport",
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
    "problem_rows",
    "read",
    "similar_key",
    "source_of",
    "sync",
    "unreadable_error",
]
