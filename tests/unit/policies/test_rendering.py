"""Rendered documents, parsed back by the tools that read them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import hcl2
import pytest

import policies
from policies import ContractError, render

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ASYNC = policies.contract("async")
JOBS = policies.contract("jobs")
GCS = policies.contract("async", "gs")
AWKWARD = "o'u\"t/*?/${x}%{y}/"


def target(contract: policies.AccessContract, prefix: str | None = AWKWARD, **options: Any) -> policies.Target:
    return policies.target(contract, "bkt", prefixes={contract.prefixes[-1].name: prefix}, **options)


def from_hcl(value: Any) -> str:
    """Return the text of a string in the parsed HCL: its quotes, escapes and template signs undone."""
    text: str = json.loads(value)
    return text.replace("$${", "${").replace("%%{", "%{").replace("&{", "${")


def from_terraform(block: dict[str, Any]) -> dict[str, Any]:
    """Return the policy that an aws_iam_policy_document stands for."""
    statements = []
    for each in block["statement"]:
        (principals,) = each["principals"]
        assert from_hcl(principals["type"]) == "AWS"
        statement = {
            "Sid": from_hcl(each["sid"]),
            "Effect": from_hcl(each["effect"]),
            "Principal": {"AWS": [from_hcl(one) for one in principals["identifiers"]]},
            "Action": [from_hcl(one) for one in each["actions"]],
            "Resource": [from_hcl(one) for one in each["resources"]],
        }
        statements.append(statement)
    return {"Version": from_hcl(block["version"]), "Statement": statements}


def meaning(policy: policies.PolicyDocument) -> list[tuple[Any, ...]]:
    return [(each.sid, each.effect, each.principals, each.actions, each.resources) for each in policy.statements]


def blocks(text: str, kind: str, name: str) -> dict[str, Any]:
    found = hcl2.loads(text)
    return {
        json.loads(label): block
        for each in found[kind]
        for outer, inner in each.items()
        if json.loads(outer) == name
        for label, block in inner.items()
    }


@pytest.mark.parametrize("contract", [ASYNC, JOBS], ids=["async", "jobs"])
def test_terraform_yields_the_same_policy(contract: policies.AccessContract) -> None:
    where = target(contract, key_arn=KEY)
    policy, key = policies.generate(contract, where), policies.generate_key_statement(contract, where)
    found = blocks(render("terraform", where, policy, key), "data", "aws_iam_policy_document")
    bucket = policies.document(from_terraform(found["nimble_bucket"]))
    assert meaning(bucket) == meaning(policy)
    assert meaning(policies.document(from_terraform(found["nimble_key"]))) == meaning(key)
    assert policies.prove(contract, where, bucket).complete


def test_terraform_replaces_the_whole_policy_only_on_demand() -> None:
    where = target(ASYNC)
    policy = policies.generate(ASYNC, where)
    assert "resource" not in hcl2.loads(render("terraform", where, policy))
    whole = blocks(render("terraform", where, policy, whole=True), "resource", "aws_s3_bucket_policy")
    assert from_hcl(whole["nimble"]["bucket"]) == "bkt"
    assert "aws_iam_policy_document.nimble_bucket.json" in whole["nimble"]["policy"]


@pytest.mark.parametrize("prefix", [None, AWKWARD])
def test_terraform_for_cloud_storage(prefix: str | None) -> None:
    where = target(GCS, prefix)
    policy = policies.generate(GCS, where)
    found = blocks(render("terraform", where, policy), "resource", "google_storage_bucket_iam_member")
    member = found["nimble"]
    binding: dict[str, Any] = {"role": from_hcl(member["role"]), "members": [from_hcl(member["member"])]}
    if prefix:
        (condition,) = member["condition"]
        text = json.loads(condition["expression"]).replace("$${", "${").replace("%%{", "%{")
        # Outside IAM's documents Terraform knows no &{…}.
        assert "&{" not in text
        binding["condition"] = {"expression": text}
    assert policies.prove(GCS, where, policies.document({"bindings": [binding]})).complete


@pytest.mark.parametrize("contract", [ASYNC, JOBS], ids=["async", "jobs"])
def test_cloudformation_yields_the_same_policy(contract: policies.AccessContract, tmp_path: Path) -> None:
    where = target(contract, "out/", key_arn=KEY)
    policy, key = policies.generate(contract, where), policies.generate_key_statement(contract, where)
    text = render("cloudformation", where, policy, key)
    template = tmp_path / "template.json"
    template.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from cfnlint.runner import main; main()", template],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    value = json.loads(text)
    resource = value["Resources"]["NimbleBucketPolicy"]["Properties"]
    assert resource == {"Bucket": "bkt", "PolicyDocument": policy.value}
    assert value["Metadata"] == {"NimbleKeyPolicyStatement": key.value}


def test_cloudformation_shows_what_it_cannot() -> None:
    with pytest.raises(ContractError, match="knows no Google Cloud Storage"):
        render("cloudformation", target(GCS), policies.generate(GCS, target(GCS)))
    with pytest.raises(ContractError, match="only where it owns the key"):
        render("cloudformation", target(ASYNC), None, policies.generate_key_statement(ASYNC, target(ASYNC)))
    whole = render(
        "cloudformation",
        target(ASYNC),
        policies.generate(ASYNC, target(ASYNC)),
        policies.generate_key_policy(ASYNC, target(ASYNC), "1" * 12),
    )
    assert "NimbleKeyPolicy" in json.loads(whole)["Metadata"]


def run(
    script: str, tmp_path: Path, answer: str, code: int
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Run a script with programs named aws and gcloud that write down how they were called."""
    log = tmp_path / "calls"
    for name in ("aws", "gcloud"):
        program = tmp_path / name
        program.write_text(
            f"#!{sys.executable}\nimport json, sys\n"
            f"open({str(log)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
            f"if 'get-bucket-policy' in sys.argv: print({answer!r}); sys.exit({code})\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh"], input=script, capture_output=True, text=True, env={"PATH": path}, timeout=60, check=False
    )
    calls = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    return done, calls


MISSING = "An error occurred (NoSuchBucketPolicy) when calling the GetBucketPolicy operation"


def test_the_script_puts_the_policy_where_none_is(tmp_path: Path) -> None:
    where = target(ASYNC, key_arn=KEY)
    policy, key = policies.generate(ASYNC, where), policies.generate_key_statement(ASYNC, where)
    done, calls = run(render("cli", where, policy, key), tmp_path, MISSING, 254)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert calls[1][:-1] == ["s3api", "put-bucket-policy", "--bucket", "bkt", "--policy"]
    assert json.loads(calls[1][-1]) == policy.value
    assert len(calls) == 2, "the key keeps its policy"


@pytest.mark.parametrize(("answer", "code"), [('{"Statement": []}', 0), ("An error occurred (AccessDenied)", 254)])
def test_the_script_replaces_no_policy(tmp_path: Path, answer: str, code: int) -> None:
    where = target(ASYNC)
    done, calls = run(render("cli", where, policies.generate(ASYNC, where)), tmp_path, answer, code)
    assert done.returncode == 1
    assert done.stderr
    assert len(calls) == 1


def test_the_script_puts_a_whole_key_policy(tmp_path: Path) -> None:
    where = target(ASYNC, key_arn=KEY)
    whole = policies.generate_key_policy(ASYNC, where, "111122223333")
    done, (call,) = run(render("cli", where, None, whole), tmp_path, "", 0)
    assert done.returncode == 0
    assert call[:-1] == ["kms", "put-key-policy", "--key-id", KEY, "--policy"]
    assert json.loads(call[-1]) == whole.value
    unnamed = target(ASYNC)
    assert "KEY_ARN" in render("cli", unnamed, None, policies.generate_key_statement(ASYNC, unnamed))


@pytest.mark.parametrize("prefix", [None, "out/", "a,b/", AWKWARD])
def test_the_script_adds_a_binding(tmp_path: Path, prefix: str | None) -> None:
    where = target(GCS, prefix)
    policy = policies.generate(GCS, where)
    done, (call,) = run(render("cli", where, policy), tmp_path, "", 0)
    assert done.returncode == 0
    assert call[:4] == ["storage", "buckets", "add-iam-policy-binding", "gs://bkt"]
    options = dict(each.split("=", 1) for each in call[4:])
    binding: dict[str, Any] = {"role": options["--role"], "members": [options["--member"]]}
    condition = options["--condition"]
    if prefix is None:
        assert condition == "None"
    else:
        delimiter = ","
        if condition.startswith("^"):
            delimiter, condition = condition[1], condition[3:]
        binding["condition"] = dict(each.split("=", 1) for each in condition.split(delimiter))
    assert binding == policy.bindings[0].value


def test_json_is_the_document_alone_or_both_by_name() -> None:
    where = target(ASYNC)
    policy, key = policies.generate(ASYNC, where), policies.generate_key_statement(ASYNC, where)
    whole = policies.generate_key_policy(ASYNC, where, "111122223333")
    assert json.loads(render("json", where, policy)) == policy.value
    assert json.loads(render("json", where, None, key)) == key.value
    assert json.loads(render("json", where, policy, key)) == {
        "BucketPolicy": policy.value,
        "KeyPolicyStatement": key.value,
    }
    assert json.loads(render("json", where, policy, whole)) == {
        "BucketPolicy": policy.value,
        "KeyPolicy": whole.value,
    }
    with pytest.raises(ContractError, match="nothing to print"):
        render("json", where, None)


def test_scripts_are_quoted() -> None:
    where = target(ASYNC)
    line = render("cli", where, policies.generate(ASYNC, where)).splitlines()[-1]
    assert json.loads(shlex.split(line)[-1]) == policies.generate(ASYNC, where).value
