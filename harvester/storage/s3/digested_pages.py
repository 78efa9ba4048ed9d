"""List a bucket with a digest of each page, and compare its pages with those of an earlier listing.

A page that is equal byte for byte needs no parsing: what it lists was checked when it was listed first. Its digest is
keyed with a secret that no store knows, so none can answer with other entries of the same digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from harvester.storage.base import PAGE_KEYS, ComparedPage, KnownPage, ListPage
from harvester.storage.http import parse_xml
from harvester.storage.page_checks import PageChecker, ParsedPage

if TYPE_CHECKING:
    from harvester.storage.s3.object_store import S3Store

_ENTRY = b"<Contents>"
_ENTRY_END = b"</Contents>"
_DIGEST_BYTES = 32


class _Entries(NamedTuple):
    """The entries of a list answer."""

    digest: bytes
    """Their keyed digest."""
    keys: int
    """How many there are."""
    is_last: bool
    """Whether the answer states that no key follows."""


def read_entries(body: bytes, secret: bytes, first: int | None = None) -> _Entries | None:
    """Return the digest of the entries of a ListObjectsV2 answer, or of the ``first`` ones among them.

    None where they do not stand in one run. What stands around them, such as the continuation token, is not part of it,
    but for the encoding of the keys.
    """
    start = body.find(_ENTRY)
    end = body.rfind(_ENTRY_END) + len(_ENTRY_END)
    if start < 0 or end < start:
        return None
    rest = body[:start] + body[end:]
    # In a comment, or another such place, an entry would be none.
    if b"<!" in body or rest.count(b"<?") > rest.startswith(b"<?xml "):
        return None
    try:
        root = parse_xml(rest)
    except ValueError:
        return None
    namespace = root.tag.rpartition("}")[0]
    if namespace:
        namespace += "}"
    if root.tag != f"{namespace}ListBucketResult" or root.find(f"{namespace}Contents") is not None:
        return None
    encoding = root.findtext(f"{namespace}EncodingType") or ""
    digest = blake2b(f"{namespace} {encoding}\n".encode(), key=secret, digest_size=_DIGEST_BYTES)
    kept = end if first is None else len(body) - len(body.split(_ENTRY_END, first)[-1])
    digest.update(memoryview(body)[start:kept])
    truncated = root.findtext(f"{namespace}IsTruncated") == "true"
    follows = truncated or bool(root.findtext(f"{namespace}NextContinuationToken"))
    return _Entries(digest.digest(), body.count(_ENTRY, start, end), not follows)


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
        found = read_entries(body, self._secret, len(objects))
        is_run = found is not None and found.keys == len(sent)
        return page._replace(digest=found.digest) if found is not None and is_run else page

    def compare_page(self, page: KnownPage, limit: int) -> ComparedPage:
        """See DigestedListing.compare_page."""
        store = self._store
        parameters = store.list_parameters(store.location.prefix, limit)
        if page.after:
            parameters["start-after"] = page.after
        response = store.list_answer(store.kept_client(), parameters)
        found = read_entries(response.body, self._secret)

        def read() -> ListPage:
            checker = PageChecker(store.location.prefix, f"{page.after}\0" if page.after else "", ordered=True)
            return store.checked_page(response, checker)[1]

        is_equal = found is not None and (found.keys, found.digest) == (page.keys, page.digest)
        return ComparedPage(is_equal, found is not None and found.is_last, read)
