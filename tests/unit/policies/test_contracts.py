"""The facts about Nimble, the targets they apply to, and what is generated from both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

import policies
from policies import ContractError
from policies.authoring.reader_policy import ABILITIES
from policies.evaluation.actions import action_table, known_actions, never_carried
from policies.evaluation.candidate_values import SEVERAL_VALUES
from scripts.documents import assumption_table

KEY = "arn:aws:kms:eu-west-1:111122223333:key/abc"
ASYNC = policies.contract("async")
JOBS = policies.contract("jobs")
GCS = policies.contract("async", "gs")


def _data() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(files("policies.contracts").joinpath("nimble.json").read_text(encoding="utf-8"))
    return value


def _facts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "source" in value:
            yield value
        for each in value.values():
            yield from _facts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _facts(each)


def test_every_fact_has_a_source_with_a_date() -> None:
    data = _data()
    found = list(_facts(data))
    assert len(found) > 30
    for each in found:
        assert each["source"] in data["sources"]
    for source in data["sources"].values():
        assert source["date"]


def test_what_nimble_documents_nowhere_is_marked() -> None:
    for each in _facts(_data()):
        if each["source"] == "none":
            assert each["inferred"] is True
    assert [each.inferred for each in JOBS.key_requirements] == [True, True]
    assert not any(each.inferred for each in (*ASYNC.requirements, *JOBS.requirements, *ASYNC.key_requirements))


def test_the_facts_are_read() -> None:
    facts = policies.facts()
    assert facts.account == "744254827463"
    assert facts.test_connection.probe_name == ".nimble-connection-test"
    assert [chip.text for chip in facts.test_connection.chips.values()] == [
        "✓ Connection OK",
        "✓ Connection OK - prefix is empty",
        "✗ Access denied",
        "✗ Bucket does not exist",
        "✗ Connection failed",
    ]
    assert facts.api.retention_hours["completed"] == 24
    states = facts.api.states
    words = [states.running, states.succeeded, states.failed, states.partial]
    assert sum(map(len, words)) == len(frozenset().union(*words)), "no word means two things"
    assert facts is policies.facts()


def test_requirements_have_names_of_their_own() -> None:
    for contract in policies.facts().contracts:
        names = [each.id for each in (*contract.requirements, *contract.key_requirements)]
        assert len(names) == len(set(names))
        assert contract.account == ("" if contract.cloud == "gs" else "744254827463")


def test_jobs_on_cloud_storage_are_refused_in_words() -> None:
    with pytest.raises(ContractError, match="no contract for mode 'jobs' on 'gs'") as caught:
        policies.contract("jobs", "gs")
    assert "Amazon S3 only" in caught.value.cause
    with pytest.raises(ContractError) as caught:
        policies.contract("sync")
    assert "known are async on s3, jobs on s3, async on gs" in caught.value.cause


def test_another_principal_can_be_named() -> None:
    other = policies.contract("async", principal="arn:aws:iam::999999999999:user/staging/uploader")
    assert (other.account, other.principal_inferred) == ("999999999999", True)
    assert policies.contract("async", principal=ASYNC.principal) is ASYNC
    member = "serviceAccount:x@p.iam.gserviceaccount.com"
    assert policies.contract("async", "gs", principal=member).principal == member


@pytest.mark.parametrize(
    "principal",
    [
        "nimble",
        "arn:aws:iam::744254827463:root",
        "arn:aws:iam::74:user/x",
        "arn:aws:sts::744254827463:user/x",
        "arn:aws:iam::744254827463:user/*",
        "arn:aws:iam::744254827463:user/x ",
        "arn:aws:iam::744254827463:user/x\n",
        "arn:aws:iam::744254827463:user/",
        f"arn:aws:iam::744254827463:user/{'a/' * 60}!",
    ],
)
def test_what_is_no_user_is_refused(principal: str) -> None:
    with pytest.raises(ContractError, match=r"not the ARN of an IAM user|a wildcard in a principal"):
        policies.contract("async", principal=principal)


def test_what_is_no_member_is_refused() -> None:
    with pytest.raises(ContractError, match="not a GCS member"):
        policies.contract("async", "gs", principal="nimble")


class TestPlace:
    @pytest.mark.parametrize(
        ("text", "prefix"),
        [
            ("", ""),
            ("/", ""),
            ("*", ""),
            ("out", "out/"),
            ("out/", "out/"),
            ("/out/", "out/"),
            ("out/*", "out/"),
            ("a//b", "a//b/"),
            ("a*b", "a*b/"),
            ("s3://bkt/out", "out/"),
            ("s3://bkt", ""),
            ("arn:aws:s3:::bkt/out/*", "out/"),
            ("arn:aws:s3:::bkt", ""),
            ("a / b", "a / b/"),
            (" a /", " a /"),
        ],
    )
    def test_prefixes_are_normalised(self, text: str, prefix: str) -> None:
        assert policies.target(ASYNC, "bkt", prefixes={"prefix": text}).prefixes["prefix"] == prefix

    @pytest.mark.parametrize(
        "text",
        [
            *("s3://other/out", "gs://bkt/out", "a\x00b", "é" * 512),
            *("arn:aws:s3:::other/out", "out/ ", "out\t", "out\n", "s3://bkt/out/ "),
        ],
    )
    def test_what_no_key_can_start_with(self, text: str) -> None:
        with pytest.raises(ContractError):
            policies.target(ASYNC, "bkt", prefixes={"prefix": text})

    def test_the_documented_prefixes_hold_without_any(self) -> None:
        assert dict(policies.target(JOBS, "bkt").prefixes) == {"input": "input/", "output": "output/"}
        assert dict(policies.target(JOBS, "bkt", prefixes={"output": "o"}).prefixes) == {"output": "o/"}

    def test_a_prefix_of_the_other_mode_is_refused(self) -> None:
        with pytest.raises(ContractError, match="the async contract has no 'input' prefix"):
            policies.target(ASYNC, "bkt", prefixes={"input": "in/"})

    @pytest.mark.parametrize(
        ("bucket", "reason"),
        [
            ("acme--euw1-az1--x-s3", "directory bucket"),
            ("acme--table-s3", "table bucket"),
            ("acme-metadata-s3alias", "alias of an access point"),
            ("acme--ol-s3", "Object Lambda"),
            ("mfzwi23gnjvgw.mrap", "Multi-Region"),
            ("192.168.1.1", "IP address"),
            ("acme..results", "letters, digits"),
        ],
    )
    def test_what_is_no_general_purpose_bucket(self, bucket: str, reason: str) -> None:
        with pytest.raises(ContractError) as caught:
            policies.target(ASYNC, bucket)
        assert reason in caught.value.cause
        if bucket.endswith("s3"):
            assert policies.target(GCS, bucket).bucket == bucket, "only on S3"

    @pytest.mark.parametrize(
        ("bucket", "meant"),
        [
            ("s3://bkt/out", "bkt"),
            ("arn:aws:s3:::bkt", "bkt"),
            ("b", ""),
            ("-bkt", ""),
        ],
    )
    def test_what_is_no_bucket(self, bucket: str, meant: str) -> None:
        with pytest.raises(ContractError) as caught:
            policies.target(ASYNC, bucket)
        assert caught.value.parameters == {"meant": meant}

    @pytest.mark.parametrize(
        ("key", "cause"),
        [
            (
                "arn:aws:kms:eu-west-1:111122223333:alias/mine",
                "an alias resolves in the account that asks, which is Nimble's",
            ),
            ("1234abcd", "it is written arn:aws:kms:REGION:ACCOUNT:key/ID"),
            (
                "arn:aws-cn:kms:cn-north-1:111122223333:key/abc",
                "principals do not cross partitions, so no policy there can admit Nimble",
            ),
        ],
    )
    def test_what_is_no_key(self, key: str, cause: str) -> None:
        with pytest.raises(ContractError) as caught:
            policies.target(ASYNC, "bkt", key_arn=key)
        assert caught.value.cause == cause

    def test_a_key_is_of_no_use_on_cloud_storage(self) -> None:
        with pytest.raises(ContractError, match="a KMS key on Google Cloud Storage"):
            policies.target(GCS, "bkt", key_arn=KEY)

    def test_a_key_names_the_region(self) -> None:
        assert policies.target(ASYNC, "bkt", key_arn=KEY, region="us-east-1").region == "eu-west-1"
        assert policies.target(GCS, "bkt", prefixes={"prefix": "out"}).url("prefix") == "gs://bkt/out/"


class TestGenerate:
    def test_bucket_level_and_object_level_stand_apart(self) -> None:
        for contract in (ASYNC, JOBS):
            for each in policies.generate(contract, policies.target(contract, "bkt")).statements:
                kinds = {kind for action in each.actions for known in known_actions(action) for kind in known.resources}
                assert not {"bucket", "object"} <= kinds
                assert not any("Delete" in action for action in each.actions)

    def test_the_documented_policy_cannot_be_narrowed(self) -> None:
        with pytest.raises(ContractError, match="cannot be narrowed to a prefix"):
            policies.generate(ASYNC, policies.target(ASYNC, "bkt", prefixes={"prefix": "out"}), as_documented=True)
        jobs = policies.target(JOBS, "bkt", prefixes={"output": "out"})
        assert len(policies.generate(JOBS, jobs, as_documented=True).statements) == 2

    def test_no_key_statement_is_documented_for_jobs(self) -> None:
        with pytest.raises(ContractError, match="no key statement is documented for jobs"):
            policies.generate_key_statement(JOBS, policies.target(JOBS, "bkt"), as_documented=True)

    def test_a_whole_key_policy_keeps_the_accounts_own_statement(self) -> None:
        whole = policies.generate_key_policy(ASYNC, policies.target(ASYNC, "bkt", key_arn=KEY), "111122223333")
        assert whole.value["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
        assert whole.value["Statement"][0]["Action"] == "kms:*"

    @pytest.mark.parametrize("account", ["1", "11112222333x", "999999999999"])
    def test_a_whole_key_policy_is_the_keys_own_accounts(self, account: str) -> None:
        with pytest.raises(ContractError):
            policies.generate_key_policy(ASYNC, policies.target(ASYNC, "bkt", key_arn=KEY), account)

    def test_a_binding_can_be_for_the_whole_bucket(self) -> None:
        where = policies.target(GCS, "bkt", prefixes={"prefix": 'a"b'})
        assert "condition" not in policies.generate(GCS, where, scoped=False).bindings[0].value
        assert policies.prove(GCS, where, policies.generate(GCS, where)).complete


class TestReader:
    READER = "arn:aws:iam::222233334444:role/harvester"

    def documents(self, can: str, **options: Any) -> dict[str, Any]:
        where = policies.target(ASYNC, "bkt", prefixes={"prefix": "out"}, key_arn=options.pop("key", KEY))
        return policies.reader_documents(ASYNC, where, can.split(","), **options)

    def granted(self, document: dict[str, Any]) -> set[str]:
        actions = [each["Action"] for each in document["Statement"]]
        return {one for each in actions for one in (each if isinstance(each, list) else [each])}

    def test_to_sync_takes_listing_reading_and_decrypting(self) -> None:
        (identity,) = self.documents("sync").values()
        assert self.granted(identity) == {
            "s3:ListBucket",
            "s3:GetBucketLocation",
            "s3:GetObject",
            "kms:Decrypt",
        }
        (identity,) = self.documents("sync", key=None).values()
        assert "kms:Decrypt" not in self.granted(identity)

    def test_to_backfill_takes_listing_uploads_besides(self) -> None:
        (backfill,), (sync,) = (self.documents(can).values() for can in ("backfill", "sync"))
        assert self.granted(backfill) - self.granted(sync) == {"s3:ListBucketMultipartUploads"}
        assert self.granted(sync) <= self.granted(backfill)

    @pytest.mark.parametrize("can", [*ABILITIES, ",".join(ABILITIES)])
    def test_every_action_is_known_and_named_once(self, can: str) -> None:
        (identity,) = self.documents(can).values()
        assert all(known_actions(each) for each in self.granted(identity))
        assert "s3:DeleteObject" not in self.granted(identity)
        pairs = [(each["Sid"], str(each["Resource"])) for each in identity["Statement"]]
        assert len(pairs) == len(set(pairs))

    def test_in_another_account_the_bucket_and_the_key_must_agree(self) -> None:
        documents = self.documents("sync", reader=self.READER, account="111122223333")
        assert list(documents) == ["identity", "bucket", "key"]
        bucket = policies.document(documents["bucket"])
        for arn in ("arn:aws:s3:::bkt/out/1.json", "arn:aws:s3:::bkt/in/1.json"):
            allowed = policies.evaluate(bucket, policies.Request(self.READER, "s3:GetObject", arn)).effect == "allowed"
            assert allowed is ("/out/" in arn)
        assert {each["Resource"] for each in documents["key"]["Statement"]} == {"*"}
        assert list(self.documents("sync", reader=self.READER, account="222233334444")) == ["identity", "key"]
        assert list(self.documents("sync", reader=self.READER, key=None)) == ["identity"]

    @pytest.mark.parametrize(
        "reader",
        ["harvester", "arn:aws:sts::222233334444:assumed-role/x/y", "arn:aws:iam::222233334444:role/*"],
    )
    def test_what_is_no_reader(self, reader: str) -> None:
        with pytest.raises(ContractError, match="no role or user"):
            self.documents("sync", reader=reader)

    def test_what_cannot_be_granted(self) -> None:
        with pytest.raises(ContractError, match="no ability: 'delete'"):
            self.documents("sync,delete")
        with pytest.raises(ContractError, match="no ability was asked for"):
            policies.reader_documents(ASYNC, policies.target(ASYNC, "bkt"), [])

    def test_on_cloud_storage_it_is_bindings(self) -> None:
        where = policies.target(GCS, "bkt")
        documents = policies.reader_documents(GCS, where, ["sync", "test"], reader="user:ann@example.com")
        (policy,) = documents.values()
        assert [each["role"] for each in policy["bindings"]] == [
            "roles/storage.objectViewer",
            "roles/storage.objectCreator",
        ]
        assert policy["bindings"][0]["members"] == ["user:ann@example.com"]


def test_the_table_of_actions_is_whole() -> None:
    names = list(action_table().actions)
    assert sum(name.startswith("s3:") for name in names) >= 180
    assert sum(name.startswith("kms:") for name in names) >= 56
    assert action_table().actions["s3:putobject"].resources == {"object", "accesspointobject"}
    assert {each.name for each in known_actions("kms:ReEncrypt*")} == {"kms:ReEncryptFrom", "kms:ReEncryptTo"}
    assert "s3:prefix" in never_carried("s3:PutObject")
    assert "s3:prefix" not in never_carried("s3:ListBucket")
    assert "s3:existingobjecttag/" in never_carried("s3:PutObject")
    assert "s3:existingobjecttag/" not in never_carried("s3:GetObject")
    assert "kms:encryptioncontext:" in never_carried("kms:DescribeKey")
    assert never_carried("s3:Nothing") == frozenset()


def test_keys_of_several_values_are_those_of_the_table() -> None:
    data = json.loads(files("policies.evaluation").joinpath("actions.json").read_text(encoding="utf-8"))
    several = {
        key.lower()
        for each in data["services"].values()
        for key, kind in each["keys"].items()
        if kind.startswith("ArrayOf")
    }
    assert several <= SEVERAL_VALUES
    assert not {key for key in SEVERAL_VALUES if key.startswith(("s3:", "kms:"))} - several


def test_the_public_names_are_there() -> None:
    for name in policies.__all__:
        assert getattr(policies, name) is not None
    assert sorted(dir(policies)) == sorted(policies.__all__)
    with pytest.raises(AttributeError, match="attribute nothing"):
        getattr(policies, "nothing")  # noqa: B009  # asked for on purpose


def test_the_page_of_assumptions_is_what_the_data_file_gives() -> None:
    text = "\n".join([*assumption_table.page(), ""])
    assert assumption_table.PAGE.read_text(encoding="utf-8") == text
    for each in policies.facts().profile.assumptions:
        assert f"`{each.key}`" in text
        assert each.statement in text
        assert re.fullmatch(r"20[0-9]{2}-[0-9]{2}", each.source.date)
        assert each.absent or each.within or each.at_least or each.at_most or each.outside
