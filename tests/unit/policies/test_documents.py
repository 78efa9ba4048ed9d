"""Reading documents: what is refused and where, and what comes through unchanged."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies import GrammarError, ParseError
from policies.language.document_schemas import KINDS
from policies.language.strict_json import MAX_DEPTH, compact_json, dump_json, parse_json
from tests.unit.policies import strategies

LEGACY_KEY_POLICY = """{
 "Version": "2012-10-17",
 "Statement": [
  // ... your pre-existing statements ...
  {
   "Effect": "Allow",
   "Principal": {"AWS": "arn:aws:iam::744254827463:user/webit-uploader"},
   "Action": ["kms:Encrypt"],
   "Resource": "*"
  },
 ]
}
"""


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        (LEGACY_KEY_POLICY, 4, 3, "a comment; JSON has none"),
        (
            LEGACY_KEY_POLICY.replace("  // ... your pre-existing statements ...\n", ""),
            10,
            2,
            "a comma before ']'",
        ),
        ('{"a": 1, "b": 2,}', 1, 17, "a comma before '}'"),
        ('{"a": 1,\n "a": 2}', 2, 2, 'the key "a" for the second time in one object'),
        ('{"x": {"b": [{"k": 1, "k": 1}]}}', 1, 23, 'the key "k" for the second time in one object'),
        ("\ufeff{}", 1, 1, "a byte order mark (BOM) before the document"),
        (b"\xef\xbb\xbf{}", 1, 1, "a byte order mark (BOM) before the document"),
        ("[NaN]", 1, 2, "NaN is not a JSON value"),
        ("[-Infinity]", 1, 2, "-Infinity is not a JSON value"),
        ("", 1, 1, "the document is empty"),
        (" \n ", 2, 2, "the document is empty"),
        ("{'a': 1}", 1, 2, 'unexpected "\'"; expected a key in double quotes'),
        ("['a']", 1, 2, "single quotes; JSON strings are in double quotes"),
        ("{“a”: 1}", 1, 2, "a curly quote “; JSON strings are in straight ones"),
        ('{"a": ‘b’}', 1, 7, "a curly quote ‘; JSON strings are in straight ones"),
        ('\ndata "aws_iam_policy_document" "x" {}', 2, 1, "Terraform's language, not JSON"),
        ("bindings:\n- members:", 1, 1, "YAML, not JSON"),
        ("---\nVersion: '2012-10-17'", 1, 1, "YAML, not JSON"),
        ("- Effect: Allow", 1, 1, "YAML, not JSON"),
        ("arn:aws:s3:::bkt", 1, 1, "unexpected 'a'; expected a value"),
        ("policy", 1, 1, "unexpected 'p'; expected a value"),
        ('{"a" 1}', 1, 6, "expected ':' after a key"),
        ('{"a": 1 "b": 2}', 1, 9, "unexpected '\"'; expected ',' or '}'"),
        ('{"a": 1', 1, 8, "the document ends in the middle; expected ',' or '}'"),
        ('{"a": ', 1, 7, "the document ends in the middle"),
        ('{"a": 1,', 1, 9, "the document ends inside an object"),
        ("[1, 2", 1, 6, "the document ends in the middle; expected ',' or ']'"),
        ('{"a": tru}', 1, 7, "unexpected 't'; expected a value"),
        ("[01]", 1, 2, "not a JSON number"),
        ("[1.]", 1, 2, "not a JSON number"),
        ("[+1]", 1, 2, "unexpected '+'; expected a value"),
        ('["a', 1, 2, "a string that never ends"),
        ('["a\tb"]', 1, 4, "a control character inside a string"),
        ('["\\x"]', 1, 3, "not a JSON escape"),
        ('["\\u12"]', 1, 3, "not a JSON escape"),
        ('["\\ud83d"]', 1, 3, "an escape of half a surrogate pair"),
        ('["\\udc00\\ud83d"]', 1, 3, "an escape of half a surrogate pair"),
        ('["\ud83d"]', 1, 3, "a lone surrogate inside a string"),
        ("{} {}", 1, 4, "more text after the end of the document"),
        ("/* x */ {}", 1, 1, "a comment; JSON has none"),
        ("{} # done", 1, 4, "a comment; JSON has none"),
        (b'["\xff"]', 1, 3, "byte 0xff is not UTF-8"),
        ("{}".encode("utf-16"), 1, 1, "UTF-16 text"),
        ("[" * (MAX_DEPTH + 2), 1, MAX_DEPTH + 2, f"nested deeper than {MAX_DEPTH} levels"),
        ("[" * 100_000, 1, MAX_DEPTH + 2, f"nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: str | bytes, line: int, column: int, problem: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_json(text, source="policy.json")
    assert (caught.value.line, caught.value.column, caught.value.problem) == (line, column, problem)
    assert str(caught.value) == f"policy.json, line {line}, column {column}: {problem}"
    assert caught.value.code is not None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=_json, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_reads_what_json_reads(value: Any, indent: int | None, *, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse_json(text) == value
    assert json.loads(dump_json(parse_json(text))) == value
    assert json.loads(compact_json(parse_json(text))) == value


@given(st.text('{}[]",:\\u0aE+-.1trufalsn /#\n', max_size=14))
@settings(max_examples=300)
def test_refuses_what_json_refuses(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ParseError):
            parse_json(text)
        return
    if _is_stricter(text):
        return
    assert parse_json(text) == expected


def _is_stricter(text: str) -> bool:
    """Return whether a text is refused that the standard library accepts: a key twice, half a surrogate pair."""
    try:
        parse_json(text)
    except ParseError as error:
        return "second time" in error.problem or "surrogate" in error.problem
    return False


def test_numbers_come_through_as_they_were_written() -> None:
    text = '{"a":1.0,"b":1e999,"c":-0,"d":123456789012345678901234567890,"e":5,"f":"\\ud83d\\ude00"}'
    assert compact_json(parse_json(text)) == text.replace("\\ud83d\\ude00", "😀")
    assert dump_json({"a": {}, "b": [], "c": [1, {"d": "é"}]}) == (
        '{\n  "a": {},\n  "b": [],\n  "c": [\n    1,\n    {\n      "d": "é"\n    }\n  ]\n}\n'
    )


STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bkt/*"}


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in STATEMENT.items() if key != name}


BROKEN = [
    ([], "$", "a policy is a JSON object"),
    ({}, "$", "no Statement"),
    ({"BucketPolicy": {}, "KeyPolicyStatement": {}}, "$", "the bucket's policy and the key's statement in one object"),
    ({"Resources": {}}, "$", "a CloudFormation template, not a policy"),
    (
        {"Version": "2012-10-18", "Statement": []},
        "$.Version",
        "no version of the policy language: '2012-10-18'",
    ),
    (
        {"Version": ["2012-10-17"], "Statement": []},
        "$.Version",
        "no version of the policy language: ['2012-10-17']",
    ),
    ({"Statement": ["x"]}, "$.Statement[0]", "a statement is a JSON object"),
    ({"Statement": "x"}, "$.Statement", "a statement is a JSON object"),
    ({"Statement": [{**STATEMENT, "Sid": 5}]}, "$.Statement[0].Sid", "a Sid is a string"),
    ({"Statement": [_without("Effect")]}, "$.Statement[0].Effect", "no Effect"),
    ({"Statement": [{**STATEMENT, "Effect": "allow"}]}, "$.Statement[0].Effect", "no effect: 'allow'"),
    (
        {"Statement": [STATEMENT, _without("Principal")]},
        "$.Statement[1]",
        "this is an identity policy: a bucket or key policy names a Principal in each statement",
    ),
    (
        {"Statement": [{**STATEMENT, "NotPrincipal": "*"}]},
        "$.Statement[0]",
        "both Principal and NotPrincipal",
    ),
    ({"Statement": [_without("Action")]}, "$.Statement[0]", "neither Action nor NotAction"),
    ({"Statement": [{**STATEMENT, "NotAction": "*"}]}, "$.Statement[0]", "both Action and NotAction"),
    ({"Statement": [_without("Resource")]}, "$.Statement[0]", "neither Resource nor NotResource"),
    ({"Statement": [{**STATEMENT, "NotResource": "*"}]}, "$.Statement[0]", "both Resource and NotResource"),
    ({"Statement": [{**STATEMENT, "Action": []}]}, "$.Statement[0].Action", "an empty list"),
    (
        {"Statement": [{**STATEMENT, "Action": ["s3:*", 5]}]},
        "$.Statement[0].Action",
        "not a string, nor a list of strings",
    ),
    ({"Statement": [{**STATEMENT, "Resource": ""}]}, "$.Statement[0].Resource", "an empty string"),
    (
        {"Statement": [{**STATEMENT, "Principal": "ann"}]},
        "$.Statement[0].Principal",
        'neither "*" nor an object such as {"AWS": "ARN"}',
    ),
    ({"Statement": [{**STATEMENT, "Principal": {}}]}, "$.Statement[0].Principal", "names no principal"),
    (
        {"Statement": [{**STATEMENT, "Principal": {"Aws": "*"}}]},
        "$.Statement[0].Principal",
        "no kind of principal: 'Aws'",
    ),
    (
        {"Statement": [{**STATEMENT, "Principal": {"AWS": []}}]},
        "$.Statement[0].Principal.AWS",
        "an empty list",
    ),
    (
        {"Statement": [{**STATEMENT, "Principal": {"AWS": [1]}}]},
        "$.Statement[0].Principal.AWS",
        "not a string",
    ),
    (
        {"Statement": [{**STATEMENT, "Principal": {"AWS": ""}}]},
        "$.Statement[0].Principal.AWS",
        "an empty string",
    ),
    (
        {"Statement": [{**STATEMENT, "Condition": []}]},
        "$.Statement[0].Condition",
        "not an object of operators",
    ),
    (
        {"Statement": [{**STATEMENT, "Condition": {"Bool": "true"}}]},
        "$.Statement[0].Condition.Bool",
        "not an object of condition keys and their values",
    ),
    (
        {"Statement": [{**STATEMENT, "Condition": {"Bool": {"aws:X": {}}}}]},
        "$.Statement[0].Condition.Bool.aws:X",
        "not a string, number or boolean, nor a list of them",
    ),
    (
        {"Statement": [{**STATEMENT, "Condition": {"Boolean": {"aws:X": "true"}}}]},
        "$.Statement[0].Condition.Boolean",
        "no condition operator: 'Boolean'",
    ),
    (
        {"Statement": [{**STATEMENT, "Condition": {"Bool": {" ": "true"}}}]},
        "$.Statement[0].Condition.Bool",
        "a condition key without a name",
    ),
]


@pytest.mark.parametrize(("value", "path", "problem"), BROKEN)
def test_what_is_no_policy_is_refused_with_its_path(value: Any, path: str, problem: str) -> None:
    with pytest.raises(GrammarError) as caught:
        policies.parse(json.dumps(value), source="policy.json")
    assert (caught.value.path, caught.value.problem) == (path, problem)
    assert caught.value.code is not None
    assert str(caught.value).startswith(f"policy.json, at {path}: ")
    assert not _valid("s3", value)


BROKEN_BINDINGS = [
    ({"bindings": {}}, "$.bindings", "not a list of bindings"),
    ({"bindings": ["x"]}, "$.bindings[0]", "a binding is a JSON object"),
    ({"bindings": [{"members": []}]}, "$.bindings[0].role", "a binding names a role"),
    ({"bindings": [{"role": "r", "members": "x"}]}, "$.bindings[0].members", "not a list of members"),
    (
        {"bindings": [{"role": "r", "members": [5]}]},
        "$.bindings[0].members",
        "not a string, nor a list of strings",
    ),
    (
        {"bindings": [{"role": "r", "condition": {}}]},
        "$.bindings[0].condition",
        "a condition has an expression",
    ),
]


@pytest.mark.parametrize(("value", "path", "problem"), BROKEN_BINDINGS)
def test_what_is_no_gcs_policy_is_refused_with_its_path(value: Any, path: str, problem: str) -> None:
    with pytest.raises(GrammarError) as caught:
        policies.document(value)
    assert (caught.value.path, caught.value.problem) == (path, problem)
    assert caught.value.code is not None
    assert not _valid("gcs", value)


def _valid(kind: str, value: Any) -> bool:
    validator = jsonschema.Draft202012Validator(policies.schema(kind))
    return validator.is_valid(value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schemas_are_schemas(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(policies.schema(kind))


def test_there_is_no_schema_of_anything_else() -> None:
    with pytest.raises(policies.ContractError, match="no schema of 'azure'"):
        policies.schema("azure")


@given(strategies.policies())
@settings(max_examples=60)
def test_what_is_read_is_valid_by_the_schema(policy: dict[str, Any]) -> None:
    assert policies.document(policy).value == policy
    assert _valid("s3", policy)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"Statement": [STATEMENT]}, "s3"),
        ({"Statement": [{**STATEMENT, "Action": "kms:*", "Resource": "*"}]}, "kms"),
        ({"Statement": {**STATEMENT, "Action": "*", "Resource": "*"}}, "kms"),
        ({"Statement": [{**STATEMENT, "Action": "*", "Resource": "arn:aws:kms:*:*:key/*"}]}, "kms"),
        ({"Statement": [{**STATEMENT, "Action": "*"}]}, "s3"),
        ({"Statement": [{**STATEMENT, "Action": "s3:*", "Resource": "*"}]}, "s3"),
        ({"Statement": []}, "s3"),
        ({"bindings": []}, "gcs"),
        ({"etag": "ACAB"}, "gcs"),
        ({"version": 1, "bindings": [{"role": "r", "members": []}]}, "gcs"),
    ],
)
def test_the_kind_is_recognised_by_the_text(value: Any, kind: str) -> None:
    assert policies.parse(json.dumps(value)).kind == kind


def test_a_bare_statement_is_taken_where_it_is_wanted() -> None:
    text = json.dumps({**STATEMENT, "Action": "kms:Decrypt", "Resource": "*"})
    found = policies.parse(text, fragment=True)
    assert (found.kind, found.fragment, len(found.statements)) == ("kms", True, 1)
    with pytest.raises(GrammarError, match="no Statement"):
        policies.parse(text)


def test_unknown_fields_order_and_sids_come_through() -> None:
    fields = '"Sid":"b c","Effect":"Allow","Comment":[1.50],"Principal":"*","Action":"s3:*","Resource":"*"'
    text = f'{{"Statement":[{{{fields}}}],"Id":"x"}}'
    found = policies.parse(text)
    assert compact_json(found.value) == text
    assert found.size == len(text)
    assert json.loads(found.dump()) == json.loads(text)
    assert found.statements[0].label == "statement 1 (b c)"


def test_size_is_counted_in_bytes_without_white_space() -> None:
    found = policies.parse('{ "Id": "é",\n "Statement": [] }')
    assert found.size == len('{"Id":"é","Statement":[]}'.encode())
