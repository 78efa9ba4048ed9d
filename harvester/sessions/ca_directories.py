"""Trusted certificates in a directory: curl and requests take one prepared by ``c_rehash``, botocore takes none."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_LONGEST_FILE = 4 * 1024 * 1024
_lock = threading.Lock()
_files: dict[str, str] = {}


def certificate_file(bundle: str) -> str:
    """Return the file that holds the certificates of ``bundle``: itself, or of a directory one that is made.

    The file is deleted when this process ends. Raises ConfigurationError for a directory without a certificate.
    """
    if not Path(bundle).is_dir():
        return bundle
    with _lock:
        if bundle not in _files:
            _files[bundle] = _written(bundle)
        return _files[bundle]


def _written(directory: str) -> str:
    # Names that c_rehash makes lead to the same files.
    found = dict.fromkeys(_certificates(directory))
    if not found:
        raise ConfigurationError(
            f"{directory} holds no certificate",
            cause="AWS_CA_BUNDLE or REQUESTS_CA_BUNDLE names it, or ca_bundle in the AWS configuration",
            code=ErrorCode.CERTIFICATE_REFUSED,
            subject=directory,
        )
    # Loaded for a directory of certificates.
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="nimble-harvester-ca-", suffix=".pem")
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"\n".join(found))
    atexit.register(_delete, path, os.getpid())
    return path


def _certificates(directory: str) -> list[bytes]:
    try:
        paths = [each for each in sorted(Path(directory).iterdir()) if each.is_file()]
        texts = [each.read_bytes() for each in paths if each.stat().st_size <= _LONGEST_FILE]
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the certificates in {directory}",
            cause=error.strerror or str(error),
            code=ErrorCode.CERTIFICATE_REFUSED,
            subject=directory,
        ) from error
    return [each for each in texts if _CERTIFICATE in each]


def _delete(path: str, made_by: int) -> None:
    # A process that was forked runs this too.
    if os.getpid() == made_by:
        Path(path).unlink(missing_ok=True)
