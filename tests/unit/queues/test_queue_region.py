"""The region of a queue is the given one, else that of its host, else the configured one."""

from __future__ import annotations

import pytest

from harvester.queues.message_queue import QueueSettings
from harvester.queues.queue_region import region_of_host
from harvester.queues.sqs import SqsQueue
from harvester.sessions.connections import StoreSettings
from scripts.servers.loopback_server import Answer, LoopbackServer, Request


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


@pytest.mark.parametrize(
    ("host", "given", "signed"),
    [
        ("queue.amazonaws.com", None, "us-east-1"),
        ("queue.amazonaws.com", "eu-west-2", "eu-west-2"),
        ("sqs.eu-west-1.amazonaws.com", None, "eu-west-1"),
        ("sqs.eu-west-1.amazonaws.com", "eu-west-2", "eu-west-2"),
        ("sqs.elasticmq.test", None, "ap-south-1"),
    ],
)
def test_a_request_is_signed_for_the_given_region_then_for_that_of_the_host(
    monkeypatch: pytest.MonkeyPatch, host: str, given: str | None, signed: str
) -> None:
    requests: list[Request] = []

    def answer(request: Request) -> Answer:
        requests.append(request)
        return Answer(200, b"{}", {"content-type": "application/x-amz-json-1.0"})

    with LoopbackServer(answer) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
        queue = SqsQueue(f"http://{host}/111122223333/q", StoreSettings(region=given))
        assert queue.settings() == QueueSettings(dead_letters=False, max_deliveries=None)
    (request,) = requests
    assert f"/{signed}/sqs/aws4_request" in request.headers["authorization"]
