"""The region of a queue comes from the forms of its host, and from nothing else."""

from __future__ import annotations

import pytest

from harvester.queues.queue_region import region_of_host


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-west-1.amazonaws.com", "eu-west-1"),
        ("SQS.EU-WEST-1.AMAZONAWS.COM.", "eu-west-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("sqs-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("eu-west-1.queue.amazonaws.com", "eu-west-1"),
        ("cn-north-1.queue.amazonaws.com.cn", "cn-north-1"),
        ("sqs.ap-southeast-2.api.aws", "ap-southeast-2"),
        ("sqs-fips.us-gov-east-1.api.aws", "us-gov-east-1"),
        ("sqs.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ("sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("vpce-0123abcd-4567efgh.sqs.us-west-2.vpce.amazonaws.com", "us-west-2"),
        ("vpce-0123abcd-4567efgh-us-west-2a.sqs.us-west-2.vpce.amazonaws.com", "us-west-2"),
        ("queue.amazonaws.com", "us-east-1"),
        ("sqs.amazonaws.com", "us-east-1"),
        ("queue.amazonaws.com.evil.test", None),
        ("sqs.eu-west-1.amazonaws.com.evil.test", None),
        ("evil.sqs.eu-west-1.amazonaws.com", None),
        ("sqs.queue.amazonaws.com", None),
        ("sqs.elasticmq.local", None),
        ("sqsXeu-west-1.amazonaws.com", None),
        ("localhost", None),
        ("127.0.0.1", None),
        ("", None),
    ],
)
def test_a_host_names_its_region(host: str, region: str | None) -> None:
    assert region_of_host(host) == region
