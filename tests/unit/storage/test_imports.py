"""What a process has to load for what it does: nothing for a directory, no SDK in a worker."""

from __future__ import annotations

import subprocess
import sys

import pytest

WATCHED = ["awscrt", "boto3", "botocore", "google.auth", "google.cloud", "pycurl", "requests"]


def loaded_by(program: str) -> set[str]:
    """Run a program in a fresh interpreter and return which of the heavy packages it loaded."""
    ask = f"import sys; print(*(name for name in {WATCHED!r} if name in sys.modules))"
    ended = subprocess.run([sys.executable, "-c", f"{program}\n{ask}"], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


FETCHER = """
from harvester.retry import RetryPolicy
from harvester.storage import open_fetcher
from harvester.sessions.connections import *
network = Network(None, "", RetryPolicy())
s3 = S3Connection("http://h/b", "b", "r", "s3", AwsCredentials("a", "s", None), False, None, network, None)
gs = GcsConnection("http://h", "b", None, None, network, None)
open_fetcher({}, "/tmp").close()
"""


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import harvester.storage", set()),
        (
            "import harvester.storage as c, harvester.location as l; c.open_store(l.parse_location('file:///tmp'))",
            set(),
        ),
        (FETCHER.format("s3"), {"pycurl"}),
        (FETCHER.format("gs"), {"pycurl"}),
    ],
    ids=["the package", "a directory", "a worker on S3", "a worker on GCS"],
)
def test_only_what_is_needed_is_loaded(program: str, expected: set[str]) -> None:
    assert loaded_by(program) == expected
