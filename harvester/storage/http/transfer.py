"""What the fetcher keeps of one request, and of one curl handle."""

from __future__ import annotations

import pycurl

from harvester.storage.base import Arrival, FetchRequest
from harvester.storage.http.follow_up import Diagnosis, FollowUpRequest
from harvester.storage.http.spool import Spool


class Transfer:
    """One request, through all its attempts."""

    __slots__ = (
        "arrival",
        "attempts",
        "began",
        "diagnosis",
        "ends",
        "epoch",
        "follow_up",
        "received",
        "renewals",
        "request",
        "spool",
        "unread",
        "weight",
    )

    def __init__(self, request: FetchRequest, weight: int, arrival: Arrival | None = None) -> None:
        """Begin with no attempt; it takes about ``weight`` bytes of memory while a handle works on it."""
        self.request = request
        self.weight = weight
        self.arrival = arrival
        self.attempts = 0
        self.began = 0.0
        """When its first attempt started, or the last one ended that brought bytes into a spool; monotonic."""
        self.ends = 0.0
        """When it is given up at the latest: a body that drips never counts as stalled."""
        self.received = 0
        """Bytes that had come into its spool when its last attempt ended."""
        self.renewals = 0
        """How often it has waited for fresh credentials."""
        self.epoch = 0
        """The fetcher's count of renewals when it was signed last."""
        self.unread: set[str] = set()
        """Headers of its answers that cannot be read, and count as absent."""
        self.spool: Spool | None = None
        self.diagnosis: Diagnosis | None = None
        self.follow_up: FollowUpRequest | None = None
        """What is asked next instead of the object."""


class Slot:
    """A curl handle with what it has received."""

    __slots__ = ("body", "handle", "lines", "transfer")

    def __init__(self, handle: pycurl.Curl) -> None:
        """Let ``handle`` gather header lines and body in lists: nothing is cheaper from C."""
        self.handle = handle
        self.lines: list[bytes] = []
        self.body: list[bytes] = []
        self.transfer: Transfer | None = None
        handle.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, self.body.append)
