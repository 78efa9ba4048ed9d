"""The floor: fetch, inflate and write known keys, and nothing else; no listing, signature, check or record.

Run as ``python -m scripts.benchmark.floors.python_floor ENDPOINT BUCKET INDEX DESTINATION TRANSFERS [signed]``; with
``-`` as DESTINATION it only fetches, which measures the server. Requests are signed only where the server requires it.
"""

from __future__ import annotations

import json
import os
import sys
from urllib.parse import urlsplit

import pycurl
from isal import isal_zlib

from harvester.sessions.connections import AwsCredentials
from harvester.storage.s3.signing import RequestSigner


def work(base: str, keys: list[str], destination: str, transfers: int, signer: RequestSigner | None) -> None:
    """Fetch ``keys``, inflate and write them."""
    root = urlsplit(base).path
    multi = pycurl.CurlMulti()
    bodies: dict[pycurl.Curl, tuple[str, list[bytes]]] = {}
    waiting = iter(keys)
    free = [_handle() for _ in range(transfers)]
    while True:
        while free and (key := next(waiting, None)) is not None:
            handle = free.pop()
            parts: list[bytes] = []
            bodies[handle] = (key, parts)
            handle.setopt(pycurl.URL, f"{base}/{key}")
            if signer is not None:
                handle.setopt(pycurl.HTTPHEADER, signer.sign("GET", f"{root}/{key}"))
            handle.setopt(pycurl.WRITEFUNCTION, parts.append)
            multi.add_handle(handle)
        if not bodies:
            return
        multi.perform()
        _, done, failed = multi.info_read()
        if failed:
            raise SystemExit(failed[0][2])
        for handle in done:
            multi.remove_handle(handle)
            key, parts = bodies.pop(handle)
            free.append(handle)
            if destination != "-":
                _write(destination, key, b"".join(parts))
        if not done:
            multi.select(1.0)


def _handle() -> pycurl.Curl:
    handle = pycurl.Curl()
    handle.setopt(pycurl.FAILONERROR, 1)
    return handle


def _write(destination: str, key: str, body: bytes) -> None:
    content = isal_zlib.decompress(body, 31)
    path = f"{destination}/{key.replace('/', '-').removesuffix('.gz')}"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    os.write(file, content)
    os.close(file)


def _signer(endpoint: str) -> RequestSigner:
    credentials = AwsCredentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], None)
    return RequestSigner(credentials, region="us-east-1", service="s3", base_url=endpoint, headers={})


def main() -> None:
    """Share the keys among one process per core."""
    endpoint, bucket, index, destination, transfers, *signed = sys.argv[1:]
    signer = _signer(endpoint) if signed else None
    with open(index, encoding="utf-8") as file:  # noqa: PTH123
        keys = [entry[0] for entry in json.load(file)]
    if destination != "-":
        os.makedirs(destination, exist_ok=True)  # noqa: PTH103
    cores = os.cpu_count() or 1
    children = []
    for number in range(cores):
        child = os.fork()
        if not child:
            work(f"{endpoint}/{bucket}", keys[number::cores], destination, int(transfers), signer)
            os._exit(0)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    if any(statuses):
        raise SystemExit("a process failed")


if __name__ == "__main__":
    main()
