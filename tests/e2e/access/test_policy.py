"""``policy``: the installed command, its output, its errors and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts.commands import installed_command
from scripts.commands.installed_command import Ended
from scripts.commands.output_schemas import validate

NIMBLE = "arn:aws:iam::744254827463:user/webit-uploader"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ASYNC = ("--mode", "async", "--bucket", "bkt", "--prefix", "out")
GUARD = {
    "Sid": "OrgOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
    "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-abc"}},
}


def run(*arguments: str | Path, stdin: str = "", **variables: str) -> Ended:
    return installed_command.run("policy", *arguments, stdin=stdin, **variables)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A bucket policy that opens the bucket, and a guardrail of the customer's that shuts it again."""
    path = tmp_path / "policy.json"
    value = json.loads(run("show", *ASYNC).out)
    value["Statement"].insert(0, GUARD)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def current(tmp_path: Path) -> Path:
    path = tmp_path / "current.json"
    path.write_text(run("show", *ASYNC).out, encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", [(), ("show",), ("check",), ("simulate",), ("diff",), ("merge",)])
def test_every_verb_has_help_with_examples(verb: tuple[str, ...]) -> None:
    done = run(*verb, "--help")
    assert done.code == 0
    assert "nimble-harvester policy" in done.out
    assert "Example" in done.out


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


def test_flags_can_come_from_the_environment() -> None:
    done = run("show", "--mode", "async", NIMBLE_HARVESTER_POLICY_SHOW_BUCKET="from-environment")
    assert "arn:aws:s3:::from-environment" in done.out


class TestCheck:
    def test_a_policy_that_opens_the_bucket(self, current: Path) -> None:
        done = run("check", current, *ASYNC)
        assert done.code == 0
        assert "ok       s3:PutObject on prefix" in done.out
        assert "not proven by documents" in done.out

    def test_a_policy_that_shuts_it(self, policy: Path) -> None:
        done = run("check", policy, *ASYNC)
        assert done.code == 10
        assert "FAILS    s3:" in done.out
        assert "statement 1 (OrgOnly)" in done.out
        assert '"StringNotEquals":{"aws:PrincipalOrgID":"o-abc"}' in done.out

    def test_json_carries_verdicts_chips_and_findings(self, policy: Path) -> None:
        done = run("check", policy, *ASYNC, "--format", "json")
        assert done.code == 10
        value = json.loads(done.out)
        assert value["schema"] == "urn:nimble-harvester:policy-check:v1"
        assert (value["complete"], value["state"], value["kind"]) == (False, "fails", "s3")
        assert {each["state"] for each in value["verdicts"]} == {"fails"}
        assert value["verdicts"][0]["statements"] == [{"index": 0, "sid": "OrgOnly"}]
        assert value["chips"]["read"]["text"] == "✗ Access denied"
        assert value["findings"][0]["code"] == "requirement-denied"
        validate("policy-check", value)

    def test_jsonl_is_a_line_each(self, current: Path) -> None:
        done = run("check", current, *ASYNC, "--format", "jsonl")
        kinds = [json.loads(line)["type"] for line in done.out.splitlines()]
        assert kinds == ["verdict"] * 3 + ["finding", "summary"]

    def test_a_document_from_standard_input(self, current: Path) -> None:
        done = run("check", "-", *ASYNC, stdin=current.read_text(encoding="utf-8"))
        assert done.code == 0

    def test_the_keys_policy_beside_it(self, current: Path, tmp_path: Path) -> None:
        key = tmp_path / "key.json"
        key.write_text(run("show", *ASYNC, "--document", "key").out, encoding="utf-8")
        done = run("check", current, *ASYNC, "--key-policy", key, "--kms-key", KEY, "--format", "json")
        assert done.code == 0
        assert any(each["requirement"] == "kms:GenerateDataKey on key" for each in json.loads(done.out)["verdicts"])
        assert run("check", key, *ASYNC).code == 0
        both = run("check", "-", *ASYNC, "--key-policy", "-")
        assert both.code == 2

    def test_severities_decide_the_exit(self, current: Path) -> None:
        value = json.loads(current.read_text(encoding="utf-8"))
        value["Statement"][1]["Action"].append("s3:DeleteObject")
        current.write_text(json.dumps(value), encoding="utf-8")
        assert run("check", current, *ASYNC).code == 0
        assert run("check", current, *ASYNC, "--fail-on", "warning").code == 10

    def test_a_policy_of_cloud_storage(self, tmp_path: Path) -> None:
        path = tmp_path / "gcs.json"
        path.write_text(run("show", *ASYNC, "--cloud", "gs").out, encoding="utf-8")
        assert run("check", path, *ASYNC).code == 0
        assert run("check", path, *ASYNC, "--cloud", "s3").code == 2
        assert run("check", path, "--mode", "jobs", "--bucket", "bkt").code == 2

    @pytest.mark.parametrize(
        ("text", "code", "printed"),
        [
            ('{"Statement": [],}', "not-json", "line 1, column 18\n  a comma before '}'\n"),
            ("{\n // ours\n}", "not-json", "line 2, column 2\n  a comment; JSON has none\n"),
            (
                '{"Statement": [{"Effect": "Allow"}]}',
                "not-a-policy",
                "at $.Statement[0]\n  this is an identity policy: a bucket or key policy names a Principal",
            ),
            ("", "not-json", "line 1, column 1\n  the document is empty\n"),
        ],
    )
    def test_a_document_that_does_not_parse(self, tmp_path: Path, text: str, code: str, printed: str) -> None:
        path = tmp_path / "broken.json"
        path.write_text(text, encoding="utf-8")
        done = run("check", path, *ASYNC)
        assert (done.code, done.out) == (7, "")
        assert done.err.startswith(f"error: {path}, {printed}")
        done = run("check", path, *ASYNC, "--format", "json")
        assert done.code == 7
        assert [each["code"] for each in json.loads(done.out)["findings"]] == [code]
        assert path.read_text(encoding="utf-8") == text

    def test_a_document_longer_than_any_policy_is_not_judged(self, current: Path, tmp_path: Path) -> None:
        text = current.read_text()
        for size, code in ((1024**2, 0), (1024**2 + 1, 2)):
            (tmp_path / "long.json").write_text(text + " " * (size - len(text)))
            for ended in (
                run("check", tmp_path / "long.json", *ASYNC),
                run("check", "-", *ASYNC, stdin=(tmp_path / "long.json").read_text()),
            ):
                assert ended.code == code
                assert ("longer than 1,048,576 bytes" in ended.err) == bool(code)
                assert ("--max-policy-bytes" in ended.err) == bool(code)
        assert run("check", tmp_path / "long.json", *ASYNC, "--max-policy-bytes", "2MiB").code == 0

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        for name, printed in (
            (tmp_path / "none.json", "No such file"),
            (tmp_path, "Is a directory"),
            ("s3://bkt", "not a file"),
        ):
            done = run("check", name, *ASYNC)
            assert done.code == 2
            assert printed in done.err


class TestSimulate:
    def line(self, **fields: Any) -> str:
        statement = {
            "Sid": "A",
            "Effect": "Allow",
            "Principal": {"AWS": NIMBLE},
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::bkt/*",
        }
        request: dict[str, Any] = {
            "id": 1,
            "policy": {"Version": "2012-10-17", "Statement": [statement]},
            "principal": NIMBLE,
            "action": "s3:PutObject",
            "resource": "arn:aws:s3:::bkt/1",
            "context": {},
            "unknown": [],
        }
        return json.dumps({**request, **fields}) + "\n"

    def test_many_requests(self) -> None:
        guarded = json.loads(self.line())["policy"]
        guarded["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
        lines = [
            self.line(),
            self.line(id="two", principal="*"),
            "\n",
            self.line(id=3, policy=guarded, unknown=["*"]),
            self.line(id=4, policy=[json.loads(self.line())["policy"], {"Statement": [GUARD]}]),
            self.line(id=5, policy=guarded, context={"aws:SourceVpce": "vpce-1"}),
        ]
        done = run("simulate", "--requests", "-", stdin="".join(lines))
        assert (done.code, done.err) == (0, "")
        assert [json.loads(line) for line in done.out.splitlines()] == [
            {"id": 1, "effect": "allowed", "statements": [{"index": 0, "sid": "A"}], "depends_on": []},
            {"id": "two", "effect": "implicitly_denied", "statements": [], "depends_on": []},
            {
                "id": 3,
                "effect": "unknown",
                "statements": [{"index": 0, "sid": "A"}],
                "depends_on": ["aws:SourceVpce"],
            },
            {
                "id": 4,
                "effect": "explicitly_denied",
                "statements": [{"index": 1, "sid": "OrgOnly"}],
                "depends_on": [],
            },
            {"id": 5, "effect": "allowed", "statements": [{"index": 0, "sid": "A"}], "depends_on": []},
        ]

    def test_a_broken_line_does_not_stop_the_rest(self, tmp_path: Path) -> None:
        duplicated = self.line(id=6).replace('"Sid": "A"', '"Sid": "A", "Sid": "B"')
        broken = [
            "{\n",
            "[]\n",
            '{"id": 2}\n',
            self.line(id=3, policy={"Statement": [{"Effect": "Allow"}]}),
            self.line(id=4, policy=5),
            self.line(id=5, context={"aws:X": None}),
            duplicated,
            self.line(id=7, principal=""),
            self.line(id=8, policy={"bindings": []}),
            self.line(id=9, policy=[{"Statement": []}, {}]),
            self.line(id=10, action=5),
        ]
        path = tmp_path / "requests.jsonl"
        path.write_text("".join([*broken, self.line(id="last")]), encoding="utf-8")
        done = run("simulate", "--requests", path)
        assert done.code == 3
        answers = [json.loads(line) for line in done.out.splitlines()]
        assert [each["id"] for each in answers] == [None, None, 2, 3, 4, 5, 6, 7, 8, 9, 10, "last"]
        assert all(set(each) == {"id", "error"} for each in answers[:-1])
        assert answers[-1]["effect"] == "allowed"
        assert (
            "$.Statement[0]: this is an identity policy: a bucket or key policy names a Principal in each statement"
            in answers[3]["error"]
        )
        assert 'the key "Sid" for the second time' in answers[6]["error"]
        assert "policy 2, at $: no Statement" in answers[9]["error"]
        assert "11 lines could not be answered" in done.err

    def test_one_request(self, policy: Path) -> None:
        asked = ("--principal", NIMBLE, "--action", "s3:PutObject", "--resource", "arn:aws:s3:::bkt/out/1")
        done = run("simulate", policy, *asked)
        assert (done.code, done.out) == (0, "explicitly_denied\n  statement 1 (OrgOnly)\n")
        done = run("simulate", policy, *asked, "--unknown", "*", "--format", "json")
        answer = json.loads(done.out)
        assert (answer["effect"], answer["depends_on"]) == ("unknown", ["aws:PrincipalOrgID"])
        done = run("simulate", policy, *asked, "--unknown", "aws:PrincipalOrgID")
        assert done.out == "unknown\n  statement 1 (OrgOnly)\n  decided by aws:PrincipalOrgID\n"
        done = run("simulate", policy, *asked, "--context", "aws:PrincipalOrgID=o-abc", "--format", "jsonl")
        assert json.loads(done.out)["effect"] == "allowed"

    def test_what_could_not_be_decided_names_the_cause(self, tmp_path: Path) -> None:
        base = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
        mixed: list[dict[str, dict[str, str]]] = [
            {"StringEquals": {"aws:SourceIp": "1.1.1.1"}},
            {"IpAddress": {"aws:SourceIp": "1.1.1.1"}},
        ]
        path = tmp_path / "mixed.json"
        path.write_text(json.dumps({"Statement": [{**base, "Condition": each} for each in mixed]}), encoding="utf-8")
        asked = (
            "--principal",
            "*",
            "--action",
            "s3:GetObject",
            "--resource",
            "arn:aws:s3:::bkt/1",
            "--unknown",
            "*",
        )
        assert "operators of different kinds" in run("simulate", path, *asked).out
        assert "different kinds" in json.loads(run("simulate", path, *asked, "--format", "json").out)["reason"]
        many = self.line(policy=json.loads(path.read_text(encoding="utf-8")), unknown=["*"])
        assert "different kinds" in json.loads(run("simulate", "--requests", "-", stdin=many).out)["reason"]

    @pytest.mark.parametrize(
        ("arguments", "printed"),
        [
            ([], "no policy"),
            (["FILE"], "--principal is missing"),
            (["FILE", "--principal", "*", "--action", "s3:GetObject"], "--resource is missing"),
            (["FILE", "--requests", "-"], "beside --requests"),
            (["--requests", "-", "--action", "s3:GetObject"], "--action beside --requests"),
            (["--requests", "-", "--format", "table"], "--format table with --requests"),
            (["--requests", "/nonexistent"], "cannot read /nonexistent"),
            (["FILE", "--principal", "*", "--action", "GetObject", "--resource", "*"], "--action s3:GetObject"),
            (
                ["FILE", "--principal", "*", "--action", "s3:GetObject", "--resource", "bkt/x"],
                "--resource arn:aws:s3:::bkt/x",
            ),
            (
                ["FILE", "--principal", "*", "--action", "a:b", "--resource", "*", "--context", "x"],
                "not KEY=VALUE: 'x'",
            ),
        ],
    )
    def test_usage(self, current: Path, arguments: list[str], printed: str) -> None:
        done = run("simulate", *(str(current) if each == "FILE" else each for each in arguments))
        assert done.code == 2
        assert printed in done.err


class TestMerge:
    def test_a_difference_is_shown_and_nothing_written(self, policy: Path) -> None:
        before = policy.read_bytes()
        done = run("diff", policy, "--mode", "async", "--bucket", "bkt", "--prefix", "new")
        assert done.code == 10
        assert '+      "Sid": "NimbleCloudDeliveryWrite2",' in done.out
        assert policy.read_bytes() == before

    def test_no_difference(self, policy: Path, current: Path) -> None:
        for path in (policy, current):
            done = run("diff", path, *ASYNC)
            assert (done.code, done.out) == (0, "")
            assert "nothing to change: the contract's statements are current" in done.err

    def test_a_merge_prints_the_document_and_proposes_the_exemption(self, policy: Path) -> None:
        done = run("merge", policy, *ASYNC)
        assert done.code == 10
        assert done.out == policy.read_text(encoding="utf-8"), "nothing of ours is missing, so nothing changes"
        assert "statement 1 (OrgOnly) denies Nimble" in done.err
        assert '+    "ArnNotEquals": {' in done.err
        assert "then the contract holds" in done.err

    def test_a_merge_exempts_on_demand_and_is_idempotent(self, policy: Path, tmp_path: Path) -> None:
        done = run("merge", policy, *ASYNC, "--exempt")
        assert done.code == 0
        once = tmp_path / "once.json"
        once.write_text(done.out, encoding="utf-8")
        assert run("check", once, *ASYNC).code == 0
        again = run("merge", once, *ASYNC, "--exempt")
        assert (again.code, again.out) == (0, done.out)

    def test_a_merge_into_what_is_not_ours(self, tmp_path: Path) -> None:
        path = tmp_path / "theirs.json"
        path.write_text('{"Version":"2012-10-17","Id":"x","Statement":[]}', encoding="utf-8")
        done = run("merge", path, *ASYNC)
        assert done.code == 0
        assert list(json.loads(done.out)) == ["Version", "Id", "Statement"]
        assert "1. add statement NimbleCloudDeliveryLocation" in done.err

    @pytest.mark.parametrize(
        ("text", "printed"),
        [
            ('{"Statement": [] // none\n}', "line 1, column 18"),
            (json.dumps({**GUARD, "Principal": {"AWS": "AIDAJQABLZS4A3QDU576Q"}}), "is a bare statement"),
            (
                json.dumps({"Statement": [{**GUARD, "Principal": {"AWS": "AIDAJQABLZS4A3QDU576Q"}}]}),
                "Invalid principal in policy",
            ),
            (
                json.dumps({"Statement": [{**GUARD, "Resource": ["arn:aws:s3:::bkt/" + "x" * 21_000]}]}),
                "20,480",
            ),
        ],
    )
    def test_what_is_refused(self, tmp_path: Path, text: str, printed: str) -> None:
        path = tmp_path / "policy.json"
        path.write_text(text, encoding="utf-8")
        done = run("merge", path, *ASYNC)
        assert (done.code, done.out) == (7, "")
        assert printed in done.err


def test_the_program_is_the_installed_one() -> None:
    assert shutil.which(installed_command.COMMAND)
