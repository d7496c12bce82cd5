"""The schema's version: who made this database, how old it is, and the numbered steps that bring it forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs
from sqlalchemy import Connection, inspect, select

from invoicecore.errors import StoreError
from invoicecore_adapters.sql import indexes  # noqa: F401  # the tables are created with them
from invoicecore_adapters.sql.schema import meta, metadata

APPLICATION: Final = "invoicecore"
"""What `meta` says about whose tables these are."""

FIRST: Final = 1
"""The version of the first schema that was ever released."""


@attrs.frozen(kw_only=True)
class Step:
    """What makes the schema of `version` out of the one before it, in one transaction, whole or not at all."""

    version: int
    title: str
    apply: Callable[[Connection], None]


@attrs.frozen(kw_only=True)
class Plan:
    """How to make the newest schema at once, and the steps from the first one to it."""

    create: Callable[[Connection], None] = metadata.create_all
    steps: Sequence[Step] = ()

    @property
    def newest(self) -> int:
        """The version this library works with."""
        return self.steps[-1].version if self.steps else FIRST


def _outbox_and_links(connection: Connection) -> None:
    # Columns added later stand last in `schema` too: rows are read by their place.
    for column, kind in (
        ("about", "TEXT"),
        ("state", "TEXT NOT NULL DEFAULT 'queued'"),
        ("tries", "INTEGER NOT NULL DEFAULT 0"),
        ("next_try_at", "TEXT"),
        ("sent_at", "TEXT"),
        ("error", "TEXT NOT NULL DEFAULT ''"),
        ("version", "INTEGER NOT NULL DEFAULT 1"),
    ):
        connection.exec_driver_sql(f"ALTER TABLE messages ADD COLUMN {column} {kind}")
    connection.exec_driver_sql("UPDATE messages SET next_try_at = queued_at")
    # Written out: a step makes the schema of its own version, whatever `schema` has become since.
    for statement in (
        "CREATE UNIQUE INDEX messages_unique_invoice_kind_about ON messages (biller, invoice, kind, about) "
        "WHERE about IS NOT NULL",
        "CREATE INDEX messages_by_state ON messages (biller, state, id)",
        "CREATE INDEX messages_by_next_try_at ON messages (biller, next_try_at, id) WHERE next_try_at IS NOT NULL",
        "CREATE TABLE pay_links (biller VARCHAR NOT NULL, id VARCHAR NOT NULL, invoice VARCHAR NOT NULL, "
        "made_at TEXT NOT NULL, revoked_at TEXT, version INTEGER NOT NULL, PRIMARY KEY (biller, id), "
        "FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE UNIQUE INDEX pay_links_unique_invoice ON pay_links (biller, invoice) WHERE revoked_at IS NULL",
        "CREATE INDEX pay_links_by_invoice ON pay_links (biller, invoice, id)",
        "CREATE INDEX pay_links_by_token ON pay_links (id)",
    ):
        connection.exec_driver_sql(statement)


PLAN: Final = Plan(steps=(Step(version=2, title="the outbox's states, and pay links", apply=_outbox_and_links),))
"""The schema of this library; a change of `schema` adds a step here."""


def stored_version(connection: Connection, place: str) -> int | None:
    """The version of the schema there is; None for an empty database.

    Raises StoreError for somebody else's tables. `place` names the database in messages.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if meta.name in tables and {"application", "version"} <= {
        c["name"] for c in inspect(connection).get_columns(meta.name)
    }:
        version = connection.execute(select(meta.c.version).where(meta.c.application == APPLICATION)).scalar()
        if version is not None:
            return int(version)
    some = ", ".join(sorted(tables)[:3])
    raise StoreError(f"{place} holds other tables ({some}), not invoicecore's; give the path of a file of its own")


def check_version(version: int, plan: Plan, place: str) -> None:
    """StoreError for a schema newer than this library knows."""
    if version > plan.newest:
        raise StoreError(
            f"{place} has schema version {version}, this invoicecore knows {plan.newest}; "
            "upgrade invoicecore, or open it with the version that wrote it"
        )


def bring_forward(connection: Connection, plan: Plan, place: str) -> None:
    """Create or migrate the schema within the open transaction, which must lock out other writers.

    Whoever comes first does it; the others find it done. Raises StoreError as `stored_version` and `check_version` do,
    and for a step that failed.
    """
    version = stored_version(connection, place)
    if version is None:
        plan.create(connection)
        connection.execute(meta.insert().values(application=APPLICATION, version=plan.newest))
        return
    check_version(version, plan, place)
    for step in plan.steps:
        if step.version <= version:
            continue
        try:
            step.apply(connection)
        except Exception as error:
            raise StoreError(
                f"{place}: migration {step.version} ({step.title}) failed, the database is as it was: {error}; "
                "mend the cause and open it again"
            ) from error
        connection.execute(meta.update().where(meta.c.application == APPLICATION).values(version=step.version))
