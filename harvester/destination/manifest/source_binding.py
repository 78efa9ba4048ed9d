"""What a destination is a copy of, and which destination a state belongs to."""

from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit


class SourceBinding(NamedTuple):
    """What a destination is a copy of; another source in the same destination would mix two truths."""

    url: str
    """The location's URL."""
    endpoint: str
    """The endpoint, empty for the cloud's own; without user and password."""
    keep_compressed: bool
    """Whether gzip content is landed as delivered."""


def binding_to(url: str, endpoint: str | None, *, keep_compressed: bool) -> SourceBinding:
    """Return the binding to a source; a password in the endpoint is no part of it, and is stored nowhere."""
    parts = urlsplit(endpoint or "")
    if "@" in parts.netloc:
        endpoint = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return SourceBinding(url, endpoint or "", keep_compressed)


class StateIdentity(NamedTuple):
    """The destination that a manifest belongs to."""

    id: str
    """Random id, also in the destination's own ``destination.json``."""
    root: str
    """Where the destination was when it was last opened."""
