"""Tables of files: a chain of parts, each claimed by its beginning before it is published."""

from __future__ import annotations

from collections.abc import Iterator

from harvester.tables.exports.claims import Claim, make_claim, newest_claim, read_claim
from harvester.tables.exports.part_building import BuiltPart, UnreadableObject
from harvester.tables.exports.part_names import PartName, chain_end, parse_part
from harvester.tables.exports.table_chain import TableChain


class FileChain(TableChain):
    """The parts of one table."""

    def _read_end(self) -> str | None:
        series = self._options.series
        if not series:
            return chain_end(self._store.names(f"data/{self._table}/"), self._table)
        # An output of many series has too many parts to list for each of them.
        claim = newest_claim(self._store, self._table, series)
        if claim is None:
            return None
        return claim.part.last if self._store.exists(str(claim.part)) else claim.part.after

    def _earlier_ends(self) -> Iterator[str]:
        # Of an output of many series there are too many parts to list. A generator: few exports need it.
        if not self._options.series:
            for name in self._store.names(f"data/{self._table}/"):
                part = parse_part(name)
                if part is not None and not part.series:
                    yield part.last

    def extend(self) -> None:
        """Publish parts until there are no further rows."""
        objects = self._objects(self._start)
        while True:
            claim = read_claim(self._store, self._table, self._after, self._options.series)
            if claim is not None:
                self._complete(claim)
                objects = self._objects(self._start)
                continue
            built, objects = self._next_part(objects)
            if built is None:
                return
            part = PartName(self._table, built.day, self._after, built.last, self._layout.format, self._options.series)
            if make_claim(self._store, Claim(part, self._start)):
                self._publish(built, part)
            else:
                built.file.unlink(missing_ok=True)

    def _complete(self, claim: Claim) -> None:
        """Publish a claimed part, as the export that claimed it would have."""
        part = claim.part
        while True:
            try:
                built = self._builder.claimed_part(
                    self._objects(claim.start), claim.start, part.last, part.day, self._store.scratch()
                )
            except UnreadableObject as error:
                self._leave_out(error.object)
            else:
                break
        self._publish(built, part)

    def _publish(self, built: BuiltPart, part: PartName) -> None:
        if self._store.publish(built.file, str(part)):
            self._count(built)
        self._end_at(part.last)
