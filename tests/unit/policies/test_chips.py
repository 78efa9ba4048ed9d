"""What `check` expects Test Connection to show."""

from __future__ import annotations

from typing import Any

import policies
from tests.unit.policies.checked import ASYNC, JOBS, generated, report


class TestChips:
    def chips(self, value: Any, contract: policies.AccessContract = JOBS, **options: Any) -> dict[str, Any]:
        return {each.access: each for each in report(value, contract, **options).chips}

    def test_what_is_open_is_green(self) -> None:
        chips = self.chips(generated(JOBS))
        assert chips["read"].chip.text == "✓ Connection OK"
        assert "✓ Connection OK - prefix is empty" in chips["read"].note
        assert (chips["write"].chip.text, chips["write"].note) == ("✓ Connection OK", "")

    def test_what_is_shut_is_red(self) -> None:
        chips = self.chips({"Version": "2012-10-17", "Statement": []})
        assert chips["read"].chip.text == chips["write"].chip.text == "✗ Access denied"
        assert chips["read"].note == "head_bucket is denied"

    def test_async_can_only_be_red(self) -> None:
        chips = self.chips(generated(), ASYNC)
        assert chips["write"].chip.text == "✗ Access denied"

    def test_a_read_chip_does_not_exercise_reading(self) -> None:
        value = generated(JOBS)
        value["Statement"][1]["Action"] = "s3:PutObject"
        assert self.chips(value)["read"].chip.name == "ok"

    def test_the_write_chip_turns_on_the_residues_own_key(self) -> None:
        value = generated(JOBS)
        value["Statement"][2]["Resource"] = "arn:aws:s3:::bkt/output/.nimble-connection-test"
        assert self.chips(value)["write"].chip.name == "ok"
        value["Statement"][2]["Resource"] = "arn:aws:s3:::bkt/output/*.jsonl"
        assert self.chips(value)["write"].note == "put_object is denied"

    def test_what_is_not_known_has_no_chip(self) -> None:
        value = generated(JOBS)
        value["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
        chips = self.chips(value)
        assert chips["read"].chip is None
        assert chips["read"].note == "head_bucket is not decided"

    def test_only_the_prefixes_in_use_have_chips(self) -> None:
        only = policies.target(JOBS, "bkt", prefixes={"output": "o/"})
        assert list(self.chips(policies.generate(JOBS, only).value, target=only)) == ["write"]

    def test_the_write_chip_needs_the_key(self) -> None:
        empty = policies.document({"Version": "2012-10-17", "Statement": []}, kind="kms")
        assert self.chips(generated(JOBS), key_policy=empty)["write"].chip.name == "access_denied"
