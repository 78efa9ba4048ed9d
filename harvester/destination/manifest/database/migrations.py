"""The manifest's tables and how an older state becomes a newer one."""

from __future__ import annotations

import sqlite3
import time

from harvester.destination.manifest.database.transactions import immediate_transaction
from harvester.destination.positions import draw_epoch
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError

# One script a version, each run once, all of a step in one transaction with the version it leads to.
# Keys are TEXT under the BINARY collation, which is the byte order the clouds list in: a listing and
# these tables can be merged as two sorted streams. A script may call ``draw_epoch()`` and ``now()``.
_OF_A_PAGE = "key, etag, size, path, content_size, mtime_ns, origin, evicted, gone"
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE objects(
             key TEXT PRIMARY KEY, etag TEXT NOT NULL, size INTEGER NOT NULL, last_modified REAL NOT NULL,
             path TEXT NOT NULL, content_size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL,
             seq INTEGER NOT NULL, run INTEGER NOT NULL, landed_at REAL NOT NULL,
             shape TEXT, encoding TEXT NOT NULL, task_id TEXT, status TEXT, rows INTEGER,
             origin TEXT NOT NULL, evicted INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0
           ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX objects_by_path ON objects(path)",
        "CREATE INDEX objects_by_seq ON objects(seq)",
        """CREATE TABLE problems(
             key TEXT PRIMARY KEY, etag TEXT NOT NULL, size INTEGER NOT NULL, outcome TEXT NOT NULL,
             reason TEXT NOT NULL, detail TEXT NOT NULL, first_run INTEGER NOT NULL, run INTEGER NOT NULL,
             path TEXT, digest TEXT, fingerprint TEXT NOT NULL
           ) WITHOUT ROWID""",
        """CREATE TABLE versions(
             key TEXT NOT NULL, seq INTEGER NOT NULL, etag TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL,
             PRIMARY KEY (key, seq)
           ) WITHOUT ROWID""",
        """CREATE TABLE runs(
             run INTEGER PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL, exit_code INTEGER, report TEXT
           )""",
    ),
    (
        """CREATE TABLE epochs(
             epoch TEXT PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, recorded_at REAL NOT NULL
           ) WITHOUT ROWID""",
        # What landed before there were epochs is one.
        """INSERT INTO epochs SELECT draw_epoch(), 1, max(seq), now() FROM objects HAVING count(*) > 0""",
        """CREATE TABLE consumers(
             name TEXT PRIMARY KEY, filter TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
             row INTEGER NOT NULL, created_at REAL NOT NULL, acknowledged_at REAL
           ) WITHOUT ROWID""",
        "CREATE TABLE superseded(seq INTEGER PRIMARY KEY, rows INTEGER NOT NULL)",
        """CREATE TABLE tombstones(
             key TEXT PRIMARY KEY, task_id TEXT, version TEXT NOT NULL, seq INTEGER NOT NULL, purged_at REAL NOT NULL
           ) WITHOUT ROWID""",
        "CREATE INDEX tombstones_by_seq ON tombstones(seq)",
        """CREATE TABLE compacted(
             day TEXT PRIMARY KEY, objects INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL
           ) WITHOUT ROWID""",
        "ALTER TABLE objects ADD COLUMN replaces TEXT",
        "ALTER TABLE objects ADD COLUMN gone_at REAL",
        "UPDATE objects SET gone_at = now() WHERE gone = 1",
    ),
    (
        """CREATE TABLE acceptances(
             key TEXT PRIMARY KEY, etag TEXT NOT NULL, size INTEGER NOT NULL, outcome TEXT NOT NULL,
             reason TEXT NOT NULL, note TEXT NOT NULL, until REAL, accepted_at REAL NOT NULL
           ) WITHOUT ROWID""",
        """CREATE TABLE heartbeats(
             verb TEXT PRIMARY KEY, succeeded_at REAL, ended_at REAL NOT NULL, exit_code INTEGER NOT NULL
           ) WITHOUT ROWID""",
    ),
    ("ALTER TABLE objects ADD COLUMN agent TEXT",),
    (
        """CREATE TABLE pages(
             after TEXT NOT NULL UNIQUE, last TEXT NOT NULL, keys INTEGER NOT NULL, digest BLOB NOT NULL,
             files BLOB NOT NULL
           )""",
        # A page is known only as long as nothing has changed in any row of its keys, whatever changes it.
        *(
            f"CREATE TRIGGER pages_{number} AFTER {event} BEGIN DELETE FROM pages"
            f" WHERE after = (SELECT max(after) FROM pages WHERE after < {row}.key) AND last >= {row}.key; END"
            for number, (event, row) in enumerate(
                (
                    ("INSERT ON objects", "new"),
                    (f"UPDATE OF {_OF_A_PAGE} ON objects", "new"),
                    ("UPDATE OF key ON objects", "old"),
                    ("DELETE ON objects", "old"),
                    ("INSERT ON problems", "new"),
                    ("UPDATE ON problems", "new"),
                )
            )
        ),
    ),
    ("ALTER TABLE objects ADD COLUMN non_finite INTEGER",),
)


def migrate(connection: sqlite3.Connection, described: str) -> None:
    """Bring the tables to this program's version, in one transaction.

    Raises ConfigurationError when a newer program made them.
    """
    newest = len(MIGRATIONS)
    connection.create_function("draw_epoch", 0, draw_epoch)
    connection.create_function("now", 0, time.time)
    with immediate_transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > newest:
            raise too_new(described, version)
        for script in MIGRATIONS[version:]:
            for statement in script:
                connection.execute(statement)
        if version < newest:
            connection.execute(f"PRAGMA user_version = {newest}")


def too_new(described: str, version: int) -> ConfigurationError:
    """Return the error for a state that a newer program has written."""
    return ConfigurationError(
        f"{described} was written by a newer nimble-harvester",
        cause=f"its state has version {version}, this program knows up to {len(MIGRATIONS)}",
        code=ErrorCode.STATE_FROM_NEWER_VERSION,
        subject=described,
    )
