"""What a destination is a copy of, and which destination a state belongs to."""

from __future__ import annotations

from typing import NamedTuple


class SourceBinding(NamedTuple):
    """What a destination is a copy of; another source in the same destination would mix two truths."""

    url: str
    """The location's URL."""
    endpoint: str
    """The endpoint, empty for the cloud's own."""
    keep_compressed: bool
    """Whether gzip content is landed as delivered."""


class StateIdentity(NamedTuple):
    """The destination that a manifest belongs to."""

    id: str
    """Random id, also in the destination's own ``destination.json``."""
    root: str
    """Where the destination was when it was last opened."""
