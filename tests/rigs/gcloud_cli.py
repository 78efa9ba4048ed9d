"""The few ``gcloud storage buckets update`` commands this program prints, by the JSON API.

For tests that run the printed commands as they stand, without the Google Cloud CLI. Source: gcloud reference, "gcloud
storage buckets update"; Cloud Storage JSON API reference, "Buckets: patch".
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Mapping, Sequence

_FLAGS: Mapping[str, object] = {
    "--uniform-bucket-level-access": {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}},
    "--no-requester-pays": {"billing": {"requesterPays": False}},
}


def main(arguments: Sequence[str]) -> None:
    """Run one command, its words after ``gcloud``."""
    *command, url, flag = arguments
    if command != ["storage", "buckets", "update"] or not url.startswith("gs://"):
        raise ValueError(f"gcloud has no command {' '.join(arguments)!r} here")
    endpoint = f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b/{url.removeprefix('gs://')}"
    body = json.dumps(_FLAGS[flag]).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(endpoint, body, headers, method="PATCH")  # a loopback server
    with urllib.request.urlopen(request) as answer:  # see above
        answer.read()
