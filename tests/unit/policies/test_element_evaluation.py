"""Decisions by principals, actions and resources: every line of IAM's rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policies.decided_requests import ROOT, SESSION, TEAM, TEAM_ROOT, decide, effect, statement
from tests.unit.policies.strategies import NIMBLE


class TestPrincipal:
    @pytest.mark.parametrize(
        ("principal", "requester", "matches"),
        [
            ("*", NIMBLE, True),
            ("*", "*", True),
            ("*", "s3.amazonaws.com", True),
            ({"AWS": "*"}, "*", True),
            ({"AWS": NIMBLE}, NIMBLE, True),
            ({"AWS": NIMBLE}, "*", False),
            ({"AWS": NIMBLE.upper()}, NIMBLE, False),
            ({"AWS": NIMBLE.replace("user/", "user/path/")}, NIMBLE, False),
            ({"AWS": "arn:aws:iam::744254827463:user/*"}, NIMBLE, False),
            ({"AWS": "744254827463"}, NIMBLE, True),
            ({"AWS": "744254827463"}, ROOT, True),
            ({"AWS": ROOT}, NIMBLE, True),
            ({"AWS": ROOT}, "744254827463", True),
            ({"AWS": ROOT.replace(":aws:", ":aws-cn:")}, NIMBLE, False),
            ({"AWS": "arn:aws:iam::111122223333:root"}, NIMBLE, False),
            ({"AWS": "arn:aws:iam::744254827463:role/webit-uploader"}, NIMBLE, False),
            ({"AWS": "AIDAJQABLZS4A3QDU576Q"}, NIMBLE, False),
            ({"Service": "s3.amazonaws.com"}, NIMBLE, False),
            ({"Service": "s3.amazonaws.com"}, "s3.amazonaws.com", True),
            ({"Federated": "cognito-identity.amazonaws.com"}, "cognito-identity.amazonaws.com", True),
            ({"Federated": "accounts.google.com"}, "accounts.google.com", True),
            ({"Federated": "accounts.google.com"}, NIMBLE, False),
            (
                {"Federated": "arn:aws:iam::1:saml-provider/x"},
                "arn:aws:iam::111122223333:saml-provider/x",
                False,
            ),
            ({"AWS": "arn:aws:iam::111122223333:root"}, "arn:aws:iam::111122223333:saml-provider/x", False),
            (
                {"AWS": "arn:aws:iam::111122223333:role/a/team"},
                "arn:aws:sts::111122223333:assumed-role/team/s",
                True,
            ),
            (
                {"AWS": "arn:aws:sts::111122223333:assumed-role/team/s"},
                "arn:aws:sts::111122223333:assumed-role/team/s",
                True,
            ),
            (
                {"AWS": "arn:aws:sts::111122223333:assumed-role/team/t"},
                "arn:aws:sts::111122223333:assumed-role/team/s",
                False,
            ),
            ({"CanonicalUser": "a" * 64}, "a" * 64, True),
            ({"CanonicalUser": "a" * 64}, "b" * 64, False),
            ({"CanonicalUser": "a" * 64}, "*", False),
            ({"CanonicalUser": "a" * 64, "AWS": NIMBLE}, NIMBLE, True),
        ],
    )
    def test_principal(self, principal: Any, requester: str, *, matches: bool) -> None:
        assert effect(statement(Principal=principal), principal=requester) == (
            "allowed" if matches else "implicitly_denied"
        )

    def test_a_canonical_user_may_be_the_callers_account(self) -> None:
        decision = decide(statement(Principal={"CanonicalUser": "a" * 64}))
        assert (decision.effect, decision.depends_on) == ("unknown", ("CanonicalUser",))

    def test_one_account_has_one_canonical_user(self) -> None:
        both = [statement("Deny", Principal={"CanonicalUser": letter * 64}) for letter in "ab"]
        assert effect(statement(), *both) == "unknown"
        assert effect(statement("Deny"), *both) == "explicitly_denied"

    def test_not_principal_may_exempt_by_canonical_user(self) -> None:
        deny = statement("Deny", NotPrincipal={"CanonicalUser": "a" * 64})
        assert effect(statement(), deny) == "unknown"
        assert effect(deny) == "explicitly_denied" or effect(deny) == "implicitly_denied", "denied either way"

    @pytest.mark.parametrize(
        ("named", "requester", "expected"),
        [
            ([NIMBLE, ROOT], NIMBLE, "allowed"),
            ([NIMBLE, "744254827463"], NIMBLE, "allowed"),
            # AWS documents only that a list without the account, or without the user, might deny.
            ([NIMBLE], NIMBLE, "unknown"),
            ([ROOT], NIMBLE, "unknown"),
            (["arn:aws:iam::111122223333:root"], NIMBLE, "explicitly_denied"),
            ([ROOT], ROOT, "allowed"),
            (["*"], NIMBLE, "allowed"),
            (["*"], "*", "allowed"),
            ([NIMBLE, ROOT], "*", "explicitly_denied"),
            ([TEAM_ROOT, TEAM], TEAM, "allowed"),
            ([TEAM_ROOT, TEAM], SESSION, "unknown"),
            ([TEAM_ROOT, SESSION], SESSION, "unknown"),
            ([TEAM_ROOT, TEAM, SESSION], SESSION, "allowed"),
        ],
    )
    def test_not_principal_with_deny(self, named: list[str], requester: str, expected: str) -> None:
        deny = statement("Deny", NotPrincipal={"AWS": named})
        decision = decide(statement(Principal="*"), deny, principal=requester)
        assert decision.effect == expected
        assert decision.depends_on == (("NotPrincipal",) if expected == "unknown" else ())

    @pytest.mark.parametrize(
        ("named", "expected"),
        [
            ([NIMBLE], "implicitly_denied"),
            ([ROOT], "implicitly_denied"),
            (["744254827463"], "implicitly_denied"),
            (["arn:aws:iam::111122223333:root"], "allowed"),
        ],
    )
    def test_not_principal_with_allow_excludes_whom_it_names(self, named: list[str], expected: str) -> None:
        assert effect(statement(NotPrincipal={"AWS": named})) == expected

    def test_not_principal_exempts_a_service(self) -> None:
        deny = statement("Deny", NotPrincipal={"Service": "s3.amazonaws.com"})
        assert effect(deny, principal="s3.amazonaws.com") == "implicitly_denied"
        assert effect(deny) == "explicitly_denied"


class TestAction:
    @pytest.mark.parametrize(
        ("action", "matches"),
        [
            ("*", True),
            ("s3:*", True),
            ("S3:PUTOBJECT", True),
            ("s3:Put*", True),
            ("s3:?utObject", True),
            ("s3:PutObject?", False),
            ("s3:PutObjectAcl", False),
            ("*:PutObject", True),
            ("s3", False),
            ("s3*", False),
            ("kms:*", False),
        ],
    )
    def test_action(self, action: str, *, matches: bool) -> None:
        assert (effect(statement(Action=action)) == "allowed") is matches
        assert (effect(statement(NotAction=action)) == "allowed") is not matches

    def test_a_request_may_spell_the_action_as_it_likes(self) -> None:
        assert effect(statement(Action="s3:PutObjectACL"), action="s3:PutObjectAcl") == "allowed"


class TestResource:
    @pytest.mark.parametrize(
        ("resource", "matches"),
        [
            ("*", True),
            ("arn:aws:s3:::bkt/*", True),
            ("arn:aws:s3:::bkt/*.json", True),
            ("arn:aws:s3:::bkt/o?t/1.json", True),
            ("arn:aws:s3:::bkt/?ut/1.jso", False),
            ("arn:aws:s3:::bkt/OUT/*", False),
            ("arn:aws:s3:::bkt", False),
            ("arn:aws:s3:::*", True),
            ("arn:aws:s3*", True),
            ("arn:aws:*", True),
            ("arn:aws:s3", False),
            ("arn:*:s3:::bkt/*", True),
            ("arn:aws-cn:s3:::bkt/*", False),
            ("arn:aws:s3::*bkt/*", False),
            ("bkt/*", False),
            (["arn:aws:s3:::other/*", "arn:aws:s3:::bkt/out/*"], True),
        ],
    )
    def test_resource(self, resource: Any, *, matches: bool) -> None:
        assert (effect(statement(Resource=resource)) == "allowed") is matches
        assert (effect(statement(NotResource=resource)) == "allowed") is not matches

    def test_a_colon_and_a_newline_in_a_key_are_characters(self) -> None:
        assert effect(statement(Resource="arn:aws:s3:::bkt/*/x"), resource="arn:aws:s3:::bkt/a:b\nc/x") == "allowed"

    def test_a_variable_takes_the_requests_value(self) -> None:
        mine = statement(Resource="arn:aws:s3:::bkt/${AWS:UserName}/*")
        assert effect(mine, context={"aws:username": "out"}) == "allowed"
        assert effect(mine, context={"aws:username": "*"}) == "implicitly_denied", "a value is no pattern"
        assert effect(mine, context={"aws:username": ["out", "in"]}) == "implicitly_denied"
        assert effect(mine) == "implicitly_denied"
        assert (
            effect(
                statement(Resource="arn:aws:s3:::bkt${aws:username}/*"),
                resource="arn:aws:s3:::bkt/1",
                context={"aws:username": ""},
            )
            == "allowed"
        )

    def test_a_default_stands_in(self) -> None:
        assert effect(statement(Resource="arn:aws:s3:::bkt/${aws:username, 'out'}/*")) == "allowed"
        mine = statement(Resource="arn:aws:s3:::bkt/${aws:username,'out'}/*")
        assert effect(mine, context={"aws:username": "in"}) == "implicitly_denied"

    def test_an_unresolved_variable_never_matches_not_resource_either(self) -> None:
        deny = statement("Deny", NotResource=["arn:aws:s3:::bkt/${aws:username}/*", "arn:aws:s3:::bkt/in/*"])
        assert effect(deny) == "implicitly_denied"
        assert effect(deny, context={"aws:username": "bob"}) == "explicitly_denied"
        assert effect(deny, context={"aws:username": "out"}) == "implicitly_denied"

    def test_without_the_version_a_variable_is_text(self) -> None:
        mine = statement(Resource="arn:aws:s3:::bkt/${aws:username}/*")
        for version in (None, "2008-10-17"):
            assert effect(mine, version=version, context={"aws:username": "out"}) == "implicitly_denied"
            assert effect(mine, version=version, resource="arn:aws:s3:::bkt/${aws:username}/1") == "allowed"

    def test_escapes_are_characters(self) -> None:
        mine = statement(Resource="arn:aws:s3:::bkt/${*}${?}${$}")
        assert effect(mine, resource="arn:aws:s3:::bkt/*?$") == "allowed"
        assert effect(mine, resource="arn:aws:s3:::bkt/ab$") == "implicitly_denied"
