"""The floor on PostgreSQL: the very rows a billing run wrote, copied in again by raw binary COPY.

It has the same tables, indexes, foreign keys and durability, the same number of leases a transaction and the lease's own
update, which is one join with arrays. It is what the storage costs; whatever the run takes beyond it is ours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg
from psycopg import sql

Row = tuple[Any, ...]


class Work(NamedTuple):
    """One table's rows of a transaction: those copied in, or those updated by `update`."""

    statement: sql.Composed
    types: list[str]
    rows: list[Row]
    copied: bool


def pages(before: str, after: str, items_a_page: int) -> list[list[Work]]:
    """What the database `after` has that `before` has not, cut into transactions of so many changed rows of one table."""
    with psycopg.connect(before) as old, psycopg.connect(after) as new:
        tables = [name for (name,) in new.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        changes = [change for name in sorted(tables) for change in _changes(old, new, name)]
    items = max((len(change.rows) for change in changes if not change.copied), default=1)
    count = max(1, -(-items // items_a_page))
    return [[change._replace(rows=_slice(change.rows, n, count)) for change in changes] for n in range(count)]


def write(url: str, work: list[list[Work]]) -> None:
    """Write the pages, a transaction each."""
    with psycopg.connect(url) as db:
        for page in work:
            with db.cursor() as cursor:
                for statement, types, rows, copied in page:
                    if copied:
                        with cursor.copy(statement) as copy:
                            copy.set_types(types)
                            for row in rows:
                                copy.write_row(row)
                    else:
                        cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
            db.commit()


def _changes(old: psycopg.Connection[Row], new: psycopg.Connection[Row], table: str) -> list[Work]:
    columns: list[str] = []
    types: dict[str, str] = {}
    for name, kind in new.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ):
        columns.append(name)
        types[name] = {"character varying": "text", "timestamp with time zone": "timestamptz"}.get(kind, str(kind))
    keys = [
        name
        for (name,) in new.execute(
            "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey) "
            "WHERE indrelid = %s::regclass AND indisprimary",
            [table],
        )
    ]
    at = [columns.index(key) for key in keys]
    read = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(_names(columns), sql.Identifier(table), _names(keys))
    was = {tuple(row[i] for i in at): row for row in old.execute(read)}
    rows = new.execute(read).fetchall()
    inserted = [row for row in rows if tuple(row[i] for i in at) not in was]
    updated = [row for row in rows if was.get(tuple(row[i] for i in at), row) != row]
    found = []
    if inserted:
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), _names(columns))
        found.append(Work(copy, [types[column] for column in columns], inserted, True))
    if updated:
        moved = [
            column
            for n, column in enumerate(columns)
            if column not in keys and any(row[n] != was[tuple(row[i] for i in at)][n] for row in updated)
        ]
        given = [*moved, *keys]
        update = sql.SQL("UPDATE {table} AS t SET {sets} FROM unnest({arrays}) AS given({given}) WHERE {same}").format(
            table=sql.Identifier(table),
            sets=sql.SQL(", ").join(sql.SQL("{0} = given.{0}").format(sql.Identifier(name)) for name in moved),
            arrays=sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.SQL(types[name])) for name in given),
            given=_names(given),
            same=sql.SQL(" AND ").join(sql.SQL("t.{0} = given.{0}").format(sql.Identifier(name)) for name in keys),
        )
        slim = [tuple(row[columns.index(name)] for name in given) for row in updated]
        found.append(Work(update, [], slim, False))
    return found


def _names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _slice(rows: list[Row], n: int, count: int) -> list[Row]:
    return rows[len(rows) * n // count : len(rows) * (n + 1) // count]
