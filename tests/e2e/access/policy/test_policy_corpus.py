"""Posted policies and their right values, by the installed command: check, explain, merge and the advised fixes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate

CORPUS = Path(__file__).resolve().parents[3] / "policy_corpus"
DOCUMENTED = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "NimbleCloudDelivery",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::744254827463:user/webit-uploader"},
            "Action": ["s3:PutObject", "s3:PutObjectACL", "s3:GetBucketLocation"],
            "Resource": ["arn:aws:s3:::acme-results", "arn:aws:s3:::acme-results/*"],
        }
    ],
}


@dataclass(frozen=True)
class Right:
    """The right value of a document."""

    name: str
    state: str
    code: int
    has: Sequence[str] = ()
    """Codes of findings that it has."""
    not_has: Sequence[str] = ()
    """Codes of findings that it has not."""
    words: Sequence[str] = ()
    """What the output contains."""


def bucket_of(name: str) -> str:
    return "acme" if name.startswith("f") else "acme-gcs" if name.startswith("g") else "acme-results"


CASES = [
    Right("d01-orgid-accounts-ifexists", "holds", 0),
    Right("d02-orgid-accounts-missing", "fails", 10, ["requirement-denied"]),
    Right("d03-userid-role", "fails", 10, ["requirement-denied"]),
    Right("d04-tls12", "holds_assuming", 0, words=["AWS accepts no TLS version below 1.2"]),
    Right("d06-tls-and-secure", "holds", 0),
    Right("d12-sse-null", "unknown", 10, words=["condition:s3:x-amz-server-side-encryption"]),
    Right("d13-sse-null-noteq-pair", "unknown", 10, words=["condition:s3:x-amz-server-side-encryption"]),
    Right("d14-sse-wrong-only-if-present", "unknown", 10, words=["condition:s3:x-amz-server-side-encryption"]),
    Right("d20-vpce-or", "fails", 10, ["requirement-denied"]),
    Right("d21-vpce-and-arn", "holds", 0),
    Right("d27-principalArn-star-role", "fails", 10, ["requirement-denied"]),
    Right("d47-expired-grant", "fails", 10, ["grant-expired"], words=["2026-06-30"]),
    Right("e01-vpceorg", "fails", 10, ["requirement-denied"]),
    Right("e02-vpceaccount", "fails", 10, ["requirement-denied"]),
    Right("e03-vpceorgpaths", "fails", 10, ["requirement-denied"]),
    Right("e10-tls-11", "holds_assuming", 0),
    Right("f1-depends-but-denied", "fails", 10, ["requirement-missing"], words=["RequireKms"]),
    Right("f10-variable-default-taken-for-grant", "fails", 10),
    Right("f12-exempt-whole-deny", "fails", 10, ["requirement-missing"], words=["aws:SourceIp"]),
    Right("f2-foranyvalue-ifexists-allow", "fails", 10, ["requirement-missing"]),
    Right("f3-buckettag-live-policy", "fails", 10, not_has=["unknown-condition-key", "condition-without-action"]),
    Right("f3-oai-live-policy", "fails", 10, not_has=["invalid-principal"]),
    Right("f4-allow-notprincipal-bucket", "fails", 7, ["allow-not-principal"]),
    Right("f5-ssec-guard", "holds_assuming", 0),
    Right("f5-tls12-guard", "holds_assuming", 0),
    Right("f6-wildcard-service-prefix", "holds", 7, ["wildcard-service"]),
    Right("f7-group-principal", "holds", 7, ["invalid-principal"]),
    Right("f8-misspelt-global-key", "unknown", 7, ["unknown-condition-key"], words=["aws:PrincipalOrgID is meant"]),
    Right("f9-public-dataaccesspointarn", "holds", 0, not_has=["public"]),
    Right("g01-user-role", "holds", 0, ["delete-granted"]),
    Right("g02-admin", "holds", 0, ["delete-granted"]),
    Right("g03-legacywriter", "holds", 0, ["delete-granted"]),
    Right("g08-noprefix-member", "unknown", 7, ["invalid-member"], words=["serviceAccount:nimbleway"]),
    Right("g13-cond-type-and", "holds", 0),
    Right("g16-none", "unknown", 10, words=["unread:project-policy", "get-ancestors-iam-policy"]),
    Right("live-oai", "fails", 10, not_has=["invalid-principal"]),
    Right("w05-role", "fails", 10, ["principal-typo"], words=["user/webit-uploader"]),
    Right("w06-space", "fails", 7, ["invalid-principal"], words=["has a space at its end"]),
    Right("w07-placeholder", "fails", 7, ["placeholder"], words=["YOUR_BUCKET_NAME"]),
    Right("w08-prefix-nostar", "fails", 10, ["resource-without-wildcard"], words=["acme-results/nimble/*"]),
    Right("w09-after-fix", "fails", 10, ["resource-without-wildcard"], words=["acme-results/nimble/*"]),
    Right("w09-prefix-noslash", "fails", 10, ["resource-without-wildcard"], words=["acme-results/nimble/*"]),
    Right("w10-s3url-resource", "fails", 7, ["invalid-resource"], words=["a policy names an ARN"]),
    Right("w11-headbucket-action", "holds", 7, ["operation-not-action"], words=["authorised as s3:ListBucket"]),
    Right("w16-aida", "holds", 7, ["deleted-principal"], words=["AIDAXYZABCDEF12345678"]),
    Right("w17-aida-alone", "holds", 7, ["deleted-principal"], words=["AROAXYZABCDEF12345678"]),
    Right("w25-oai", "holds", 0, not_has=["invalid-principal"]),
    Right("w25b-oai", "holds", 0, not_has=["invalid-principal"]),
    Right("w33-getbucketpolicy-wrapper", "holds", 0),
    Right("w34-tf-state-ish", "holds", 0),
    Right("w36-express", "fails", 7, ["directory-bucket"]),
    Right("x08-string", "holds", 0),
]


def checked(path: Path, name: str) -> Any:
    """Return the run of ``policy check``, as JSON."""
    arguments = ["--mode", "async", "--bucket", bucket_of(name), "--prefix", "nimble/"]
    return run("policy", "check", path, *arguments, "--format", "json")


@pytest.mark.parametrize("right", CASES, ids=lambda right: right.name)
def test_the_right_value_and_the_same_from_explain(right: Right, tmp_path: Path) -> None:
    path = CORPUS / f"{right.name}.json"
    ended = checked(path, right.name)
    validate("policy-check", ended.document)
    codes = {each["code"] for each in ended.document["findings"]}
    assert (ended.document["state"], ended.code) == (right.state, right.code), codes
    assert codes >= set(right.has)
    assert not codes & set(right.not_has)
    for word in right.words:
        assert word in ended.out
    scheme = "gs" if right.name.startswith("g") else "s3"
    options: list[str | Path] = ["--mode", "async", "--policy", path]
    if scheme == "s3":
        settings = json.loads((CORPUS / "settings-ok.json").read_text())
        saved = tmp_path / "settings.json"
        saved.write_text(json.dumps({**settings, "bucket": bucket_of(right.name)}))
        options += ["--settings", saved]
    location = f"{scheme}://{bucket_of(right.name)}/nimble/"
    explained = run("explain", location, *options, "--format", "json")
    assert explained.code == right.code, explained.out
    states = {each["id"]: each["state"] for each in explained.document["explanations"][0]["requirements"]}
    assert states == {each["requirement"]: each["state"] for each in ended.document["verdicts"]}


@pytest.mark.parametrize("right", CASES, ids=lambda right: right.name)
def test_a_followed_fix_ends_green(right: Right, tmp_path: Path) -> None:
    path = CORPUS / f"{right.name}.json"
    command = checked(path, right.name).document["command"]
    assert (command is None) is (right.code == 0)
    if command is None:
        return
    merged = run(*shlex.split(command)[1:])
    assert merged.code == 0, merged.err
    fixed = tmp_path / "fixed.json"
    fixed.write_text(merged.out)
    again = checked(fixed, right.name)
    assert again.code == 0, again.out
    assert again.document["command"] is None


@pytest.mark.parametrize(
    "name", ["d02-orgid-accounts-missing", "d20-vpce-or", "d27-principalArn-star-role", "e01-vpceorg"]
)
def test_one_guardrail_is_one_finding_that_quotes_it(name: str) -> None:
    findings = checked(CORPUS / f"{name}.json", name).document["findings"]
    (denied,) = [each for each in findings if each["severity"] == "error"]
    assert len(denied["consequences"]) == 3
    assert '"Condition":{' in denied["message"]


@pytest.mark.parametrize("name", ["d04-tls12", "d06-tls-and-secure", "e10-tls-11", "f5-ssec-guard", "f5-tls12-guard"])
def test_no_exemption_where_an_assumption_decides(name: str) -> None:
    arguments = ["--mode", "async", "--bucket", bucket_of(name), "--prefix", "nimble/"]
    merged = run("policy", "merge", CORPUS / f"{name}.json", *arguments)
    assert merged.code == 0
    assert "--exempt" not in merged.err
    assert "--exempt" not in checked(CORPUS / f"{name}.json", name).out


@pytest.mark.parametrize("name", ["f3-buckettag-live-policy", "f3-oai-live-policy", "live-oai", "w25-oai", "w25b-oai"])
def test_what_a_bucket_stores_already_is_never_refused(name: str) -> None:
    arguments = ["--mode", "async", "--bucket", bucket_of(name), "--prefix", "nimble/"]
    merged = run("policy", "merge", CORPUS / f"{name}.json", *arguments)
    assert merged.code == 0, merged.err
    assert "error:" not in merged.err


@pytest.mark.parametrize("name", ["w16-aida", "w17-aida-alone"])
def test_a_deleted_principal_is_taken_out_of_its_list(name: str) -> None:
    path = CORPUS / f"{name}.json"
    arguments = ["--mode", "async", "--bucket", "acme-results", "--prefix", "nimble/"]
    refused = run("policy", "merge", path, *arguments)
    assert refused.code == 7
    assert "--without-principal A" in refused.err
    (gone,) = {each for each in shlex.split(refused.err.splitlines()[-1]) if each.startswith(("AIDA", "AROA"))}
    merged = run("policy", "merge", path, *arguments, "--without-principal", gone)
    assert merged.code == 0
    others = [each for each in json.loads(merged.out)["Statement"] if each["Sid"] == "Old"]
    kept = [each["Principal"] for each in others]
    assert kept == ([{"AWS": "arn:aws:iam::111122223333:role/etl"}] if name == "w16-aida" else [])


def test_an_exemption_gives_no_more_than_the_contract(tmp_path: Path) -> None:
    given = CORPUS / "f12-exempt-whole-deny.json"
    arguments = ["--mode", "async", "--bucket", "acme", "--prefix", "nimble/"]
    merged = run("policy", "merge", given, *arguments, "--exempt")
    assert merged.code == 0, merged.err

    def effect(action: str, key: str, *, address: str) -> str:
        request = {
            "policy": json.loads(merged.out),
            "principal": "arn:aws:iam::744254827463:user/webit-uploader",
            "action": action,
            "resource": f"arn:aws:s3:::acme/{key}",
            "context": {
                "aws:SourceIp": address,
                "aws:PrincipalArn": "arn:aws:iam::744254827463:user/webit-uploader",
            },
        }
        path = tmp_path / "request.json"
        path.write_text(json.dumps(request))
        ended = run("policy", "simulate", "--requests", path)
        validate("policy-simulate", json.loads(ended.out))
        found: str = json.loads(ended.out)["effect"]
        return found

    assert effect("s3:PutObject", "nimble/1.json", address="198.51.100.7") == "allowed"
    assert effect("s3:DeleteObject", "nimble/1.json", address="198.51.100.7") == "explicitly_denied"
    assert effect("s3:GetObject", "private/1.json", address="198.51.100.7") == "explicitly_denied"
    assert effect("s3:GetObject", "private/1.json", address="203.0.113.9") == "allowed", "as before"


@dataclass(frozen=True)
class OfKey:
    """The right value of a bucket's settings with its key's policy."""

    name: str
    code: int
    has: Sequence[str] = ()
    words: Sequence[str] = ()


@pytest.mark.parametrize(
    "right",
    [
        OfKey("k02-ctx-object-only-bucketkey", 10, ["requirement-missing"]),
        OfKey("k03-ctx-object-only-nobucketkey", 0),
        OfKey("k04-ctx-bucket-only-bucketkey", 0),
        OfKey("k09-aws-s3-empty", 10, ["managed-key"], ["no longer cover new objects"]),
        OfKey("k10-alias-aws-s3", 10, ["managed-key"], ["no longer cover new objects"]),
        OfKey("k11-managed-by-arn", 10, ["managed-key"], ["no longer cover new objects"]),
        OfKey("k21-encrypt-only", 10, ["requirement-missing"], ["kms:Decrypt", "not needed for delivery"]),
        OfKey("k32-objectlock", 0, ["object-lock"], ["checksum"]),
        OfKey("k36-eusc", 10, ["wrong-partition"], ["aws-eusc"]),
    ],
    ids=lambda right: right.name,
)
def test_keys_and_settings(right: OfKey, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(DOCUMENTED))
    options: list[str | Path] = ["--policy", policy, "--settings", CORPUS / f"{right.name}.settings.json"]
    key_policy = CORPUS / f"{right.name}.key.json"
    if key_policy.exists():
        options += ["--key-policy", key_policy]
    ended = run("explain", "s3://acme-results/nimble/", "--mode", "async", *options, "--format", "json")
    validate("explain", ended.document)
    (explanation,) = ended.document["explanations"]
    assert ended.code == right.code, explanation["gaps"]
    assert {each["code"] for each in explanation["gaps"]} >= set(right.has)
    for word in right.words:
        assert word in ended.out


def test_an_identity_policy_is_named() -> None:
    ended = checked(CORPUS / "w03-iam-policy-no-principal.json", "w03")
    assert ended.code == 7
    assert "this is an identity policy: a bucket or key policy names a Principal" in ended.out


@pytest.mark.parametrize(
    ("roles", "code"), [(["roles/storage.objectCreator"], 0), (["roles/storage.objectViewer"], 10), ([], 10)]
)
def test_inherited_roles_decide_where_they_are_given(roles: Sequence[str], code: int, tmp_path: Path) -> None:
    member = "serviceAccount:nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"
    inherited = tmp_path / "inherited.json"
    bindings = [{"role": each, "members": [member]} for each in roles]
    inherited.write_text(json.dumps([{"id": "p", "type": "project", "policy": {"bindings": bindings, "etag": "B"}}]))
    path = CORPUS / "g16-none.json"
    arguments: list[str | Path] = ["--mode", "async", "--inherited", inherited, "--format", "json"]
    checked = run("policy", "check", path, "--bucket", "acme-gcs", "--prefix", "nimble/", *arguments)
    explained = run("explain", "gs://acme-gcs/nimble/", "--policy", path, *arguments)
    assert (checked.code, explained.code) == (code, code), explained.out
    validate("policy-check", checked.document)
    validate("explain", explained.document)
    outcome = {0: "ok", 10: "not_granted"}[code]
    assert checked.document["gate"]["outcome"] == outcome
    assert explained.document["explanations"][0]["gate"]["outcome"] == outcome


def test_the_options_of_the_gate_are_in_the_document(tmp_path: Path) -> None:
    path = CORPUS / "d12-sse-null.json"
    reason = "condition:s3:x-amz-server-side-encryption"
    arguments = ["--mode", "async", "--accept-unknown", reason, "--fail-on", "warning", "--format", "json"]
    checked = run("policy", "check", path, "--bucket", "acme-results", "--prefix", "nimble/", *arguments)
    wanted = {"outcome": "findings", "causes": ["beyond-prefix"], "fail_on": "warning", "accepted": [reason]}
    assert (checked.code, checked.document["gate"]) == (10, wanted)
    settings = CORPUS / "settings-ok.json"
    explained = run("explain", "s3://acme-results/nimble/", "--policy", path, "--settings", settings, *arguments)
    assert (explained.code, explained.document["explanations"][0]["gate"]) == (10, wanted)
    table = run("policy", "check", path, "--bucket", "acme-results", "--prefix", "nimble/", *arguments[:-2])
    assert table.out.splitlines()[-2:] == [
        f"accepted although unknown: {reason}",
        "stopped by --fail-on: beyond-prefix",
    ]
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{")
    refused = run("policy", "check", damaged, "--bucket", "acme-results", *arguments)
    validate("policy-check", refused.document)
    assert refused.document["gate"] == {
        "outcome": "invalid",
        "causes": ["not-json"],
        "fail_on": "warning",
        "accepted": [],
    }
