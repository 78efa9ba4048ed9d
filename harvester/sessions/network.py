"""Proxies and trusted certificates, from the environment as curl and requests take them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError
from harvester.retry import RetryPolicy
from harvester.sessions.ca_directories import certificate_file
from harvester.sessions.connections import Network


def resolve_network(
    base_url: str, retry: RetryPolicy, ca_bundle: str | None, *, variable: str = "AWS_ENDPOINT_URL"
) -> Network:
    """Return how to reach ``base_url``: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY honoured.

    ``ca_bundle`` is the SDK's own setting, a file or a directory; without it REQUESTS_CA_BUNDLE, then the certificates
    of certifi. ``variable`` is the one that an endpoint may come from. Raises ConfigurationError for an endpoint that
    is no URL, and for a directory without a certificate.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
        base_url.encode("ascii")
    except ValueError as error:
        raise ConfigurationError(
            "the endpoint is no URL",
            cause="its host or port cannot be read, its port is beyond 65535, or it has letters beyond ASCII",
            code=ErrorCode.ENDPOINT_INVALID,
            parameters={"variable": variable},
        ) from error
    proxy = _proxy(parts.scheme, parts.hostname or "", port)
    if parts.scheme != "https" and not proxy.startswith("https:"):
        return Network(None, proxy, retry)
    bundle = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE")
    return Network(certificate_file(bundle) if bundle else _default_bundle(), proxy, retry)


def _proxy(scheme: str, host: str, port: int | None) -> str:
    """Return the proxy for a host, empty for none."""
    if sys.platform in ("darwin", "win32"):
        # The system's settings may name one, too.
        from urllib.request import getproxies

        proxies: Mapping[str, str] = getproxies()
        if not bypasses_proxy(host, port, proxies.get("no", "")):
            return proxies.get(scheme) or proxies.get("all", "")
        return ""
    environment = {name.lower(): value for name, value in sorted(os.environ.items()) if name.lower().endswith("_proxy")}
    if not environment or bypasses_proxy(host, port, environment.get("no_proxy", "")):
        return ""
    return environment.get(f"{scheme}_proxy") or environment.get("all_proxy", "")


def bypasses_proxy(host: str, port: int | None, no_proxy: str) -> bool:
    """Return whether NO_PROXY exempts a host, by the forms that curl and requests know together.

    Entries are separated by commas or spaces: ``*``; a name, which covers its subdomains, with or without a leading
    dot; a name or address with a port; an IP address, in brackets or not; a network in CIDR notation.
    """
    host = host.lower().rstrip(".").strip("[]")
    return any(_covers(entry.lower(), host, port) for entry in no_proxy.replace(",", " ").split())


def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    name, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != port:
        return False
    name = name.strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        name = name.removeprefix("*").lstrip(".").rstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ip_network(name, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return name and port of an entry; an IPv6 address without brackets has none."""
    name, colon, port = entry.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (":" not in name or name.endswith("]")):
        return name, int(port)
    return entry, None


def _default_bundle() -> str:
    from certifi import where

    return where()
