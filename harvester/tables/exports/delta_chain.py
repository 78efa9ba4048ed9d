"""Delta Lake tables: a part is one commit, which carries where it ends as application transactions.

Source: Delta transaction log protocol, "Transaction Identifiers" and "Add File". The version of a transaction is an
integer: the sequence number of the last object, and in a second one its epoch. Both are read back before each commit; a
commit that another export has overtaken fails. The file of a part is uploaded before the commit that names it, because
deltalake would hold all its rows in memory to write it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from harvester.errors import DestinationUnusable
from harvester.retry import backoff_delay
from harvester.tables.exports.part_building import BuiltPart
from harvester.tables.exports.part_names import BEGINNING
from harvester.tables.exports.part_writers import plain_schema
from harvester.tables.exports.table_chain import TableChain
from harvester.text import printable

_EPOCH_LETTERS: Final = 13
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuv"
_DAY: Final = "landed_day"
_ATTEMPTS: Final = 50
_FIRST_DELAY: Final = 0.05
_LONGEST_DELAY: Final = 4.0


class DeltaChain(TableChain):
    """One Delta table."""

    def _read_end(self) -> str | None:
        with self._translated():
            table = self._open()
            return None if table is None else self._end_of(table)

    def extend(self) -> None:
        """Commit parts until there are no further rows."""
        objects = self._objects(self._start)
        while True:
            built, objects = self._next_part(objects)
            if built is None:
                return
            with self._translated():
                committed = self._commit(built)
            if committed:
                self._count(built)
                self._end_at(built.last)
            else:
                # Another export was first: go on from where it ended.
                self._end_at(self._read_end() or BEGINNING)
                objects = self._objects(self._start)

    def _commit(self, built: BuiltPart) -> bool:
        """Commit a part as what follows the end; return False if the table ends elsewhere by now.

        Raises DestinationUnusable when other programs commit to the table all the time.
        """
        import pyarrow.parquet as pq
        from deltalake import CommitProperties, Transaction
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import AddAction

        contents, size = pq.read_metadata(built.file), built.file.stat().st_size
        schema = delta_schema(contents.schema.to_arrow_schema())
        name = f"{_DAY}={built.day}/{uuid.uuid4()}.parquet"
        self._store.publish(built.file, f"data/{self._table}/{name}")
        stats = json.dumps({"numRecords": contents.num_rows})
        added = AddAction(name, size, {_DAY: built.day}, int(time.time() * 1000), data_change=True, stats=stats)
        epoch, seq, _end = built.last.split("-")
        versions = zip(self._transactions(), (int(seq), int(epoch, 32)), strict=True)
        properties = CommitProperties(
            app_transactions=[Transaction(identity, version) for identity, version in versions], max_commit_retries=0
        )
        for attempt in range(1, _ATTEMPTS):
            # A commit is made to the table as its end was read: one made by others since lets it fail.
            table = self._open() or self._create(schema)
            if table is not None and (self._end_of(table) or self._options.start or BEGINNING) != self._after:
                return self._was_committed(table, name)
            try:
                if table is not None and self._complete_columns(table, schema):
                    table.create_write_transaction(
                        [added], "append", table.schema(), [_DAY], commit_properties=properties
                    )
                    return True
            except CommitFailedError:
                time.sleep(backoff_delay(attempt, _FIRST_DELAY, _LONGEST_DELAY))
        raise DestinationUnusable(
            f"{self._uri()} cannot be written", cause="other commits were always first", subject=self._uri()
        )

    def _was_committed(self, table: Any, name: str) -> bool:
        """Return whether a commit that failed was made all the same; else remove its file."""
        if any(uri.endswith(name) for uri in table.file_uris()):
            return True
        self._store.remove(f"data/{self._table}/{name}")
        return False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn errors of deltalake, for a damaged log or a store that refuses, into DestinationUnusable."""
        from deltalake.exceptions import DeltaError

        try:
            yield
        except (DeltaError, OSError) as error:
            cause = next(iter(str(error).splitlines()), type(error).__name__)
            raise DestinationUnusable(
                f"{self._uri()} cannot be used as a Delta table", cause=printable(cause), subject=self._uri()
            ) from error

    def _complete_columns(self, table: Any, schema: Any) -> bool:
        """Return whether the table has every column; add those that it lacks."""
        from deltalake import Schema

        known = {field.name for field in table.schema().fields}
        missing = [field for field in Schema.from_arrow(schema).fields if field.name not in known]
        if missing:
            table.alter.add_columns(missing)
        return not missing

    def _create(self, schema: Any) -> Any:
        """Create the table without rows; return None where another export was first."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable.create(
                self._uri(),
                schema,
                mode="error",
                partition_by=[_DAY],
                storage_options=self._store.delta_options(),
            )
        except DeltaError:
            if self._open() is None:
                raise
            return None

    def _open(self) -> Any:
        """Return the table as it is now; None if there is none."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self._uri(), storage_options=self._store.delta_options())
        except TableNotFoundError:
            return None

    def _end_of(self, table: Any) -> str | None:
        seq, epoch = (table.transaction_version(name) for name in self._transactions())
        return None if seq is None or epoch is None else f"{epoch_text(epoch)}-{seq:012d}-end"

    def _uri(self) -> str:
        return f"{self._store.url}/data/{self._table}"

    def _transactions(self) -> tuple[str, str]:
        name = f"{self._options.series or self._layout.dest_id}/{self._table}"
        return name, f"{name}/epoch"


def epoch_text(number: int) -> str:
    """Return the epoch of a number, base 32 with the digits of RFC 4648 base32hex."""
    letters = []
    for _ in range(_EPOCH_LETTERS):
        number, digit = divmod(number, 32)
        letters.append(_ALPHABET[digit])
    return "".join(reversed(letters))


def delta_schema(schema: Any) -> Any:
    """Return the schema of a part for Delta: JSON is a string, and the day of the part is a column."""
    import pyarrow as pa

    return plain_schema(schema).append(pa.field(_DAY, pa.string()))
