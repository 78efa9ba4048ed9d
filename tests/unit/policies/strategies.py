"""Policies, requests and contexts as hypothesis draws them: few names, so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NIMBLE = "arn:aws:iam::744254827463:user/webit-uploader"
OTHERS = (
    "*",
    "s3.amazonaws.com",
    "arn:aws:iam::744254827463:root",
    "arn:aws:iam::744254827463:user/crawlit-scrapy",
    "arn:aws:iam::111122223333:user/ann",
    "arn:aws:iam::111122223333:role/team",
    "arn:aws:sts::111122223333:assumed-role/team/session",
)
PRINCIPALS = (NIMBLE, *OTHERS)
ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:PutObjectAcl", "s3:ListBucket", "s3:DeleteObject")
RESOURCES = (
    "arn:aws:s3:::bkt",
    "arn:aws:s3:::bkt/out/1",
    "arn:aws:s3:::bkt/out/secret/1",
    "arn:aws:s3:::bkt/in/1",
)

_principal_values = st.sampled_from(
    [
        "*",
        {"AWS": "*"},
        {"AWS": NIMBLE},
        {"AWS": "744254827463"},
        {"AWS": ["arn:aws:iam::111122223333:root", NIMBLE]},
        {"AWS": "arn:aws:iam::111122223333:role/team"},
        {"Service": "s3.amazonaws.com"},
        {"AWS": ["arn:aws:iam::744254827463:root", NIMBLE]},
    ]
)
_action_values = st.sampled_from(
    [
        "*",
        "s3:*",
        "s3:PutObject",
        "S3:putobject",
        "s3:Put*",
        ["s3:GetObject", "s3:PutObject"],
        "s3:?utObject*",
    ]
)
_resource_values = st.sampled_from(
    [
        "*",
        ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
        "arn:aws:s3:::bkt/*",
        "arn:aws:s3:::bkt/out/*",
        "arn:aws:s3:::bkt/out/se?ret/*",
        "arn:aws:s3:::bkt/*/1",
        "arn:aws:s3:::bkt/${aws:username}/*",
        "arn:aws:s3:::bkt/${aws:username, 'out'}/*",
    ]
)
KEYS = (
    "aws:SourceIp",
    "aws:SourceVpce",
    "aws:username",
    "aws:SecureTransport",
    "s3:max-keys",
    "aws:TagKeys",
    "aws:PrincipalArn",
)
_conditions: st.SearchStrategy[tuple[str, str, Any]] = st.one_of(
    st.tuples(
        st.sampled_from(
            ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"]
        ).flatmap(lambda operator: st.sampled_from([operator, operator + "IfExists"])),
        st.sampled_from(["aws:SourceVpce", "aws:username", "AWS:sourcevpce"]),
        st.sampled_from(["out", "vpce-1", "vpce-*", ["vpce-1", "out"], "OUT", "*", "${aws:username}", "?ut"]),
    ),
    st.tuples(
        st.sampled_from(["Bool", "BoolIfExists"]),
        st.just("aws:SecureTransport"),
        st.sampled_from(["true", False]),
    ),
    st.tuples(
        st.sampled_from(["IpAddress", "NotIpAddress", "NotIpAddressIfExists"]),
        st.just("aws:SourceIp"),
        st.sampled_from(["10.0.0.0/8", ["10.1.0.0/16", "2001:db8::/32"], "10.1.2.3"]),
    ),
    st.tuples(
        st.sampled_from(["NumericLessThan", "NumericEquals", "NumericNotEquals", "NumericGreaterThanEquals"]),
        st.just("s3:max-keys"),
        st.sampled_from(["5", 10, ["5", "7"]]),
    ),
    st.tuples(
        st.sampled_from(["ForAllValues:StringEquals", "ForAnyValue:StringEquals", "ForAnyValue:StringNotEquals"]),
        st.just("aws:TagKeys"),
        st.sampled_from(["a", ["a", "b"]]),
    ),
    st.tuples(
        st.sampled_from(["ArnEquals", "ArnNotLike", "ArnLikeIfExists"]),
        st.just("aws:PrincipalArn"),
        st.sampled_from([NIMBLE, "arn:aws:iam::744254827463:user/*", "arn:aws:iam::*:role/*"]),
    ),
    st.tuples(st.just("Null"), st.sampled_from(KEYS), st.sampled_from(["true", "false"])),
)


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
    not_principal = statement["Effect"] == "Deny" and draw(st.integers(0, 9)) == 0
    statement["NotPrincipal" if not_principal else "Principal"] = draw(_principal_values)
    statement[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(_action_values)
    statement[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(_resource_values)
    conditions: dict[str, dict[str, Any]] = {}
    for operator, key, values in draw(st.lists(_conditions, max_size=2)):
        conditions.setdefault(operator, {})[key] = values
    if conditions:
        statement["Condition"] = conditions
    return statement


@st.composite
def policies(draw: st.DrawFn, max_size: int = 4) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": draw(st.lists(statements(), min_size=1, max_size=max_size))}


VALUES: dict[str, tuple[Any, ...]] = {
    "aws:SourceIp": ("10.1.2.3", "10.1.9.9", "10.200.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1"),
    "aws:SourceVpce": ("vpce-1", "vpce-2", "out", "OUT", "x", "but", "vpce-*", "?ut", "*"),
    "aws:username": ("out", "bob", "vpce-1", "in", "vpce-9", "OUT", "out/secret", "but", "vpce-*", "?ut", "*"),
    "aws:SecureTransport": ("true", "false"),
    "s3:max-keys": ("4", "5", "6", "7", "8", "10", "11"),
    "aws:TagKeys": ("a", "b", "c", ["a", "b"], ["a", "c"], ["a", "b", "c"], ["b", "c"]),
    "aws:PrincipalArn": (
        NIMBLE,
        "arn:aws:iam::744254827463:user/x",
        "arn:aws:iam::1:role/r",
        "arn:aws:iam::1:user/u",
    ),
}
"""Values that make a difference to the conditions drawn."""


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.sets(st.sampled_from(KEYS)))
    return {key: draw(st.sampled_from(VALUES[key])) for key in sorted(keys)}
