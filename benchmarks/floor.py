"""The floor: the very rows a billing run wrote, inserted again by raw sqlite3.executemany.

The floor has the same tables, indexes, foreign keys and durability, the same number of leases a transaction and the
lease's own update. It is what the storage costs; whatever the run takes beyond it is ours.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

URL = "sqlite:///"


class Page(NamedTuple):
    """The statements of one transaction, each with its rows."""

    statements: list[tuple[str, list[tuple[object, ...]]]]


def pages(before: str, after: str, items_a_page: int) -> list[Page]:
    """What the database `after` has that `before` has not, cut into transactions of so many changed rows of one table."""
    db = sqlite3.connect(after.removeprefix(URL))
    db.execute("ATTACH ? AS was", (before.removeprefix(URL),))
    tables = [name for (name,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
    new: list[tuple[str, list[tuple[object, ...]]]] = []
    items = 0
    for table in _by_dependency(db, [name for name in tables if not name.startswith("sqlite_")]):
        columns = [row[1] for row in db.execute(f"PRAGMA main.table_info({table})")]
        keys = [row[1] for row in sorted(db.execute(f"PRAGMA main.table_info({table})"), key=lambda r: r[5]) if row[5]]
        names = ", ".join(f'"{c}"' for c in columns)
        rows = db.execute(f'SELECT {names} FROM main."{table}" EXCEPT SELECT {names} FROM was."{table}"').fetchall()
        if not rows:
            continue
        at = [columns.index(key) for key in keys]
        old = (
            {tuple(row[i] for i in at): row for row in db.execute(f'SELECT {names} FROM was."{table}"')} if keys else {}
        )
        rows.sort(key=lambda row: [str(row[i]) for i in at])
        inserted = [row for row in rows if tuple(row[i] for i in at) not in old]
        updated = [row for row in rows if tuple(row[i] for i in at) in old]
        if inserted:
            new.append((f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(columns))})', inserted))
        if updated:
            # Only the columns that did change: a floor must not do more than is needed.
            moved = [
                n for n, column in enumerate(columns)
                if column not in keys and any(row[n] != old[tuple(row[i] for i in at)][n] for row in updated)
            ]  # fmt: skip
            change = ", ".join(f'"{columns[n]}" = ?' for n in moved)
            where = " AND ".join(f'"{key}" = ?' for key in keys)
            new.append(
                (
                    f'UPDATE "{table}" SET {change} WHERE {where}',
                    [(*(r[n] for n in moved), *(r[i] for i in at)) for r in updated],
                )
            )
            items = max(items, len(updated))
    db.close()
    count = max(1, -(-items // items_a_page))
    return [Page([(sql, _slice(rows, n, count)) for sql, rows in new]) for n in range(count)]


def write(url: str, work: list[Page]) -> None:
    """Write the pages, a transaction each, with the store's own durability."""
    db = sqlite3.connect(url.removeprefix(URL), isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    for page in work:
        db.execute("BEGIN IMMEDIATE")
        for sql, rows in page.statements:
            db.executemany(sql, rows)
        db.execute("COMMIT")
    db.close()


def _slice(rows: list[tuple[object, ...]], n: int, count: int) -> list[tuple[object, ...]]:
    return rows[len(rows) * n // count : len(rows) * (n + 1) // count]


def _by_dependency(db: sqlite3.Connection, tables: list[str]) -> list[str]:
    wants = {t: {row[2] for row in db.execute(f"PRAGMA main.foreign_key_list({t})")} - {t} for t in tables}
    done: list[str] = []
    while len(done) < len(tables):
        done += [t for t in tables if t not in done and wants[t] <= set(done)]
    return done
