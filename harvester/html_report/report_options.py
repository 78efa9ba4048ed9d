"""What a report is about, the words that it is given, and what has been written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harvester.access import Explanation
from harvester.errors import HarvesterError
from harvester.sessions import StoreSettings

DEFAULT_WINDOW = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """How the access of Nimble to the source of each destination is explained. Reads the bucket's settings."""

    mode: str
    """The delivery mode: ``async`` or ``jobs``."""
    baseline: Path | None = None
    """A directory that `save_snapshot` wrote; None compares with nothing."""
    settings: StoreSettings = field(default_factory=StoreSettings)
    """How the bucket is reached."""


@dataclass(frozen=True, slots=True)
class ReportWording:
    """The sentences of a report that name commands, by default none: a lower layer spells no command."""

    problem_step: Callable[[str, str, str, str], str] = lambda *_: ""
    """What to run for the problems of one cause: of outcome, reason, destination and location."""
    access_steps: Callable[[Explanation], Sequence[str]] = lambda _: ()
    """What to run to correct the access."""
    examine_access: Callable[[str], str] = lambda _: ""
    """What to run to have the access of a destination in the report."""


@dataclass(frozen=True, slots=True)
class HtmlReportOptions:
    """How a report is made."""

    window: float = DEFAULT_WINDOW
    """Seconds before now that runs, landed objects and their distributions are shown of."""
    access: AccessRequest | None = None
    """Explains the access as well; None touches no network."""
    wording: ReportWording = field(default_factory=ReportWording)
    """The commands to name."""
    state_dir: Path | None = None
    """Where the manifest lies; None for the destination's state folder."""


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report that has been written."""

    path: Path
    """The file."""
    bytes: int
    """Its size."""
    access_errors: tuple[HarvesterError, ...]
    """Why the access to a source could not be explained; the report states it instead."""
