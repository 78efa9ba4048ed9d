"""``policy merge``: the merged document, its errors and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.access.policy.policy_command import ASYNC, GUARD, run


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
