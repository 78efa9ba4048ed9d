import contextlib
import io
import json
import shlex
from typing import Any

import pytest

import policies
from harvester.errors import UsageError
from harvester.nimble_api.request_parameters import as_curl, as_json, as_python, delivery_parameters
from scripts.servers.nimble_server import NimbleApi


def codes(location: str, **options: Any) -> set[str]:
    return {warning.code for warning in delivery_parameters(location, **options).warnings}


def test_the_block_names_only_what_was_asked_for() -> None:
    assert json.loads(as_json(delivery_parameters("s3://my-bucket/results/"))) == {
        "storage_type": "s3",
        "storage_url": "s3://my-bucket/results/",
    }
    full = delivery_parameters(
        "gs://my-bucket/a/b/", compress=True, name="my-result", callback="https://example.org/hook?token=1"
    )
    assert json.loads(as_json(full)) == {
        "storage_type": "gs",
        "storage_url": "gs://my-bucket/a/b/",
        "storage_compress": True,
        "storage_object_name": "my-result",
        "callback_url": "https://example.org/hook?token=1",
    }


@pytest.mark.parametrize(
    ("location", "options", "expected"),
    [
        ("s3://my-bucket/results/", {}, set()),
        ("s3://my-bucket", {}, set()),
        ("s3://my-bucket/results", {}, {"no-trailing-slash"}),
        ("s3://my-bucket/a//b/", {}, {"empty-segment"}),
        ("s3://my-bucket//a/", {}, {"empty-segment"}),
        ("s3://my-bucket/results/", {"name": "n"}, {"name-overwrites"}),
        ("gs://my-bucket/results/", {"name": "n"}, {"name-on-gcs"}),
        ("s3://my-bucket/results/", {"name": "n", "batch": True}, {"name-overwrites", "name-on-batch"}),
        ("gs://my-bucket/results/", {"name": "n", "batch": True}, {"name-on-gcs", "name-on-batch"}),
        ("s3://my-bucket/results/", {"name": "n.json"}, {"name-overwrites", "name-has-extension"}),
        ("s3://my-bucket/results/", {"granted_prefix": "results/"}, set()),
        ("s3://my-bucket/results/2026/", {"granted_prefix": "results/"}, set()),
        ("s3://my-bucket/results/", {"granted_prefix": ""}, set()),
        ("s3://my-bucket/other/", {"granted_prefix": "results/"}, {"outside-granted-prefix"}),
        ("s3://my-bucket", {"granted_prefix": "results/"}, {"outside-granted-prefix"}),
        ("s3://my-bucket/results/", {"callback": "https://localhost/x"}, {"callback-unreachable"}),
        ("s3://my-bucket/results/", {"callback": "https://10.0.0.7:8443/x"}, {"callback-unreachable"}),
        ("s3://my-bucket/results/", {"callback": "https://example.org/x"}, set()),
    ],
)
def test_what_bites_is_warned_of(location: str, options: dict[str, Any], expected: set[str]) -> None:
    assert codes(location, **options) == expected


def test_a_missing_slash_is_added() -> None:
    assert delivery_parameters("s3://my-bucket/results").block["storage_url"] == "s3://my-bucket/results/"


@pytest.mark.parametrize(
    ("location", "options"),
    [
        ("file:///tmp/x", {}),
        ("gcs://my-bucket/", {}),
        ("https://my-bucket.s3.amazonaws.com/", {}),
        ("my-bucket", {}),
        ("s3://", {}),
        ("s3://my-bucket/a\nb/", {}),
        ("s3://my-bucket/\udc80/", {}),
        ("s3://my-bucket/", {"name": ""}),
        ("s3://my-bucket/", {"name": " n"}),
        ("s3://my-bucket/", {"name": "a\x00b"}),
        ("s3://my-bucket/", {"name": "/n"}),
        ("s3://my-bucket/", {"name": "n" * 1017}),
        ("s3://my-bucket/", {"callback": "http://example.org/x"}),
        ("s3://my-bucket/", {"callback": "https:///x"}),
        ("s3://my-bucket/", {"callback": "https://example.org/a b"}),
        ("s3://my-bucket/", {"callback": "https://example.org:port/"}),
        ("s3://my-bucket/", {"callback": "example.org"}),
    ],
)
def test_what_cannot_be_is_refused(location: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        delivery_parameters(location, **options)


def test_a_refused_callback_is_not_repeated() -> None:
    with pytest.raises(UsageError) as refusal:
        delivery_parameters("s3://my-bucket/", callback="http://example.org/?token=hunter2")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("batch", [False, True])
def test_the_python_program_submits_the_block(monkeypatch: pytest.MonkeyPatch, *, batch: bool) -> None:
    parameters = delivery_parameters(
        's3://my-bucket/it\'s "ours" é/', compress=True, callback="https://example.org/x", batch=batch
    )
    printed = io.StringIO()
    with NimbleApi() as api, contextlib.redirect_stdout(printed):
        monkeypatch.setenv("NIMBLE_API_KEY", api.scenario.api_key)
        monkeypatch.setenv("NIMBLE_BASE_URL", api.url)
        scope: dict[str, Any] = {}
        exec(compile(as_python(parameters), "delivery", "exec"), scope)
        scope["client"].close()
    submitted = api.submissions[0]["shared_inputs"] if batch else api.submissions[0]
    assert {name: value for name, value in submitted.items() if name != "url"} == parameters.block
    assert printed.getvalue().strip() in (api.batches if batch else api.tasks)


@pytest.mark.parametrize("batch", [False, True])
def test_the_curl_command_carries_the_block_and_no_key(*, batch: bool) -> None:
    parameters = delivery_parameters("s3://my-bucket/it's ours/", name="n", batch=batch)
    words = shlex.split(as_curl(parameters))
    assert words[0] == "curl"
    assert f"https://sdk.nimbleway.com/v2/extract/{'batch' if batch else 'async'}" in words
    assert "Authorization: Bearer $NIMBLE_API_KEY" in words
    body = json.loads(words[words.index("--data") + 1])
    carried = body["shared_inputs"] if batch else body
    assert {name: value for name, value in carried.items() if name != "url"} == parameters.block


# ---- the bucket's policy


def granting(bucket: str, prefix: str, cloud: str = "s3") -> policies.PolicyDocument:
    contract = policies.contract("async", cloud)
    return policies.generate(contract, policies.target(contract, bucket, prefixes={"prefix": prefix}))


@pytest.mark.parametrize(
    ("location", "policy", "expected"),
    [
        ("s3://my-bucket/results/", granting("my-bucket", "results/"), set()),
        ("s3://my-bucket/results/today/", granting("my-bucket", "results/"), set()),
        ("s3://my-bucket/", granting("my-bucket", ""), set()),
        ("s3://my-bucket/other/", granting("my-bucket", "results/"), {"not-granted"}),
        ("s3://my-bucket/", granting("my-bucket", "results/"), {"not-granted"}),
        ("s3://my-bucket/results/", granting("another", "results/"), {"not-granted"}),
        ("gs://my-bucket/results/", granting("my-bucket", "results/", "gs"), set()),
        ("gs://my-bucket/other/", granting("my-bucket", "results/", "gs"), {"grant-unknown"}),
    ],
)
def test_a_policy_is_proven_to_let_nimble_deliver_there(
    location: str, policy: policies.PolicyDocument, expected: set[str]
) -> None:
    assert codes(location, policy=policy) == expected


def test_a_grant_that_depends_is_warned_about() -> None:
    granted = json.loads(granting("my-bucket", "results/").dump())
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::my-bucket/*",
        "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
    }
    policy = policies.document({**granted, "Statement": [*granted["Statement"], deny]})
    found = delivery_parameters("s3://my-bucket/results/", policy=policy).warnings
    assert {warning.code for warning in found} == {"grant-unknown"}
    assert any("x-amz-server-side-encryption" in warning.message for warning in found)


def test_a_policy_of_another_cloud_proves_nothing() -> None:
    with pytest.raises(UsageError, match="not one of"):
        delivery_parameters("gs://my-bucket/results/", policy=granting("my-bucket", "results/"))
