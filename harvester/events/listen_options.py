"""Options and report of the webhook receiver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester.events.full_listing import check_interval
from harvester.events.http import ServerCertificate, WebhookOptions
from harvester.events.queue import QueueWatchOptions
from harvester.events.watch_report import (
    LISTEN_REPORT_SCHEMA,
    LandingReport,
    MessageCounts,
)


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Options of ``listen``."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8080
    """The port; 0 for any free one."""
    webhook: WebhookOptions = field(default_factory=WebhookOptions)
    """Requirements on a webhook."""
    most_waiting: int = 10_000
    """Maximum number of pending tasks; webhooks beyond it are answered with 503."""
    give_up: float = 24 * 3600.0
    """Seconds to retry a task that runs or whose object is missing; default: Nimble's retention."""
    certificate: ServerCertificate | None = None
    """Serve HTTPS with it; None for HTTP, behind a proxy that ends TLS."""
    queue: QueueWatchOptions | None = None
    """A queue of bucket events to settle as well, in the same session; ``once`` and ``idle_exit`` are unused."""
    full_listing_every: float | None = None
    """List the whole location at the start and then after this many seconds, 60 or more; None for never."""

    metrics_file: Path | None = None
    """A file for node_exporter's textfile collector, rewritten every 15 seconds and at the end."""

    def __post_init__(self) -> None:
        """Validate the interval."""
        check_interval(self.full_listing_every)


@dataclass(frozen=True, slots=True)
class ListenReport:
    """Report of a webhook receiver."""

    landing: LandingReport
    """The objects."""
    webhooks: Mapping[str, int]
    """Number of webhooks by answer."""
    tasks: Mapping[str, int]
    """Number of tasks by outcome."""
    waiting: int
    """Number of pending tasks, for the next start."""
    queue: str | None = None
    """The queue's address; None without one."""
    messages: MessageCounts = field(default_factory=MessageCounts)
    """The messages of the queue; all zero without one."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": LISTEN_REPORT_SCHEMA,
            **self.landing.as_document(),
            "webhooks": dict(sorted(self.webhooks.items())),
            "tasks": dict(sorted(self.tasks.items())),
            "waiting": self.waiting,
            "queue": self.queue,
            "messages": self.messages.as_document(),
        }
