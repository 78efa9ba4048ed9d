"""``policy show``: the document, its forms, and what it grants."""

from __future__ import annotations

import json

import pytest

from tests.e2e.access.policy.policy_command import ASYNC, KEY, NIMBLE, run


def test_show_prints_the_document_alone() -> None:
    done = run("show", *ASYNC)
    assert done.code == 0
    value = json.loads(done.out)
    assert [each["Sid"] for each in value["Statement"]] == [
        "NimbleCloudDeliveryLocation",
        "NimbleCloudDeliveryWrite",
    ]
    assert value["Statement"][1]["Resource"] == "arn:aws:s3:::bkt/out/*"
    assert done.err == f"async on s3: {NIMBLE}\n  prefix: s3://bkt/out/\n"


@pytest.mark.parametrize("form", ["json", "terraform", "cloudformation", "cli"])
@pytest.mark.parametrize("mode", ["async", "jobs"])
def test_show_prints_every_form(mode: str, form: str) -> None:
    done = run("show", "--mode", mode, "--bucket", "bkt", "--as", form, "--whole")
    assert done.code == 0
    assert "s3:PutObject" in done.out
    assert ("statements it does not hold are removed" in done.err) is (form in ("terraform", "cloudformation"))


def test_show_lists_what_is_granted() -> None:
    done = run("show", "--mode", "jobs", "--bucket", "bkt", "--input", "s3://bkt/in", "--kms-key", KEY)
    assert list(json.loads(done.out)) == ["BucketPolicy", "KeyPolicyStatement"]
    assert "input: s3://bkt/in/" in done.err
    assert "output: none given, none granted" in done.err
    assert "inferred" in done.err
    other = run("show", *ASYNC[:4], "--principal", "arn:aws:iam::999999999999:user/staging")
    assert "not the principal Nimble documents" in other.err
    assert "prefix: s3://bkt/ (the whole bucket)" in other.err


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--document", "key", "--kms-key", KEY], ["Sid", "Effect", "Principal", "Action", "Resource"]),
        (["--document", "bucket", "--kms-key", KEY], ["Version", "Statement"]),
        (["--whole-key-policy", "--account", "111122223333"], ["Version", "Statement"]),
        (
            ["--whole-key-policy", "--account", "111122223333", "--document", "both"],
            ["BucketPolicy", "KeyPolicy"],
        ),
        (["--as-documented", "--kms-key", KEY], ["BucketPolicy", "KeyPolicyStatement"]),
        (["--cloud", "gs"], ["bindings"]),
        (["--cloud", "gs", "--prefix", "out"], ["version", "bindings"]),
        (["--cloud", "gs", "--prefix", "out", "--no-condition"], ["bindings"]),
        (["--for", "reader", "--can", "sync,test"], ["Version", "Statement"]),
        (
            [
                "--for",
                "reader",
                "--can",
                "sync",
                "--reader",
                "arn:aws:iam::222233334444:role/r",
                "--account",
                "111122223333",
            ],
            ["identity", "bucket"],
        ),
        (["--for", "reader", "--can", "sync", "--cloud", "gs"], ["bindings"]),
    ],
)
def test_show_prints_the_document_asked_for(options: list[str], names: list[str]) -> None:
    done = run("show", "--mode", "async", "--bucket", "bkt", *options)
    assert done.code == 0, done.err
    assert list(json.loads(done.out)) == names


@pytest.mark.parametrize(("can", "noted"), [("sync,test", False), ("test,explain", True), ("apply", True)])
def test_a_reader_of_another_account_is_shown_what_no_grant_can_give(can: str, noted: bool) -> None:
    elsewhere = ("--reader", "arn:aws:iam::222233334444:role/r", "--account", "111122223333")
    done = run("show", "--mode", "async", "--bucket", "bkt", "--for", "reader", "--can", can, *elsewhere)
    assert done.code == 0
    assert ("explain and apply need a role of that account" in done.err) is noted


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--mode", "jobs", "--cloud", "gs"], "no contract for mode 'jobs' on 'gs'"),
        (["--mode", "async", "--input", "in"], "the async contract has no 'input' prefix"),
        (["--mode", "async", "--prefix", "s3://other/x"], "is not in the bucket"),
        (["--mode", "async", "--kms-key", "alias/mine"], "not the ARN of a KMS key"),
        (["--mode", "async", "--principal", "nimble"], "not the ARN of an IAM user"),
        (["--mode", "async", "--whole-key-policy"], "--whole-key-policy needs the key's account"),
        (["--mode", "async", "--cloud", "gs", "--document", "key"], "a key's policy on Google Cloud Storage"),
        (
            ["--mode", "async", "--cloud", "gs", "--as", "cloudformation"],
            "CloudFormation knows no Google Cloud Storage",
        ),
        (["--mode", "async", "--prefix", "x", "--as-documented"], "cannot be narrowed to a prefix"),
        (["--mode", "async", "--can", "sync"], "--can is for --for reader"),
        (["--mode", "async", "--for", "reader"], "no ability was asked for"),
        (["--mode", "async", "--for", "reader", "--can", "sync", "--as", "cli"], "printed as JSON"),
        (["--mode", "push"], "Invalid value for '--mode'"),
        ([], "Missing option '--mode'"),
    ],
)
def test_show_refuses_what_cannot_be(arguments: list[str], printed: str) -> None:
    done = run("show", "--bucket", "bkt", *arguments)
    assert (done.code, done.out) == (2, "")
    assert printed in done.err
    assert "Traceback" not in done.err
