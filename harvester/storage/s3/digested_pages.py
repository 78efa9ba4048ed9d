"""List a bucket with a digest of each page, and compare its pages with those of an earlier listing.

A page that is equal byte for byte needs no parsing: what it lists was checked when it was listed first. Its digest is
keyed with a secret that no store knows, so none can answer with other entries of the same digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from harvester.storage.base import PAGE_KEYS, ComparedPage, KnownPage, ListPage
from harvester.storage.page_checks import PageChecker, ParsedPage
from harvester.storage.s3.list_page import is_true
from harvester.storage.s3.xml_documents import parse_xml

if TYPE_CHECKING:
    from harvester.storage.s3.object_store import S3Store

_ENTRY = b"<Contents>"
_ENTRY_END = b"</Contents>"
_DIGEST_BYTES = 32


class _Answer(NamedTuple):
    """A list answer whose entries stand in one run."""

    entries: memoryview
    """The bytes of that run."""
    context: bytes
    """What decides how entries are read: the XML namespace, and how keys are encoded."""
    is_last: bool
    """Whether the answer states that no key follows."""

    def digest(self, secret: bytes, length: int | None = None) -> bytes:
        """Return the keyed digest of the entries, or of their first ``length`` bytes."""
        found = blake2b(self.context, key=secret, digest_size=_DIGEST_BYTES)
        found.update(self.entries[:length])
        return found.digest()


def read_answer(body: bytes) -> _Answer | None:
    """Return a ListObjectsV2 answer, None where its entries do not stand in one run.

    What stands around them, such as the continuation token, is not part of them. They themselves are not looked at:
    in a comment that begins among them, one would be none.
    """
    start = body.find(_ENTRY)
    end = body.rfind(_ENTRY_END) + len(_ENTRY_END)
    if start < 0 or end < start:
        return None
    rest = body[:start] + body[end:]
    if b"<!" in rest or rest.count(b"<?") > rest.startswith(b"<?xml "):
        return None
    try:
        root = parse_xml(rest)
        truncated = is_true(root.findtext("{*}IsTruncated"))
    except ValueError:
        return None
    namespace = root.tag.rpartition("}")[0]
    if namespace:
        namespace += "}"
    if root.tag != f"{namespace}ListBucketResult" or root.find(f"{namespace}Contents") is not None:
        return None
    encoding = root.findtext(f"{namespace}EncodingType") or ""
    follows = truncated or bool(root.findtext(f"{namespace}NextContinuationToken"))
    return _Answer(memoryview(body)[start:end], f"{namespace} {encoding}\n".encode(), not follows)


def page_digest(body: bytes, keys: int, secret: bytes, first: int) -> bytes:
    """Return the digest of the ``first`` entries of an answer that lists ``keys``; empty where it hides some."""
    answer = read_answer(body)
    if answer is None:
        return b""
    entries = bytes(answer.entries)
    if b"<!" in entries or b"<?" in entries or entries.count(_ENTRY) != keys:
        return b""
    return answer.digest(secret, len(entries) - len(entries.split(_ENTRY_END, first)[-1]))


class DigestedPages:
    """See `harvester.storage.base.DigestedListing`; safe for several threads."""

    def __init__(self, store: S3Store, secret: bytes) -> None:
        """List ``store`` with digests keyed with ``secret``, of at most 64 bytes."""
        self._store = store
        self._secret = secret

    def list_pages(
        self,
        start: str = "",
        end: str | None = None,
        *,
        ordered: bool = False,
        prefix: str = "",
        page_keys: int = PAGE_KEYS,
    ) -> Iterator[ListPage]:
        """See DigestedListing.list_pages."""
        return self._store.pages(
            start, end, ordered=ordered, prefix=prefix, page_keys=page_keys, digest=self._with_digest
        )

    def _with_digest(self, body: bytes, parsed: ParsedPage, page: ListPage) -> ListPage:
        objects, sent = page.objects, parsed.objects
        if page.refused or not objects or objects[0] is not sent[0]:
            return page
        # What follows the end of a range was cut off.
        return page._replace(digest=page_digest(body, len(sent), self._secret, len(objects)))

    def compare_page(self, page: KnownPage, limit: int) -> ComparedPage:
        """See DigestedListing.compare_page."""
        store = self._store
        parameters = store.list_parameters(store.location.prefix, limit)
        if page.after:
            parameters["start-after"] = page.after
        response = store.list_answer(store.kept_client(), parameters)
        answer = read_answer(response.body)

        def read() -> ListPage:
            checker = PageChecker(store.location.prefix, f"{page.after}\0" if page.after else "", ordered=True)
            return store.checked_page(response, checker)[1]

        # Entries of an equal digest were looked at when the page was remembered: nothing hides among them.
        is_equal = answer is not None and answer.digest(self._secret) == page.digest
        return ComparedPage(is_equal, answer is not None and answer.is_last, read)
