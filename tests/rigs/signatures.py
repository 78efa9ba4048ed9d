"""Refuses S3 requests whose signature is not the one botocore makes of what came over the wire."""

from __future__ import annotations

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts.servers.fault_proxy import Upstream
from scripts.servers.loopback_server import Answer, Request


def expected_signature(request: Request, credentials: Credentials, region: str) -> str:
    """Return the signature botocore makes of the request's signed headers at the request's own time."""
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    url = f"http://{request.headers['host']}{request.target}"
    headers = {name: request.headers[name] for name in signed if name != "host"}
    rebuilt = AWSRequest(method=request.method, url=url, headers=headers, data=request.body)
    rebuilt.context["timestamp"] = request.headers["x-amz-date"]
    signer = S3SigV4Auth(credentials, "s3", region)
    return str(signer.signature(signer.string_to_sign(rebuilt, signer.canonical_request(rebuilt)), rebuilt))


class SignatureCheck:
    """An upstream before an upstream: passes on what is signed well."""

    def __init__(self, access_key: str, secret_key: str, token: str | None = None, region: str = "us-east-1") -> None:
        self._credentials = Credentials(access_key, secret_key, token)
        self._region = region
        self.refused: list[Request] = []

    def __call__(self, request: Request, upstream: Upstream) -> Answer:
        given = request.headers.get("authorization", "").partition("Signature=")[2]
        token = request.headers.get("x-amz-security-token")
        good = given and given == expected_signature(request, self._credentials, self._region)
        if good and token == self._credentials.token:
            return upstream(request)
        self.refused.append(request)
        return Answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
