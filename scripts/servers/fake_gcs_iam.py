"""FakeGcs with access control: IAM policies that enforce their etag, bucket settings, permissions.

Source: Cloud Storage JSON API reference, "Buckets: getIamPolicy", "setIamPolicy", "testIamPermissions", "Buckets"
resource. Like the others it authorises nothing by the stored policy: a test names what is refused.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import threading
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

from scripts.servers.fake_gcs import FakeGcs, uploaded
from scripts.servers.loopback_server import Answer, Request

_IAM = re.compile(r"/storage/v1/b/([^/]+)/iam(/testPermissions)?\Z")
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)\Z")
_OWNER = {"role": "roles/storage.legacyBucketOwner", "members": ["projectEditor:p", "projectOwner:p"]}


class FakeGcsIam(FakeGcs):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: dict[str, dict[str, Any]] = {}
        """Fields of a bucket's resource beyond its name, by bucket."""
        self.denied: set[str] = set()
        """Permissions the caller lacks."""
        self.before_write: Callable[[str], None] | None = None
        """Called with the bucket's name before a policy is replaced, as another writer's update would."""
        self.write_refusal: tuple[int, str, str] | None = None
        """Status, reason and sentence with which every replacement of a policy is refused."""
        self.writes = 0
        """How often a policy was to be replaced."""
        self._policies: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, int] = {}
        self._iam_lock = threading.RLock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def create_bucket(self, name: str) -> None:
        super().create_bucket(name)
        self.resources[name] = {
            "location": "EU",
            "iamConfiguration": {
                "uniformBucketLevelAccess": {"enabled": True},
                "publicAccessPrevention": "enforced",
            },
        }
        self.set_policy(name, {"version": 1, "bindings": [copy.deepcopy(_OWNER)]})

    def policy(self, bucket: str) -> dict[str, Any]:
        """Return a bucket's policy with its present etag."""
        with self._iam_lock:
            etag = base64.b64encode(f"v{self._versions[bucket]}".encode()).decode()
            return {"kind": "storage#policy", **copy.deepcopy(self._policies[bucket]), "etag": etag}

    def set_policy(self, bucket: str, policy: dict[str, Any]) -> None:
        """Replace a bucket's policy, whatever its etag, as another writer."""
        with self._iam_lock:
            self._policies[bucket] = {name: value for name, value in policy.items() if name not in {"etag", "kind"}}
            self._versions[bucket] = self._versions.get(bucket, 0) + 1

    def respond(self, request: Request) -> Answer:
        path = request.target.partition("?")[0]
        if found := _IAM.match(path):
            return self._iam(unquote(found[1]), request, testing=found[2] is not None)
        if (found := _BUCKET.match(path)) and unquote(found[1]) in self.resources:
            if "storage.buckets.get" in self.denied:
                return _refusal(403, "forbidden", "the caller does not have storage.buckets.get access")
            name = unquote(found[1])
            if request.method == "PATCH":
                _merge(self.resources[name], json.loads(request.body))
            return _answer({"kind": "storage#bucket", "name": name, **self.resources[name]})
        if refused := self._refused(path, request):
            return refused
        return super().respond(request)

    def _refused(self, path: str, request: Request) -> Answer | None:
        if path.startswith("/upload/"):
            bucket = unquote(path.split("/b/")[1].split("/")[0])
            exists = uploaded(request)[0] in self._buckets.get(bucket, {})
            needed = {"storage.objects.create", *(("storage.objects.delete",) if exists else ())}
        elif path.endswith("/o"):
            needed = {"storage.objects.list"}
        else:
            needed = {"storage.objects.get"}
        lacking = sorted(needed & self.denied)
        return _refusal(403, "forbidden", f"the caller does not have {lacking[0]} access") if lacking else None

    def _iam(self, bucket: str, request: Request, *, testing: bool) -> Answer:
        if bucket not in self._policies:
            return _refusal(404, "notFound", "The specified bucket does not exist.")
        if testing:
            asked = [value for name, value in parse_qsl(request.target.partition("?")[2]) if name == "permissions"]
            return _answer({"permissions": [each for each in asked if each not in self.denied]})
        verb = "setIamPolicy" if request.method == "PUT" else "getIamPolicy"
        if f"storage.buckets.{verb}" in self.denied:
            return _refusal(403, "forbidden", f"the caller does not have storage.buckets.{verb} access")
        if request.method != "PUT":
            return _answer(self._as_asked(bucket, request))
        self.writes += 1
        if self.write_refusal is not None:
            return _refusal(*self.write_refusal)
        if self.before_write is not None:
            self.before_write(bucket)
        return self._replace(bucket, json.loads(request.body))

    def _as_asked(self, bucket: str, request: Request) -> dict[str, Any]:
        """Without version 3 asked for, conditions are hidden, as Cloud Storage does."""
        policy = self.policy(bucket)
        if request.query.get("optionsRequestedPolicyVersion") != "3":
            policy["bindings"] = [each for each in policy["bindings"] if "condition" not in each]
            policy["version"] = 1
        return policy

    def _replace(self, bucket: str, given: dict[str, Any]) -> Answer:
        with self._iam_lock:
            if given.get("etag") != self.policy(bucket)["etag"]:
                message = "The resource's etag does not match."
                return _refusal(412, "conditionNotMet", message)
            conditional = any("condition" in each for each in given.get("bindings", ()))
            if conditional and given.get("version") != 3:
                return _refusal(400, "invalid", "Policies with conditions must specify version 3")
            self.set_policy(bucket, given)
            return _answer(self.policy(bucket))


def _merge(resource: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(resource.get(name), dict):
            _merge(resource[name], value)
        else:
            resource[name] = value


def _answer(document: object) -> Answer:
    headers = {"content-type": "application/json; charset=UTF-8", "x-guploader-uploadid": "FAKE-GCS"}
    return Answer(200, json.dumps(document).encode(), headers)


def _refusal(status: int, reason: str, message: str) -> Answer:
    error = {"code": status, "message": message, "errors": [{"domain": "global", "reason": reason, "message": message}]}
    headers = {"content-type": "application/json", "x-guploader-uploadid": "FAKE-GCS"}
    return Answer(status, json.dumps({"error": error}).encode(), headers)
