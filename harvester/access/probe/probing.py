"""Nimble's Test Connection, with the caller's credentials."""

from __future__ import annotations

from typing import Literal

from harvester.access.probe.connection_test import ConnectionTest
from harvester.access.probe.probe_report import Access, ProbeReport, badness
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import open_prober


def probe_connection(
    location: Location | str,
    access: Literal["read", "write", "both"] = "both",
    *,
    deep: bool = False,
    settings: StoreSettings | None = None,
) -> ProbeReport:
    """Test a location as Nimble's form does, with the caller's credentials, and say what that leaves unproven.

    ``write`` leaves one empty object under the prefix, as Nimble's test does; it is never deleted. ``deep`` adds steps
    of this program: read one byte, begin and abort an upload in parts, read the written object back. What the store
    refuses is in the report; raises UsageError for a directory, ConfigurationError without credentials.
    """
    place = location if isinstance(location, Location) else parse_location(location)
    prober = open_prober(place, settings or StoreSettings())
    kinds: tuple[Access, ...] = ("read", "write") if access == "both" else (access,)
    expects_owner = settings is not None and settings.expected_bucket_owner is not None
    tests = [ConnectionTest(place, kind, prober, expects_owner=expects_owner) for kind in kinds]
    for test in tests:
        test.run(deep=deep)
    worst = max(tests, key=lambda test: badness(test.exit_code))
    return ProbeReport(
        location=place,
        chip=next((test.chip for test in tests if test.is_red), tests[0].chip),
        chips=tuple((test.access, test.chip) for test in tests),
        steps=tuple(step for test in tests for step in test.steps),
        not_proven=tuple(dict.fromkeys(each for test in tests for each in test.not_proven(deep=deep))),
        cause=worst.cause,
        code=worst.code,
        parameters=worst.parameters,
        request_id=worst.request_id,
        exit_code=worst.exit_code,
    )
