"""Which objects belong to a backfill: those modified at its cutoff or before."""

from __future__ import annotations

import math
from dataclasses import replace

from harvester.destination import Selection


def until_cutoff(selection: Selection, cutoff: float) -> Selection:
    """Return a selection without objects modified after the cutoff; those modified at the cutoff belong to it."""
    until = math.nextafter(cutoff, math.inf)
    return replace(selection, until=until if selection.until is None else min(until, selection.until))
