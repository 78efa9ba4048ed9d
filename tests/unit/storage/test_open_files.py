"""The limit of open files bounds the connections."""

from __future__ import annotations

import resource

import pytest

from harvester.storage.http.open_files import connections_allowed, connections_within


@pytest.mark.parametrize(
    ("files", "connections"),
    [(0, 1), (41, 1), (42, 1), (64, 12), (256, 108), (1024, 492), (resource.RLIM_INFINITY, 524268)],
)
def test_connections_fit_in_the_limit(files: int, connections: int) -> None:
    assert connections_within(files) == connections


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
        allowed = connections_allowed()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(1024, hard if hard >= 0 else 1024)
        assert allowed == connections_within(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
