"""How one question to a cloud service ended, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from harvester.storage.store_errors import Problem

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """How one call ended."""

    value: _T | None
    """What the service returned; None when it refused, or did not answer."""
    problem: Problem | None
    """Why there is no value; None on success."""
    milliseconds: float
    """How long it took, retries included."""
    request_id: str
    """The service's id of the request; empty when there was no answer."""
    region: str = ""
    """The bucket's region, where the answer names it."""
