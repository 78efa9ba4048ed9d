"""Whether a proxy asks for a login, by the status of its answer, which SDKs give in a sentence only."""

from __future__ import annotations

from harvester.causes import Cause
from harvester.sessions import AnswerLimits, Network
from harvester.storage.http.http_client import HttpClient
from harvester.storage.service_errors import TransportError

_STATUS = 407
_SECONDS = 10.0


def proxy_asks_for_login(url: str, network: Network) -> bool:
    """Send one request without credentials through the proxy of ``network``, and return whether it answers 407."""
    if not network.proxy:
        return False
    retry = network.retry._replace(connect_seconds=min(_SECONDS, network.retry.connect_seconds))
    client = HttpClient(network._replace(retry=retry), AnswerLimits())
    try:
        answer = client.send("HEAD", url, [])
    finally:
        client.close()
    return answer.cause is Cause.PROXY_LOGIN if isinstance(answer, TransportError) else answer.status == _STATUS
