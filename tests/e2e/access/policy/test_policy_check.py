"""``policy check`` of a file: its output, its errors and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.commands.output_schemas import validate
from tests.e2e.access.policy.policy_command import ASYNC, KEY, run


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
