"""Addresses and certificates of the HTTP server, without the server: options need no uvicorn."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The certificate of an HTTPS server, with its private key."""

    certificate: Path
    """PEM file of the certificate and those between it and the authority."""
    key: Path | None = None
    """PEM file of the private key; None if the first file holds it as well."""

    def check(self) -> None:
        """Raise ConfigurationError for files that no server can use, and for a key with a password."""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"cannot serve HTTPS with {self.certificate}",
                cause=(error.strerror or str(error)) if isinstance(error, OSError) else str(error),
                code=ErrorCode.SERVER_CERTIFICATE_INVALID,
                subject=str(self.certificate),
            ) from error


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach ``host``; a name other than localhost counts as public."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
