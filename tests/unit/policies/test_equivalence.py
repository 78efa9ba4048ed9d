"""When two policies grant the same, however they are written."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policies.authoring.equivalence import same_meaning
from policies.language.documents import document

STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Principal": st.sampled_from(
            ["*", {"AWS": "123456789012"}, {"AWS": ["arn:aws:iam::123456789012:user/a", "123456789012"]}]
        ),
        "Action": st.lists(st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:*"]), min_size=1, unique=True),
        "Resource": st.lists(st.sampled_from(["arn:aws:s3:::b", "arn:aws:s3:::b/*"]), min_size=1, unique=True),
    },
    optional={"Sid": st.sampled_from(["A", "B"]), "Condition": st.just({"Bool": {"aws:SecureTransport": ["true"]}})},
)


def _rewritten(statement: dict[str, Any]) -> dict[str, Any]:
    """Return a statement as a service may hand it back."""

    def single(value: Any) -> Any:
        return (
            value[0]
            if isinstance(value, list) and len(value) == 1
            else value[::-1]
            if isinstance(value, list)
            else value
        )

    principal = statement["Principal"]
    if isinstance(principal, dict):
        named = principal["AWS"]
        named = [named] if isinstance(named, str) else named
        root = "arn:aws:iam::123456789012:root"
        principal = {"AWS": single([root if each == "123456789012" else each for each in named])}
    else:
        principal = {"AWS": "*"}
    changed = {**statement, "Principal": principal}
    changed["Action"] = single([each.upper().replace("S3:", "s3:") for each in statement["Action"]])
    changed["Resource"] = single(statement["Resource"])
    return changed


@given(st.lists(STATEMENTS, max_size=4))
def test_what_a_service_rewrites_means_the_same(statements: list[dict[str, Any]]) -> None:
    one = document({"Version": "2012-10-17", "Statement": statements}, kind="s3")
    other = document({"Version": "2012-10-17", "Statement": [_rewritten(each) for each in statements]}, kind="s3")
    assert same_meaning(one, other)


@given(st.lists(STATEMENTS, min_size=1, max_size=4), st.data())
def test_any_other_change_means_something_else(statements: list[dict[str, Any]], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(statements) - 1))
    field, value = data.draw(
        st.sampled_from(
            [
                ("Sid", "Changed"),
                ("Action", "s3:DeleteObject"),
                ("Resource", "arn:aws:s3:::b/other/*"),
                ("Principal", {"AWS": "999999999999"}),
                ("Condition", {"Bool": {"aws:SecureTransport": "false"}}),
            ]
        )
    )
    changed = [{**each, field: value} if at == index else each for at, each in enumerate(statements)]
    one = document({"Version": "2012-10-17", "Statement": statements}, kind="s3")
    other = document({"Version": "2012-10-17", "Statement": changed}, kind="s3")
    assert not same_meaning(one, other)
    assert not same_meaning(one, document({"Version": "2012-10-17", "Statement": statements[1:]}, kind="s3"))
