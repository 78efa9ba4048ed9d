"""Answers of AWS that moto gives otherwise, as the documentation shows them; served by a FaultProxy before moto.

Sources: Amazon S3 API Reference, "GetBucketEncryption", "GetBucketOwnershipControls", "GetPublicAccessBlock",
"GetBucketRequestPayment", examples of responses; Amazon S3 user guide, "Default settings for new S3 buckets FAQ": since
January 2023 SSE-S3 is every bucket's default encryption, since April 2023 a new bucket has BucketOwnerEnforced and
Block Public Access on. Read 2026-09.
"""

from __future__ import annotations

from scripts.servers.fault_proxy import Call, FaultProxy, Rule, Status, Upstream
from scripts.servers.loopback_server import Answer, Request

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

REQUEST_PAYMENT = (
    f"{_HEAD}<RequestPaymentConfiguration {_NAMESPACE}><Payer>{{payer}}</Payer></RequestPaymentConfiguration>"
)
ENCRYPTION = (
    f"{_HEAD}<ServerSideEncryptionConfiguration {_NAMESPACE}><Rule><ApplyServerSideEncryptionByDefault>"
    "<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled>"
    "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>"
    "</ServerSideEncryptionConfiguration>"
)
OWNERSHIP = (
    f"{_HEAD}<OwnershipControls {_NAMESPACE}><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
    "</OwnershipControls>"
)
PUBLIC_ACCESS_BLOCK = (
    f"{_HEAD}<PublicAccessBlockConfiguration {_NAMESPACE}><BlockPublicAcls>true</BlockPublicAcls>"
    "<IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>"
    "<RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
)


def _answer(proxy: FaultProxy, query: str, body: str) -> Rule:
    headers = {"content-type": "application/xml"}
    return proxy.add(Rule(Status(200, body=body.encode(), headers=headers), query=rf"^{query}\b", method="GET"))


def answer_request_payment(proxy: FaultProxy, payer: str = "BucketOwner") -> Rule:
    """Answer GetBucketRequestPayment and PutBucketRequestPayment, which moto does not know."""
    payers = [payer]

    def answer(request: Request, upstream: Upstream) -> Answer:
        del upstream
        if request.method == "PUT":
            payers.append("Requester" if b"<Payer>Requester</Payer>" in request.body else "BucketOwner")
            return Answer(200, b"")
        return Answer(200, REQUEST_PAYMENT.format(payer=payers[-1]).encode(), {"content-type": "application/xml"})

    return proxy.add(Rule(Call(answer), query=r"^requestPayment\b"))


def answer_as_new_bucket(proxy: FaultProxy) -> None:
    """Answer for the settings a bucket has on AWS from the moment it is made."""
    answer_request_payment(proxy)
    _answer(proxy, "encryption", ENCRYPTION)
    _answer(proxy, "ownershipControls", OWNERSHIP)
    _answer(proxy, "publicAccessBlock", PUBLIC_ACCESS_BLOCK)
