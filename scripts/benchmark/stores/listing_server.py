"""Answers ListObjectsV2 from memory, after a delay if asked to, and ``/delay``: an empty answer after a while.

Run as ``python -m scripts.benchmark.stores.listing_server STATE_FILE``; prints its ports as JSON when it is ready.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from bisect import bisect_left, bisect_right
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from scripts.benchmark.input_data import Bucket

_PAGE = 1000
_TIME = "2026-02-02T02:40:00.000Z"


class Setting(NamedTuple):
    """What to serve."""

    buckets: list[Bucket]
    """The buckets."""
    page_delay: float
    """Seconds before each list page of the delayed port."""
    answer_delay: float
    """Seconds before each answer to ``/delay``."""


class Listing:
    """One bucket's keys and their rendered entries."""

    def __init__(self, bucket: Bucket) -> None:
        self.name = bucket.name
        self.keys = [entry.key for entry in bucket.entries]
        self.entries = [
            f"<Contents><Key>{escape(entry.key)}</Key><LastModified>{_TIME}</LastModified>"
            f"<ETag>&quot;{entry.etag}&quot;</ETag><Size>{entry.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>".encode()
            for entry in bucket.entries
        ]

    def page(self, query: dict[str, str]) -> bytes:
        prefix = query.get("prefix", "")
        start = bisect_left(self.keys, prefix)
        if "continuation-token" in query:
            start = int(query["continuation-token"])
        elif "start-after" in query:
            start = max(start, bisect_right(self.keys, query["start-after"]))
        if query.get("delimiter"):
            return self._folders(prefix, query["delimiter"], start)
        stop = min(start + min(_PAGE, int(query.get("max-keys", _PAGE))), self._end(prefix))
        stop = max(start, stop)
        more = stop < self._end(prefix)
        parts = [
            b'<?xml version="1.0" encoding="UTF-8"?>\n',
            b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
            f"<Name>{self.name}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>{_PAGE}</MaxKeys>".encode(),
            b"<EncodingType>url</EncodingType>" if "encoding-type" in query else b"",
            f"<KeyCount>{stop - start}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>".encode(),
            f"<NextContinuationToken>{stop}</NextContinuationToken>".encode() if more else b"",
            *self.entries[start:stop],
            b"</ListBucketResult>",
        ]
        return b"".join(parts)

    def _folders(self, prefix: str, delimiter: str, place: int) -> bytes:
        """Return a page of the folders directly below a prefix, and of the keys beside them, from a key's place on."""
        folders: list[str] = []
        entries: list[bytes] = []
        end = self._end(prefix)
        while place < end and len(folders) + len(entries) < _PAGE:
            name, separator, _ = self.keys[place][len(prefix) :].partition(delimiter)
            if separator:
                folders.append(prefix + name + delimiter)
                place = self._end(folders[-1])
            else:
                entries.append(self.entries[place])
                place += 1
        more = place < end
        token = f"<NextContinuationToken>{place}</NextContinuationToken>" if more else ""
        listed = "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders)
        head = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        return b"".join(
            [
                b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
                head.encode(),
                *entries,
                listed.encode(),
                b"</ListBucketResult>",
            ]
        )

    def _end(self, prefix: str) -> int:
        return bisect_left(self.keys, prefix + "\U0010ffff") if prefix else len(self.keys)


class Connection(asyncio.Protocol):
    """One connection, requests one after the other."""

    def __init__(self, listings: dict[str, Listing], page_delay: float, answer_delay: float) -> None:
        self._listings = listings
        self._page_delay = page_delay
        self._answer_delay = answer_delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            line = self._received[: self._received.find(b"\r\n")]
            self._received = self._received[end + 4 :]
            self._request(line)

    def _request(self, line: bytes) -> None:
        method, target, _ = line.decode().split(" ")
        if target == "/delay":
            self._answer(self._answer_delay, b"204 No Content", b"", b"")
            return
        path, _, query = target.partition("?")
        listing = self._listings.get(unquote(path).strip("/"))
        if listing is None or method == "HEAD":
            self._answer(0, b"404 Not Found" if listing is None else b"200 OK", b"application/xml", b"")
            return
        parameters = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        if "location" in parameters:
            body = b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
        else:
            body = listing.page(parameters)
        self._answer(self._page_delay, b"200 OK", b"application/xml", body)

    def _answer(self, delay: float, status: bytes, kind: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\n" % status
        if kind:
            head += b"Content-Type: %b\r\nContent-Length: %d\r\n" % (kind, len(body))
        answer = head + b"\r\n" + body
        if delay:
            asyncio.get_running_loop().call_later(delay, self._write, answer)
        else:
            self._transport.write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(setting: Setting) -> None:
    """Serve until killed."""
    listings = {bucket.name: Listing(bucket) for bucket in setting.buckets}
    loop = asyncio.get_running_loop()
    ports = {}
    for name, page_delay in (("prompt", 0.0), ("delayed", setting.page_delay)):
        protocol = partial(Connection, listings, page_delay, setting.answer_delay)
        server = await loop.create_server(protocol, "127.0.0.1", 0)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve what the state file holds."""
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123
        setting = pickle.load(file)
    asyncio.run(serve(setting))


if __name__ == "__main__":
    main()
