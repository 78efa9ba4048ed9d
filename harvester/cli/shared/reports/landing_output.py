"""Print what the events of a queue or of webhooks have landed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester import text
from harvester.cli.shared.reports.sync_output import problem_lines

if TYPE_CHECKING:
    from harvester.cli.shared.run_messages import Messages
    from harvester.events import LandingReport, MessageCounts


def end_landing(landing: LandingReport, messages: Messages) -> int:
    """Write why a run that landed events ended as it did; return its exit code."""
    messages.end(
        landing.exit_code,
        error=landing.error,
        reasons=problem_lines(landing.problems),
        counts=landing.as_document()["counts"],
        retryable=landing.retryable,
    )
    return int(landing.exit_code)


def message_lines(messages: MessageCounts) -> list[str]:
    """Return the lines of a report about messages."""
    parts = [
        f"{number:,} {name}"
        for name, number in (
            ("deleted", messages.deleted),
            ("left", messages.left),
            ("released", messages.released),
            ("not finished", messages.lost),
        )
        if number or name == "deleted"
    ]
    lines = [f"{messages.received:,} messages received: {', '.join(parts)}"]
    lines.extend(f"  left: {number:,} × {reason}" for reason, number in messages.left_by_reason)
    lines.extend(f"  announce no object: {number:,} × {text.printable(name)}" for name, number in messages.other_events)
    if messages.beside:
        lines.append(f"  landed by another worker: {messages.beside:,}")
    if messages.gone:
        lines.append(f"  announced and gone: {messages.gone:,}")
    return lines
