"""Changes of a policy that remove or narrow what the contract does not need."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from tests.unit.policies.planned import ASYNC, GCS, GUARD, TEAM, merge, merged, ours, target


class TestRemovals:
    ROLE = "arn:aws:iam::111122223333:role/etl"

    def test_a_principal_leaves_its_neighbours(self) -> None:
        several = {**TEAM, "Principal": {"AWS": [self.ROLE, "AIDAXYZABCDEF12345678"]}}
        change = merged(several, without_principals=("AIDAXYZABCDEF12345678",))
        assert change.after.value["Statement"][0] == {**TEAM, "Principal": {"AWS": self.ROLE}}
        assert change.steps[0] == "remove AIDAXYZABCDEF12345678 from statement 1 (Team Read)"

    def test_a_lone_principal_takes_its_statement_along(self) -> None:
        change = merged(TEAM, GUARD, without_principals=("arn:aws:iam::111122223333:role/team",))
        assert change.after.value["Statement"] == [GUARD, *ours()]
        assert "names no other principal" in change.steps[0]

    def test_other_kinds_of_principals_stay(self) -> None:
        mixed = {**TEAM, "Principal": {"AWS": self.ROLE, "Service": "s3.amazonaws.com"}}
        change = merged(mixed, without_principals=(self.ROLE,))
        assert change.after.value["Statement"][0]["Principal"] == {"Service": "s3.amazonaws.com"}

    def test_a_guard_is_never_weakened(self) -> None:
        deny = {**GUARD, "Principal": {"AWS": self.ROLE}}
        with pytest.raises(policies.ContractError) as caught:
            merged(deny, without_principals=(self.ROLE,))
        assert "without weakening a guard" in caught.value.cause
        exempting = {**GUARD, "NotPrincipal": {"AWS": self.ROLE}}
        del exempting["Principal"]
        with pytest.raises(policies.ContractError):
            merged(exempting, without_principals=(self.ROLE,))

    def test_a_deleted_id_guards_nothing(self) -> None:
        deny = {**GUARD, "Principal": {"AWS": "AROAXYZABCDEF12345678"}}
        assert merged(deny, without_principals=("AROAXYZABCDEF12345678",)).after.value["Statement"] == ours()

    def test_a_deleted_id_leaves_a_list_of_exempted_principals(self) -> None:
        exempting = {**GUARD, "NotPrincipal": {"AWS": [self.ROLE, "AROAXYZABCDEF12345678"]}}
        del exempting["Principal"]
        change = merged(exempting, without_principals=("AROAXYZABCDEF12345678",))
        assert change.after.value["Statement"][0]["NotPrincipal"] == {"AWS": self.ROLE}
        alone = {**exempting, "NotPrincipal": {"AWS": "AROAXYZABCDEF12345678"}}
        with pytest.raises(policies.ContractError):
            merged(alone, without_principals=("AROAXYZABCDEF12345678",))

    @pytest.mark.parametrize(
        ("element", "named", "action"),
        [
            ("Principal", "AROAXYZABCDEF12345678", "REMOVE_PRINCIPAL"),
            ("NotPrincipal", "AROAXYZABCDEF12345678", "EDIT"),
            ("Principal", "arn:aws:iam::111122223333:user/*", "EDIT"),
            ("Principal", ASYNC.principal.replace("webit", "webbit"), ""),
            ("NotPrincipal", ASYNC.principal.replace("webit", "webbit"), "EDIT"),
        ],
    )
    def test_a_removal_is_advised_where_it_can_be_made(self, element: str, named: str, action: str) -> None:
        deny = {**GUARD, element: {"AWS": named}}
        if element == "NotPrincipal":
            del deny["Principal"]
        document = policies.document({"Version": "2012-10-17", "Statement": [deny]})
        codes = ("deleted-principal", "invalid-principal", "principal-typo")
        found = [each for each in policies.check(ASYNC, target(), document).findings if each.code in codes]
        assert [each.fix.action.name for each in found] == ([action] if action else [])
        assert all(each.path == f"$.Statement[0].{element}" for each in found)

    @pytest.mark.parametrize("name", ["Team Read", "1"])
    def test_a_statement_goes_by_sid_or_number(self, name: str) -> None:
        change = merged(TEAM, GUARD, without_statements=(name,))
        assert change.after.value["Statement"] == [GUARD, *ours()]
        assert change.steps[0] == "remove statement 1 (Team Read): Allow s3:GetObject, s3:ListBucket"

    def test_what_is_not_there_cannot_be_removed(self) -> None:
        with pytest.raises(policies.ContractError) as caught:
            merged(TEAM, without_statements=("3",))
        assert caught.value.cause == "it has statement 1 (Team Read)"
        with pytest.raises(policies.ContractError):
            merged(TEAM, without_principals=("arn:aws:iam::111122223333:role/other",))

    def test_a_member_leaves_its_binding(self) -> None:
        wrong = "user:nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"
        binding = {"role": "roles/storage.objectCreator", "members": [wrong, "user:ann@example.com"]}
        change = merge(policies.document({"bindings": [binding]}), GCS, target(GCS, None), without_principals=(wrong,))
        assert change.after.value["bindings"][0]["members"] == ["user:ann@example.com"]
        alone = policies.document({"bindings": [{**binding, "members": [wrong]}]})
        assert len(merge(alone, GCS, target(GCS, None), without_principals=(wrong,)).after.bindings) == 1


class TestNarrow:
    def test_the_vendors_whole_bucket_grant_is_replaced(self) -> None:
        documented = policies.generate(ASYNC, target(prefix=None), as_documented=True).value["Statement"]
        change = merged(TEAM, *documented, narrow=True)
        assert change.after.value["Statement"] == [TEAM, *ours()]
        assert change.proof.complete
        assert change.steps[0] == "replace statement 2 (NimbleCloudDelivery), which goes beyond the contract"

    def test_what_is_within_the_contract_stays(self) -> None:
        assert not merged(TEAM, *ours(), narrow=True).changed

    @pytest.mark.parametrize(
        "change",
        [
            {"Principal": {"AWS": [ASYNC.principal, "111122223333"]}},
            {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            {"Effect": "Deny"},
        ],
    )
    def test_a_statement_that_is_not_for_nimble_alone_stays(self, change: dict[str, Any]) -> None:
        wide = {
            "Effect": "Allow",
            "Principal": {"AWS": ASYNC.principal},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::bkt/*",
            **change,
        }
        assert merged(wide, narrow=True).after.value["Statement"][0] == wide
