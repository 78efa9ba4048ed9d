"""NO_PROXY exempts hosts by the forms that curl and requests know together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.sessions.network import bypasses_proxy


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "direct"),
    [
        ("s3.amazonaws.com", None, "*", True),
        ("s3.amazonaws.com", None, "", False),
        ("s3.amazonaws.com", None, "amazonaws.com", True),
        ("s3.amazonaws.com", None, ".amazonaws.com", True),
        ("s3.amazonaws.com", None, "*.amazonaws.com", True),
        ("amazonaws.com", None, ".amazonaws.com", True),
        ("evilamazonaws.com", None, "amazonaws.com", False),
        ("S3.AmazonAWS.com.", None, "s3.amazonaws.COM", True),
        ("s3.test", None, "a.test, s3.test", True),
        ("s3.test", None, "a.test s3.test", True),
        ("s3.test", 9000, "s3.test:9000", True),
        ("s3.test", 9001, "s3.test:9000", False),
        ("s3.test", None, "s3.test:9000", False),
        ("127.0.0.1", 9000, "127.0.0.1", True),
        ("127.0.0.1", 9000, "127.0.0.1:9000", True),
        ("127.0.0.1", None, "127.0.0.0/8", True),
        ("128.0.0.1", None, "127.0.0.0/8", False),
        ("10.0.0.5", None, "10.0.0.4/30", True),
        ("127.0.0.1", None, "0.0.1", False),
        ("::1", None, "::1", True),
        ("::1", 9000, "[::1]:9000", True),
        ("::1", None, "[::1]", True),
        ("fd00::7", None, "fd00::/8", True),
        ("s3.test", None, "127.0.0.0/8", False),
        ("localhost", None, "127.0.0.1", False),
        ("s3.test", None, ",, ,", False),
        ("s3.test", None, ".", False),
    ],
)
def test_an_entry_covers_a_host(host: str, port: int | None, no_proxy: str, *, direct: bool) -> None:
    assert bypasses_proxy(host, port, no_proxy) is direct


@given(st.text(), st.none() | st.integers(0, 65535), st.text())
def test_nothing_raises(host: str, port: int | None, no_proxy: str) -> None:
    assert bypasses_proxy(host, port, no_proxy) in {True, False}
