"""The floor: fetch, inflate and write known keys, and nothing else; no listing, signature, check or record.

Run as ``python -m scripts.bench_floor ENDPOINT BUCKET INDEX DESTINATION``; with ``-`` as DESTINATION it only fetches,
which measures the server.
"""

from __future__ import annotations

import json
import os
import sys

import pycurl
from isal import igzip

_TRANSFERS = 16


def work(base: str, keys: list[str], destination: str, transfers: int) -> None:
    """Fetch ``keys``, inflate and write them."""
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
    content = igzip.decompress(body)
    path = f"{destination}/{key.replace('/', '-').removesuffix('.gz')}"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    os.write(file, content)
    os.close(file)


def main() -> None:
    """Share the keys among one process per core."""
    endpoint, bucket, index, destination, *more = sys.argv[1:]
    transfers = int(more[0]) if more else _TRANSFERS
    with open(index, encoding="utf-8") as file:  # noqa: PTH123
        keys = [entry[0] for entry in json.load(file)]
    if destination != "-":
        os.makedirs(destination, exist_ok=True)  # noqa: PTH103
    cores = os.cpu_count() or 1
    children = []
    for number in range(cores):
        child = os.fork()
        if not child:
            work(f"{endpoint}/{bucket}", keys[number::cores], destination, transfers)
            os._exit(0)
        children.append(child)
    if any([os.waitpid(child, 0)[1] for child in children]):
        raise SystemExit("a process failed")


if __name__ == "__main__":
    main()
