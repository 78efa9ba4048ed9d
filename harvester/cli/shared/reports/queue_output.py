"""Print what became of the messages of a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester import text

if TYPE_CHECKING:
    from harvester.events import MessageCounts


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
