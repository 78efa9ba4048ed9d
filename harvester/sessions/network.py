"""Proxies and trusted certificates, from the environment as both SDKs take them."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from harvester.retry import RetryPolicy
from harvester.sessions.connections import Network


def resolve_network(base_url: str, retry: RetryPolicy, ca_bundle: str | None) -> Network:
    """Return how to reach ``base_url``: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY honoured.

    ``ca_bundle`` is the SDK's own setting; without it REQUESTS_CA_BUNDLE, then the certificates of certifi.
    """
    parts = urlsplit(base_url)
    proxy = _proxy(parts.scheme, parts.netloc)
    if parts.scheme != "https" and not proxy.startswith("https:"):
        return Network(None, proxy, retry)
    return Network(ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or _default_bundle(), proxy, retry)


def _proxy(scheme: str, host: str) -> str:
    """Return the proxy for a host, empty for none."""
    # Where nothing but the environment could name one, what reads it need not be loaded when it does not.
    if sys.platform not in ("darwin", "win32") and not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass

    proxies = {} if proxy_bypass(host) else getproxies()
    return proxies.get(scheme) or proxies.get("all", "")


def _default_bundle() -> str:
    from certifi import where

    return where()
