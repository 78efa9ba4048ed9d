"""Walk a whole listing, page after page or in key ranges side by side, and print how many keys there were.

Run as ``python -m scripts.benchmark.floors.list_only serial|ranges LOCATION``.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator

from harvester.location import parse_location
from harvester.storage.base import ObjectRef
from harvester.storage.listed import ListedPage, ListingEnd, ListingFailed
from harvester.storage.listing import BackgroundListing
from harvester.storage.opening import open_store


def serially(location: str) -> Iterator[list[ObjectRef]]:
    """Yield the pages of a location, one after the other."""
    return (page.objects for page in open_store(parse_location(location)).list_pages())


def ranges(location: str) -> Iterator[list[ObjectRef]]:
    """Yield the pages of a location as a sync gets them."""
    listing = BackgroundListing(open_store(parse_location(location)))
    while True:
        match listing.take():
            case None:
                select.select([listing], [], [])
            case ListedPage(refs=refs):
                yield refs
            case ListingEnd():
                return
            case ListingFailed(error):
                raise error


def main() -> None:
    """Walk, and print the number of keys."""
    way, location = sys.argv[1:]
    pages = ranges(location) if way == "ranges" else serially(location)
    print(sum(map(len, pages)))


if __name__ == "__main__":
    main()
