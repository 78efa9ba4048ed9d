"""Finding out why an object was refused: questions for whoever holds the connections, and what comes of them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from harvester.storage.base import FetchFailure
from harvester.storage.http.http_client import Response


@dataclass(frozen=True, slots=True)
class FollowUpRequest:
    """A further request that tells the causes of a refusal apart."""

    method: str
    """``GET`` or ``HEAD``."""
    url: str
    """Where to ask."""
    headers: list[str]
    """Header lines."""


Diagnosis = Generator[FollowUpRequest, Response | None, FetchFailure]
"""Yields questions, is sent their answers (None when none came), returns the cause."""
