"""Follow-up requests that diagnose why an object was refused."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from harvester.storage.base import FetchFailure
from harvester.storage.http.http_client import Response


@dataclass(frozen=True, slots=True)
class FollowUpRequest:
    """A further request that distinguishes the causes of a refusal."""

    method: str
    """``GET`` or ``HEAD``."""
    url: str
    """The URL."""
    headers: list[str]
    """Header lines."""


Diagnosis = Generator[FollowUpRequest, Response | None, FetchFailure]
"""Yields requests, is sent their answers (None without one), returns the failure."""
