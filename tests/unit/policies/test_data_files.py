"""The tables of Regions and of global condition keys."""

from __future__ import annotations

import pytest

from policies.checks.global_keys import can_compare, global_key_type, similar_global_key
from policies.contracts.partitions import is_opt_in, partition_of


@pytest.mark.parametrize(
    ("region", "partition", "opt_in"),
    [
        ("us-east-1", "aws", False),
        ("ap-northeast-3", "aws", False),
        ("eu-south-2", "aws", True),
        ("mx-central-1", "aws", True),
        # A Region that is newer than the table, of the commercial partition by its name.
        ("eu-west-9", "aws", True),
        ("us-gov-west-1", "aws-us-gov", False),
        ("eusc-de-east-1", "aws-eusc", False),
        ("cn-north-1", "aws-cn", False),
        ("nowhere", "", False),
    ],
)
def test_what_an_account_must_enable(region: str, partition: str, opt_in: bool) -> None:
    assert (partition_of(region), is_opt_in(region)) == (partition, opt_in)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("aws:principalorgid", "string"),
        ("aws:principaltag/team", "string"),
        ("aws:assumedroot", "bool"),
        ("aws:sourcevpcarn", "arn"),
        ("aws:vpcsourceip", "ip"),
        ("aws:multifactorauthage", "numeric"),
        ("aws:ismcpserviceaction", "bool"),
        ("aws:principleorgid", None),
        ("aws:sourceinstancearn", None),
    ],
)
def test_the_type_of_a_global_key(key: str, kind: str | None) -> None:
    assert global_key_type(key) == kind


def test_operators_and_types() -> None:
    assert similar_global_key("aws:PrincipleOrgID") == "aws:PrincipalOrgID"
    assert similar_global_key("aws:Weather") is None
    assert can_compare("arn", "arn")
    assert not can_compare("numeric", "string")
    assert can_compare("like", "ip")
