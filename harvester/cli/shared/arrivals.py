"""What ``watch`` and ``listen`` print alike."""

from __future__ import annotations

from harvester import text
from harvester.cli.shared.sync_output import problem_lines
from harvester.events import LandingAccount


def render_landing(account: LandingAccount) -> str:
    """Return the account of objects as people read it; its last line is the summary."""
    lines = []
    if account.problems:
        lines.append("Problems:")
        lines.extend(problem_lines(account.problems))
    counts = account.counts
    parts = [
        f"{getattr(counts, name):,} {name.replace('_', ' ')}"
        for name in ("landed", "unchanged", "ignored", "refused", "quarantined", "failed", "not_attempted")
        if getattr(counts, name) or name in ("landed", "unchanged")
    ]
    lines.append(
        f"{text.count(account.runs, 'run')}, {counts.listed:,} listed or announced: {', '.join(parts)};"
        f" {text.duration(account.finished_at - account.started_at)}"
    )
    return "\n".join(lines)
