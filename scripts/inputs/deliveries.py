"""Play Nimble: seeded, realistic delivered objects of every shape, and the data sets of the benchmark.

The same seed makes the same bytes with the same libraries. Nothing here is captured traffic: shapes, key
names and sizes follow the vendor's documentation, texts come from word lists.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import struct
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

RESIDUE = ".nimble-connection-test"
"""The empty object a write test leaves at the prefix."""


class Delivery(NamedTuple):
    """One object as the bucket holds it."""

    key: str
    """The key below the prefix."""
    body: bytes
    """The stored bytes."""
    headers: Mapping[str, str]
    """``Content-Type`` and, where stored with one, ``Content-Encoding``."""


_CONSONANTS = "b c d f g h k l m n p r s t v w ch st tr pl".split()  # noqa: SIM905 - read as the list it is
_VOWELS = "a e i o u ea ou ai".split()  # noqa: SIM905
_CLASSES = ("product-card", "product-card__title", "price", "rating", "breadcrumb", "nav-item", "description")
_BRANDS = ("Arden", "Bexley", "Corvo", "Delmar", "Émile", "Fjord", "Größe", "Hanami")
_EPOCH = datetime(2026, 2, 9, 23, 15, 43, 549_000, tzinfo=UTC)


class Author:
    """Writes pages and results, all from one seed."""

    def __init__(self, seed: int) -> None:
        """Make the word lists."""
        self.random = random.Random(seed)
        syllables = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
        self._words = sorted(
            {"".join(self.random.choices(syllables, k=self.random.choice((1, 2, 2, 3)))) for _ in range(900)}
        )
        self._weights = [1 / (rank + 2) for rank in range(len(self._words))]
        self._sentences = [self._sentence() for _ in range(160)]

    def _sentence(self) -> str:
        words = self.random.choices(self._words, self._weights, k=self.random.randint(6, 14))
        return " ".join(words).capitalize() + "."

    def text(self, size: int) -> str:
        """Return prose of about ``size`` characters."""
        sentences = self.random.choices(self._sentences, k=size // 55 + 1)
        return " ".join(sentences)[:size]

    def task_id(self) -> str:
        """Return a task id: a random UUID, as Nimble's are."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def moment(self) -> str:
        """Return a time as Nimble writes it: ISO 8601 with milliseconds."""
        moment = _EPOCH + timedelta(milliseconds=self.random.randrange(10**9))
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def url(self) -> str:
        """Return the URL of a page."""
        return f"https://www.example.com/{self.random.choice(self._words)}/{self.random.randrange(10**8)}"

    def product(self) -> dict[str, Any]:
        """Return one parsed product, as an agent makes it; prices are floats, ids big integers."""
        price = self.random.randrange(100, 200_000) / 100
        return {
            "asin": f"B0{self.random.randrange(36**6):08d}",
            "title": f"{self.random.choice(_BRANDS)} {self.text(40)}",
            "price": price,
            "currency": "EUR" if price < 500 else "USD",
            "rating": self.random.choice((None, 3.5, 4.0, 4.7)),
            "reviews": self.random.randrange(5000),
            "listing_id": 10**19 + self.random.randrange(10**9),
            "in_stock": self.random.random() < 0.8,
            "images": [f"https://img.example.com/{self.random.randrange(10**9)}.jpg" for _ in range(2)],
            "description": self.text(180),
        }

    def html(self, size: int) -> str:
        """Return a page of about ``size`` characters."""
        head = f'<head><meta charset="utf-8"><title>{self.text(40)}</title></head>'
        parts = [f'<!DOCTYPE html>\n<html lang="en">{head}<body>\n']
        length = len(parts[0])
        while length < size:
            part = (
                f'<div class="{self.random.choice(_CLASSES)}" data-id="{self.random.randrange(10**6)}">'
                f'<a href="/{self.random.choice(self._words)}/{self.random.randrange(10**5)}">'
                f"{self.random.choice(_BRANDS)} {self.random.choice(self._words)}</a>\n"
                f"<p>{self.text(220)}</p></div>\n"
            )
            parts.append(part)
            length += len(part)
        parts.append("</body></html>\n")
        return "".join(parts)

    def markdown(self, size: int) -> str:
        """Return a page's text of about ``size`` characters."""
        parts = [f"# {self.text(30)}\n\n"]
        length = len(parts[0])
        while length < size:
            part = f"- [{self.random.choice(_BRANDS)}](/p/{self.random.randrange(10**5)}) {self.text(120)}\n"
            parts.append(part)
            length += len(part)
        return "".join(parts)

    def envelope(self, data: dict[str, Any], **more: object) -> dict[str, Any]:
        """Return a successful extract envelope around ``data``."""
        url = self.url()
        return {
            "url": url,
            "task_id": self.task_id(),
            "status": "success",
            "data": data,
            "metadata": {
                "query_time": self.moment(),
                "query_duration": self.random.randrange(400, 9000),
                "response_parameters": {"input_url": url},
                "driver": self.random.choice(("vx6", "vx8", "vx10")),
            },
            "status_code": self.random.choice((200, 200, 200.0, 404)),
            **more,
        }

    def extract(self, html: int = 24_000, markdown: int = 9_000) -> dict[str, Any]:
        """Return an extract with a page of about so many characters."""
        headers = {"content-type": "text/html; charset=utf-8", "server": "nginx"}
        return self.envelope({"html": self.html(html), "markdown": self.markdown(markdown), "headers": headers})

    def agent(self, products: int | None = None) -> dict[str, Any]:
        """Return an agent's result: ``parsing`` is one object, or an array of ``products``."""
        parsing = self.product() if products is None else [self.product() for _ in range(products)]
        envelope = self.envelope({"parsing": parsing}, warnings=[self.text(50)])
        envelope["metadata"]["agent"] = "amazon_pdp" if products is None else "amazon_plp"
        return envelope

    def entities(self) -> dict[str, Any]:
        """Return an extract whose parser found named entities."""
        return self.envelope({"html": self.html(4000), "parsing": {"entities": {"Product": [self.product()]}}})

    def crawl_page(self) -> dict[str, Any]:
        """Return one page of a crawl."""
        return {
            "url": self.url(),
            "data": {"html": self.html(8000), "markdown": self.markdown(3000)},
            "status_code": 200,
            "depth": self.random.randrange(4),
        }

    def error(self) -> dict[str, Any]:
        """Return the envelope of a task that failed upstream: paid for or not, it is what was delivered."""
        url = self.url()
        return {
            "url": url,
            "task_id": self.task_id(),
            "status": self.random.choice(("failed", "error", "blocked")),
            "data": None,
            "metadata": {
                "query_time": self.moment(),
                "query_duration": 30_000,
                "response_parameters": {"input_url": url},
            },
            "status_code": 555.0,
            "warnings": ["the target did not answer in time"],
        }

    def screenshot(self, side: int = 64) -> bytes:
        """Return a small PNG."""
        lines = b"".join(b"\x00" + self.random.randbytes(side * 3) for _ in range(side))

        def chunk(kind: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
        )


def json_bytes(value: object) -> bytes:
    """Serialise as Nimble is presumed to: UTF-8, no white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def gzip_bytes(content: bytes) -> bytes:
    """Compress as Nimble's uploader is presumed to; without a time, so that equal content is equal bytes."""
    return gzip.compress(content, compresslevel=6, mtime=0)


def jobs_rows(author: Author, count: int) -> list[dict[str, Any]]:
    """Return the rows of a jobs run."""
    return [{"row": number, **author.product()} for number in range(count)]


def jobs_json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as JSON Lines."""
    return b"".join(json_bytes(row) + b"\n" for row in rows)


def jobs_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV; nested values are JSON in a field."""
    flat = [{name: json.dumps(v) if isinstance(v, list | dict) else v for name, v in row.items()} for row in rows]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(flat[0]))
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue().encode()


def jobs_parquet(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as Parquet; ids beyond 64 bits are text there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([{**row, "listing_id": str(row["listing_id"])} for row in rows])
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def jobs_document(author: Author, rows: list[dict[str, Any]]) -> bytes:
    """Return rows as the one document per run that the web form offers."""
    return json_bytes({"run_id": author.task_id(), "status": "SUCCESS", "result_count": len(rows), "files": rows})


_JSON = {"Content-Type": "application/json"}
_GZIPPED = {"Content-Type": "application/gzip"}
_ENCODED = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


def _plain(envelope: dict[str, Any], name: str | None = None) -> Delivery:
    return Delivery(f"{name or envelope['task_id']}.json", json_bytes(envelope), _JSON)


def _compressed(envelope: dict[str, Any], name: str | None = None) -> Delivery:
    return Delivery(f"{name or envelope['task_id']}.json.gz", gzip_bytes(json_bytes(envelope)), _GZIPPED)


def _encoded(envelope: dict[str, Any]) -> Delivery:
    return Delivery(f"{envelope['task_id']}.json", gzip_bytes(json_bytes(envelope)), _ENCODED)


_KINDS: tuple[Callable[[Author], Delivery], ...] = (
    lambda author: _compressed(author.extract()),
    lambda author: _plain(author.extract(12_000, 4_000)),
    lambda author: _encoded(author.extract(12_000, 4_000)),
    lambda author: _plain(author.agent()),
    lambda author: _compressed(author.agent(products=20)),
    lambda author: _plain(author.entities()),
    lambda author: _compressed(author.crawl_page(), f"crawl/{author.task_id()}"),
    lambda author: _plain(author.agent(), f"named/{author.random.choice(_BRANDS)} {author.random.randrange(10**6)}"),
)


def singular(author: Author) -> Iterator[Delivery]:
    """Yield what comes once: an error, a truncated object, the residue, media, the outputs of jobs."""
    yield _plain(author.error())
    whole = _compressed(author.extract(12_000, 4_000))
    yield whole._replace(body=whole.body[: len(whole.body) // 2])
    yield Delivery(RESIDUE, b"", {"Content-Type": "binary/octet-stream"})
    yield Delivery(f"media/{author.task_id()}.png", author.screenshot(), {"Content-Type": "image/png"})
    rows = jobs_rows(author, 50)
    yield Delivery("output/run-1.jsonl", jobs_json_lines(rows), {"Content-Type": "application/x-ndjson"})
    yield Delivery("output/run-2.csv", jobs_csv(rows), {"Content-Type": "text/csv"})
    yield Delivery("output/run-3.parquet", jobs_parquet(rows), {"Content-Type": "application/vnd.apache.parquet"})
    yield Delivery("output/run-4.json", jobs_document(author, rows), _JSON)


def deliveries(count: int = 300, seed: int = 1) -> Iterator[Delivery]:
    """Yield a prefix as a customer finds it: ``count`` objects of every shape, one of them truncated."""
    author = Author(seed)
    once = list(singular(author))
    places = set(author.random.sample(range(max(count, len(once))), len(once)))
    for number in range(max(count, len(once))):
        yield once.pop() if number in places else author.random.choice(_KINDS)(author)


class DataSet(NamedTuple):
    """Objects of one size for the benchmark."""

    name: str
    """The letter it goes by."""
    objects: int
    """The default number of objects."""
    html: int
    """Characters of HTML in each."""
    markdown: int
    """Characters of Markdown in each."""


SMALL = DataSet("A", 20_000, 28_500, 10_500)
"""About 38 KB each, 8 KB as gzip."""
MIDDLE = DataSet("B", 2_000, 156_000, 47_000)
"""About 200 KB each."""
LARGE = DataSet("C", 200, 1_600_000, 400_000)
"""About 2 MB each."""


def data_set(kind: DataSet, count: int | None = None, seed: int = 1) -> Iterator[Delivery]:
    """Yield ``count`` gzip extracts of one size, quickly: pages are shuffled from a shelf of sections."""
    author = Author(seed)
    shelf = [json_bytes(author.html(1200))[1:-1] for _ in range(200)]
    notes = [json_bytes(author.markdown(600))[1:-1] for _ in range(200)]
    for _ in range(kind.objects if count is None else count):
        envelope = author.envelope({"html": "\x01", "markdown": "\x02"})
        sections = author.random.choices(shelf, k=max(1, kind.html // len(shelf[0])))
        html = b"".join(b'%b<i id=\\"%016x\\"></i>' % (each, author.random.getrandbits(64)) for each in sections)
        markdown = b"".join(author.random.choices(notes, k=max(1, kind.markdown // len(notes[0]))))
        content = json_bytes(envelope).replace(b"\\u0001", html).replace(b"\\u0002", markdown)
        yield Delivery(f"{envelope['task_id']}.json.gz", gzip_bytes(content), _GZIPPED)


def large_json_lines(megabytes: int, seed: int = 1) -> Iterator[bytes]:
    """Yield one jobs file of about ``megabytes`` million bytes of JSON Lines, as gzip, in blocks."""
    author = Author(seed)
    products = [json_bytes(author.product())[1:] for _ in range(1000)]
    packer = zlib.compressobj(wbits=31)
    written = row = 0
    while written < megabytes * 10**6:
        lines = [
            b'{"row":%d,%b\n' % (row + n, product) for n, product in enumerate(author.random.choices(products, k=1000))
        ]
        block = b"".join(lines)
        row += len(lines)
        written += len(block)
        yield packer.compress(block)
    yield packer.flush()
