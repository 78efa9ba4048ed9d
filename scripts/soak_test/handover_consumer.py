"""A consumer that stores rows and its position in one SQLite transaction: ``python -m … DEST STORE [BATCH]``."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import harvester

_TABLES = (
    "CREATE TABLE IF NOT EXISTS rows(key TEXT, version TEXT, row INTEGER, text BLOB, PRIMARY KEY (key, version, row))",
    "CREATE TABLE IF NOT EXISTS positions(epoch TEXT PRIMARY KEY, text TEXT)",
    "CREATE TABLE IF NOT EXISTS rewinds(position TEXT, shared TEXT)",
)


def main() -> None:
    """Consume until nothing follows."""
    destination, store = Path(sys.argv[1]), Path(sys.argv[2])
    batch = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        for table in _TABLES:
            database.execute(table)
        consume(destination, database, batch)


def consume(destination: Path, database: sqlite3.Connection, batch: int) -> None:
    """Store every row that follows the stored position, and rewind where the destination asks for it."""
    while True:
        positions = [text for (text,) in database.execute("SELECT text FROM positions")]
        try:
            rows = harvester.read(destination, after=positions)
            while chunk := list(islice(rows, batch)):
                with _Transaction(database):
                    database.executemany(
                        "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)",
                        ((row.key, row.version, row.row, row.text) for row in chunk),
                    )
                    database.executemany(
                        "INSERT OR REPLACE INTO positions VALUES (?, ?)", ((row.epoch, row.position) for row in chunk)
                    )
        except harvester.ForeignPosition as foreign:
            with _Transaction(database):
                shared = foreign.shared
                database.execute("DELETE FROM positions WHERE text > ?", (shared,))
                database.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (shared[:13], shared))
                database.execute("INSERT INTO rewinds VALUES (?, ?)", (foreign.position, foreign.shared))
        except harvester.IntegrityError:
            # A session was killed after it had replaced a file and before its row: the next session lands it again.
            return
        else:
            return


class _Transaction:
    """BEGIN and COMMIT, or ROLLBACK."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


if __name__ == "__main__":
    main()
