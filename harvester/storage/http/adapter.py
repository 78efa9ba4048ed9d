"""How a cloud is fetched from, behind one interface, so that one engine drives both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from harvester.storage.base import FetchRequest
from harvester.storage.http.checksums import Checksum
from harvester.storage.http.follow_up import Diagnosis
from harvester.storage.http.http_client import Response
from harvester.storage.service_errors import ServiceError


class ProviderAdapter(Protocol):
    """What differs between clouds when an object is fetched."""

    states_identity: bool
    """Whether an answer without a version is never the store's own; S3-compatible stores and emulators may omit it."""

    def request(self, key: str, *, start: int = 0, version: str = "") -> tuple[str, list[str]]:
        """Return URL and header lines of a GET; from byte ``start`` of exactly that ``version`` when it goes on."""

    def identity(self, headers: Mapping[str, str]) -> str:
        """Return the identity of the version an answer holds, as listings have it; empty when it states none."""

    def validator(self, headers: Mapping[str, str]) -> str:
        """Return what a request that resumes this answer names; empty without a strong validator."""

    def stated(self, headers: Mapping[str, str]) -> Checksum | None:
        """Return the checksum the answer states for the whole object."""

    def altered(self, headers: Mapping[str, str]) -> bool:
        """Whether the body is not the stored bytes but a transcoding of them."""

    def service_error(self, response: Response) -> ServiceError:
        """Return what an answer of 300 and above means."""

    def diagnose(self, request: FetchRequest, error: ServiceError) -> Diagnosis:
        """Find out why the object was refused."""

    def fetched(self, key: str) -> None:
        """Note that ``key`` can be read: something to compare a refused one with."""
