"""``policy simulate``: the decision on a request, its output and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.access.policy.policy_command import GUARD, NIMBLE, run


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
            f'{{"id": 11, "policy": {"[" * 5_000}\n',
        ]
        path = tmp_path / "requests.jsonl"
        path.write_text("".join([*broken, self.line(id="last")]), encoding="utf-8")
        done = run("simulate", "--requests", path)
        assert done.code == 3
        answers = [json.loads(line) for line in done.out.splitlines()]
        assert [each["id"] for each in answers] == [None, None, 2, 3, 4, 5, 6, 7, 8, 9, 10, None, "last"]
        assert all(set(each) == {"id", "error"} for each in answers[:-1])
        assert answers[-1]["effect"] == "allowed"
        assert (
            "$.Statement[0]: this is an identity policy: a bucket or key policy names a Principal in each statement"
            in answers[3]["error"]
        )
        assert 'the key "Sid" for the second time' in answers[6]["error"]
        assert "policy 2, at $: no Statement" in answers[9]["error"]
        assert "12 lines could not be answered" in done.err

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
