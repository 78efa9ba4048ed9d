"""What the verbs that bring results home print alike."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from harvester.cli.application import forsake_output
from harvester.cli.shared.json_documents import json_text
from harvester.transfer import ObjectEvent


class Report(Protocol):
    """An account that is published as a JSON document."""

    def as_document(self) -> dict[str, Any]:
        """Return the document."""


_Report = TypeVar("_Report", bound=Report)


def print_event(event: ObjectEvent, *, at_once: bool = False) -> None:
    """Print what became of an object as one line of JSON; ``at_once`` for whom waits for each."""
    try:
        print(json.dumps({"event": "object", **event._asdict()}, ensure_ascii=False), flush=at_once)
    except BrokenPipeError:
        # Nobody listens any more; what was begun, and what arrives, is brought home all the same.
        forsake_output()


def print_report(report: _Report, output: str, render: Callable[[_Report], str]) -> None:
    """Print a report as a document, as the last line of JSON Lines, or as people read it."""
    if output == "json":
        print(json_text(report.as_document(), indent=2))
    elif output == "jsonl":
        print(json_text({"event": "report", **report.as_document()}))
    else:
        print(render(report))
    sys.stdout.flush()
