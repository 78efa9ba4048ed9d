"""Proxies and trusted certificates, from the environment as both SDKs take them."""

from __future__ import annotations

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from harvester.cloud.interface import RetryPolicy
from harvester.cloud.transports import Network


def resolve_network(base_url: str, retry: RetryPolicy, ca_bundle: str | None) -> Network:
    """Return how to reach ``base_url``: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY honoured.

    ``ca_bundle`` is the SDK's own setting; without it REQUESTS_CA_BUNDLE, then the certificates of certifi.
    """
    parts = urlsplit(base_url)
    proxies = {} if proxy_bypass(parts.netloc) else getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all", "")
    if parts.scheme != "https" and not proxy.startswith("https:"):
        return Network(None, proxy, retry)
    return Network(ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or _default_bundle(), proxy, retry)


def _default_bundle() -> str:
    from certifi import where

    return where()
