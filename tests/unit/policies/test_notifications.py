"""A bucket's notifications keep everything that was there, or are refused where S3 would refuse them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.authoring.notifications import events_documents, merge_notifications
from policies.contracts.access_contracts import contract
from policies.contracts.targets import Target, target
from policies.policy_errors import ContractError, MergeError, PolicyErrorCode

QUEUE = "arn:aws:sqs:eu-west-1:111122223333:results"
OTHER = "arn:aws:sqs:eu-west-1:111122223333:other"


def at(prefix: str) -> Target:
    return target(contract("async", "s3"), "my-bucket", prefixes={"prefix": prefix})


def entry(target: str, arn: str, events: list[str], prefix: str = "", suffix: str = "") -> dict[str, Any]:
    rules = [{"Name": "Prefix", "Value": prefix}] if prefix else []
    rules += [{"Name": "suffix", "Value": suffix}] if suffix else []
    return {"Id": arn + prefix, target: arn, "Events": events, "Filter": {"Key": {"FilterRules": rules}}}


def test_into_an_empty_configuration() -> None:
    change = merge_notifications({}, at("nimble results/ä/"), QUEUE)
    (ours,) = change.after["QueueConfigurations"]
    assert ours["Events"] == ["s3:ObjectCreated:*"]
    assert ours["Filter"] == {"Key": {"FilterRules": [{"Name": "prefix", "Value": "nimble+results/%C3%A4/"}]}}
    again = merge_notifications(change.after, at("nimble results/ä/"), QUEUE)
    assert not again.changed
    moved = merge_notifications(change.after, at("nimble results/ä/"), OTHER)
    assert [each["QueueArn"] for each in moved.after["QueueConfigurations"]] == [OTHER]


CONFIGURATIONS = st.fixed_dictionaries(
    {},
    optional={
        "QueueConfigurations": st.lists(
            st.builds(entry, st.just("QueueArn"), st.just(OTHER), st.just(["s3:ObjectRemoved:*"])), max_size=2
        ),
        "TopicConfigurations": st.lists(
            st.builds(
                entry,
                st.just("TopicArn"),
                st.just("arn:aws:sns:eu-west-1:1:t"),
                st.just(["s3:ObjectCreated:*"]),
                st.sampled_from(["images/", "logs/"]),
            ),
            max_size=2,
        ),
        "LambdaFunctionConfigurations": st.lists(
            st.builds(
                entry,
                st.just("LambdaFunctionArn"),
                st.just("arn:aws:lambda:eu-west-1:1:function:f"),
                st.just(["s3:ObjectCreated:Put"]),
                st.just("thumbnails/"),
                st.just(".jpg"),
            ),
            max_size=1,
        ),
        "EventBridgeConfiguration": st.just({}),
    },
)


@given(CONFIGURATIONS)
def test_nothing_that_was_there_is_lost(current: dict[str, Any]) -> None:
    before = json.dumps(current, sort_keys=True)
    after = merge_notifications(current, at("nimble/"), QUEUE).after
    assert json.dumps(current, sort_keys=True) == before
    for name, entries in current.items():
        if isinstance(entries, list):
            assert all(each in after[name] for each in entries)
        else:
            assert after[name] == entries
    assert len(after["QueueConfigurations"]) == len(current.get("QueueConfigurations", [])) + 1


@pytest.mark.parametrize("prefix", ["", "nimble/", "nim", "nimble/sub/"])
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("QueueConfigurations", "QueueArn"),
        ("TopicConfigurations", "TopicArn"),
        ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
    ],
)
def test_what_s3_would_refuse_is_refused(name: str, target: str, prefix: str) -> None:
    current = {name: [entry(target, "arn:aws:x:y:1:z", ["s3:ObjectCreated:Put"], prefix, ".json")]}
    with pytest.raises(MergeError, match="already announces") as refused:
        merge_notifications(current, at("nimble/"), QUEUE)
    assert refused.value.code is PolicyErrorCode.NOTIFICATIONS_OVERLAP


def test_a_queue_that_hears_already_needs_nothing() -> None:
    current = {"QueueConfigurations": [entry("QueueArn", QUEUE, ["s3:ObjectCreated:*"])]}
    assert not merge_notifications(current, at("nimble/"), QUEUE).changed


def test_the_documents() -> None:
    documents = events_documents(at("nimble/"), QUEUE, account="444455556666")
    (statement,) = documents["QueuePolicy"]["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::my-bucket"},
        "StringEquals": {"aws:SourceAccount": "444455556666"},
    }
    (reader,) = documents["ReaderPolicy"]["Statement"]
    assert "sqs:DeleteMessage" in reader["Action"]
    gcs = target(contract("async", "gs"), "my-bucket", prefixes={"prefix": "nimble/"})
    google = events_documents(gcs, "projects/acme/subscriptions/results")
    assert google["Notification"]["event_types"] == ["OBJECT_FINALIZE"]
    assert google["Notification"]["object_name_prefix"] == "nimble/"


@pytest.mark.parametrize(
    "queue",
    [
        "results",
        "https://sqs.eu-west-1.amazonaws.com/111122223333/results",
        QUEUE + ".fifo",
        "arn:aws-cn:sqs:cn-north-1:111122223333:results",
    ],
)
def test_queues_that_cannot_be(queue: str) -> None:
    with pytest.raises(ContractError):
        events_documents(at(""), queue)


@pytest.mark.parametrize("current", [{"Rules": []}, {"QueueConfigurations": {}}, {"TopicConfigurations": ["x"]}])
def test_what_is_no_configuration_is_not_merged_into(current: dict[str, Any]) -> None:
    with pytest.raises(MergeError):
        merge_notifications(current, at(""), QUEUE)
