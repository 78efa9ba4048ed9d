"""Printing of events, reports and texts to standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from harvester.cli.shared.reports.json_documents import json_text
from harvester.cli.shared.standard_streams import detach_stdout
from harvester.transfer import ObjectEvent


class PublishedReport(Protocol):
    """A report that is published as a JSON document."""

    def as_document(self) -> dict[str, Any]:
        """Return the document."""


_Report = TypeVar("_Report", bound=PublishedReport)


def print_event(event: ObjectEvent, *, at_once: bool = False) -> None:
    """Print the outcome of an object as one line of JSON; ``at_once`` flushes it."""
    try:
        print(json.dumps({"event": "object", **event._asdict()}, ensure_ascii=False), flush=at_once)
    except BrokenPipeError:
        # The reader has closed the pipe; the run goes on.
        detach_stdout()


def print_report(report: _Report, output: str, render: Callable[[_Report], str]) -> None:
    """Print a report as a document, as the last line of JSON Lines, or as people read it."""
    if output == "json":
        print(json_text(report.as_document(), indent=2))
    elif output == "jsonl":
        print(json_text({"event": "report", **report.as_document()}))
    else:
        print(render(report))
    sys.stdout.flush()


def print_text(text: str) -> None:
    """Print a text whose exit code stands even when the reader has closed the pipe, as ``grep -q`` and ``head`` do."""
    try:
        print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        detach_stdout()
