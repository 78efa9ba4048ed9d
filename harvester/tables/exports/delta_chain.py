"""Delta Lake tables: a part is one commit, which carries where it ends as application transactions.

Source: Delta transaction log protocol, "Transaction Identifiers". The version of a transaction is an integer: the
sequence number of the last object, and in a second one its epoch. Both are read back before each commit; a commit that
another export has overtaken fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from harvester.tables.exports.part_building import BuiltPart, UnreadableObject
from harvester.tables.exports.part_names import BEGINNING
from harvester.tables.exports.part_writers import plain_schema
from harvester.tables.exports.table_chain import TableChain, before

_EPOCH_LETTERS: Final = 13
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuv"
_DAY: Final = "landed_day"
_ATTEMPTS: Final = 100


class DeltaChain(TableChain):
    """One Delta table."""

    def _read_end(self) -> str | None:
        table = self._open()
        return None if table is None else self._end_of(table)

    def extend(self) -> None:
        """Commit parts until there are no further rows."""
        objects = self._objects(self._start)
        while True:
            try:
                built, left = self._builder.next_part(objects, self._start, self._store.scratch())
            except UnreadableObject as error:
                self._leave_out(error.object)
                objects = self._objects(self._start)
                continue
            if built is None:
                return
            try:
                committed = self._commit(built)
            finally:
                built.file.unlink(missing_ok=True)
            if committed:
                self._count(built)
                self._end_at(built.last)
                objects = before(left, objects)
            else:
                # Another export was first: go on from where it ended.
                self._end_at(self._read_end() or BEGINNING)
                objects = self._objects(self._start)

    def _commit(self, built: BuiltPart) -> bool:
        """Commit a part as what follows the end; return False if the table ends elsewhere by now."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import DeltaError

        epoch, seq, _end = built.last.split("-")
        properties = CommitProperties(
            app_transactions=[
                Transaction(name, version)
                for name, version in zip(self._transactions(), (int(seq), int(epoch, 32)), strict=True)
            ],
            max_commit_retries=0,
        )
        for _ in range(_ATTEMPTS):
            file = pq.ParquetFile(built.file)
            schema = delta_schema(file.schema_arrow)
            try:
                table = self._open() or self._create(schema)
                if (self._end_of(table) or self._options.start or BEGINNING) != self._after:
                    return False
                # The table as its end was read: written to by its address, a commit made since would not be noticed.
                write_deltalake(
                    table,
                    pa.RecordBatchReader.from_batches(schema, _batches(file, schema, built.day)),
                    mode="append",
                    schema_mode="merge",
                    commit_properties=properties,
                )
            except DeltaError:
                # A commit of another export, or of another program: the table is read again.
                continue
            return True
        return False

    def _create(self, schema: Any) -> Any:
        """Create the table without rows. Raises DeltaError where there is one."""
        from deltalake import DeltaTable

        return DeltaTable.create(
            self._uri(),
            schema,
            mode="error",
            partition_by=[_DAY],
            storage_options=self._store.delta_options(),
        )

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


def _batches(file: Any, schema: Any, day: str) -> Iterator[Any]:
    import pyarrow as pa

    for batch in file.iter_batches():
        columns = [column.storage if isinstance(column.type, pa.JsonType) else column for column in batch.columns]
        columns.append(pa.array([day] * batch.num_rows, pa.string()))
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
