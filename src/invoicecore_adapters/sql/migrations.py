"""The schema's version: who made this database, how old it is, and the numbered steps that bring it forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs
from sqlalchemy import Connection, inspect, select

from invoicecore.errors import StoreError
from invoicecore_adapters.sql import indexes  # noqa: F401  # the tables are created with them
from invoicecore_adapters.sql.columns import metadata
from invoicecore_adapters.sql.schema import meta

APPLICATION: Final = "invoicecore"
"""What `meta` says about whose tables these are."""

FIRST: Final = 1
"""The version of the first schema that was ever released."""


def create_all(connection: Connection) -> None:
    """Make the newest schema, or fail on whatever has the name of one of its tables: a view, somebody's index."""
    metadata.create_all(connection, checkfirst=False)


@attrs.frozen(kw_only=True)
class Step:
    """What makes the schema of `version` out of the one before it, in one transaction, whole or not at all."""

    version: int
    title: str
    apply: Callable[[Connection], None]


@attrs.frozen(kw_only=True)
class Plan:
    """How to make the newest schema at once, and the steps from the first one to it."""

    create: Callable[[Connection], None] = create_all
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


def _collecting(connection: Connection) -> None:
    for table, column, kind in (
        ("invoices", "noted_minor", "BIGINT NOT NULL DEFAULT 0"),
        ("payments", "collection", "VARCHAR"),
        ("payments", "version", "INTEGER NOT NULL DEFAULT 1"),
        ("reversals", "kind", "TEXT NOT NULL DEFAULT 'by_hand'"),
        ("reversals", "reference", "TEXT NOT NULL DEFAULT ''"),
        ("reversals", "cancelled_on", "DATE"),
        ("reversals", "version", "INTEGER NOT NULL DEFAULT 1"),
        ("refunds", "state", "TEXT NOT NULL DEFAULT 'succeeded'"),
        ("refunds", "gateway", "TEXT"),
        ("refunds", "payment", "VARCHAR"),
        ("refunds", "refunded_before_minor", "BIGINT"),
        ("refunds", "submitted_at", "TEXT"),
        ("refunds", "next_try_at", "TEXT"),
        ("refunds", "tries", "INTEGER NOT NULL DEFAULT 0"),
        ("refunds", "failed_on", "DATE"),
        ("refunds", "error", "TEXT NOT NULL DEFAULT ''"),
        ("refunds", "version", "INTEGER NOT NULL DEFAULT 1"),
        ("refunds", "of_credit_minor", "BIGINT"),
    ):
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    # Credit notes are numbered CN- unless told otherwise, and must not look like the invoices of whoever uses that.
    connection.exec_driver_sql(
        """UPDATE billers SET policy = replace(policy, '"number_prefix":"CN-"', """
        """'"number_prefix":"CN-","credit_note_prefix":"CRN-"')"""
    )
    owned = "FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED"
    of = "FOREIGN KEY(biller, {}) REFERENCES {} (biller, id) DEFERRABLE INITIALLY DEFERRED"
    of_invoice, of_customer = of.format("invoice", "invoices"), of.format("customer", "customers")
    for statement in (
        "CREATE TABLE saved_methods (biller VARCHAR NOT NULL, id VARCHAR NOT NULL, customer VARCHAR NOT NULL, "
        "gateway TEXT NOT NULL, kind TEXT NOT NULL, made_at TEXT NOT NULL, state TEXT NOT NULL, setup TEXT, "
        "reference TEXT, owner TEXT, scheme TEXT NOT NULL, label TEXT NOT NULL, reason TEXT NOT NULL, "
        f"tries INTEGER NOT NULL, next_try_at TEXT, version INTEGER NOT NULL, PRIMARY KEY (biller, id), {of_customer})",
        "CREATE TABLE collections (biller VARCHAR NOT NULL, id VARCHAR NOT NULL, invoice VARCHAR NOT NULL, "
        "customer VARCHAR, method VARCHAR, gateway TEXT NOT NULL, kind TEXT NOT NULL, currency TEXT NOT NULL, "
        "amount_minor BIGINT NOT NULL, collected_minor BIGINT NOT NULL, made_at TEXT NOT NULL, state TEXT NOT NULL, "
        "attempt INTEGER NOT NULL, charge_on DATE, expected_on DATE, reversible_until DATE, reference TEXT, "
        "submitted_at TEXT, expires_at TEXT, next_try_at TEXT, tries INTEGER NOT NULL, decline_code TEXT, "
        "decline_advice TEXT, decline_raw_code TEXT, decline_provider_will_retry BOOLEAN, error TEXT NOT NULL, "
        f"actor TEXT, version INTEGER NOT NULL, PRIMARY KEY (biller, id), {of_invoice}, {of_customer}, "
        f"{of.format('method', 'saved_methods')})",
        "CREATE TABLE inbox_events (biller VARCHAR NOT NULL, id VARCHAR NOT NULL, gateway TEXT NOT NULL, "
        "kind TEXT NOT NULL, about TEXT NOT NULL, reference TEXT NOT NULL, received_at TEXT NOT NULL, "
        "state TEXT NOT NULL, tries INTEGER NOT NULL, next_try_at TEXT, error TEXT NOT NULL, version INTEGER NOT NULL, "
        f"PRIMARY KEY (biller, id), {owned})",
        "CREATE TABLE alerts (biller VARCHAR NOT NULL, id VARCHAR NOT NULL, kind TEXT NOT NULL, about VARCHAR NOT NULL, "
        "invoice VARCHAR, text TEXT NOT NULL, raised_at TEXT NOT NULL, state TEXT NOT NULL, resolved_at TEXT, "
        "resolved_by TEXT, resolution TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (biller, id), "
        f"{owned}, {of_invoice})",
        "CREATE TABLE credit_notes (biller VARCHAR NOT NULL, id VARCHAR NOT NULL, invoice VARCHAR NOT NULL, "
        "number TEXT NOT NULL, customer VARCHAR, currency TEXT NOT NULL, total_minor BIGINT NOT NULL, "
        "settled_minor BIGINT NOT NULL, issued_on DATE NOT NULL, prices_include_tax BOOLEAN NOT NULL, "
        "bill_to_name TEXT, bill_to_email TEXT, bill_to_address TEXT, bill_to_locale TEXT, reason TEXT NOT NULL, "
        f"refund VARCHAR, actor TEXT, PRIMARY KEY (biller, id), {of_invoice}, {of_customer}, "
        f"{of.format('refund', 'refunds')})",
        "CREATE TABLE credit_note_lines (biller VARCHAR NOT NULL, credit_note VARCHAR NOT NULL, "
        "position INTEGER NOT NULL, line INTEGER NOT NULL, description TEXT NOT NULL, amount_minor BIGINT NOT NULL, "
        f"taxes TEXT, PRIMARY KEY (biller, credit_note, position), {of.format('credit_note', 'credit_notes')}) "
        "WITHOUT ROWID",
        "CREATE TABLE credit_note_taxes (biller VARCHAR NOT NULL, credit_note VARCHAR NOT NULL, "
        "position INTEGER NOT NULL, name TEXT NOT NULL, percent TEXT NOT NULL, category TEXT, "
        "base_minor BIGINT NOT NULL, tax_minor BIGINT NOT NULL, PRIMARY KEY (biller, credit_note, position), "
        f"{of.format('credit_note', 'credit_notes')}) WITHOUT ROWID",
        # A charge-back that was won makes room for another, and a provider's partial ones stand side by side: one
        # reversal a payment was too strict.
        "DROP INDEX reversals_unique_payment",
        "CREATE UNIQUE INDEX reversals_unique_payment_reference ON reversals (biller, payment, reference) "
        "WHERE cancelled_on IS NULL",
        "CREATE INDEX reversals_by_payment ON reversals (biller, payment, id)",
        "CREATE INDEX payments_by_collection ON payments (biller, collection, id) WHERE collection IS NOT NULL",
        "CREATE INDEX refunds_by_payment ON refunds (biller, payment, id) WHERE payment IS NOT NULL",
        "CREATE INDEX refunds_by_state ON refunds (biller, state, id)",
        "CREATE INDEX refunds_by_next_try_at ON refunds (biller, next_try_at, id) WHERE next_try_at IS NOT NULL",
        "CREATE INDEX saved_methods_by_customer ON saved_methods (biller, customer, id)",
        "CREATE INDEX saved_methods_by_state ON saved_methods (biller, state, id)",
        "CREATE INDEX saved_methods_by_next_try_at ON saved_methods (biller, next_try_at, id) "
        "WHERE next_try_at IS NOT NULL",
        "CREATE INDEX collections_by_invoice ON collections (biller, invoice, id)",
        "CREATE UNIQUE INDEX collections_unique_invoice ON collections (biller, invoice) "
        "WHERE state IN ('closing', 'open', 'pending', 'reserved', 'submitting', 'unknown')",
        "CREATE INDEX collections_by_customer ON collections (biller, customer, id) WHERE customer IS NOT NULL",
        "CREATE INDEX collections_by_state ON collections (biller, state, id)",
        "CREATE INDEX collections_by_next_try_at ON collections (biller, next_try_at, id) "
        "WHERE next_try_at IS NOT NULL",
        "CREATE INDEX inbox_events_by_state ON inbox_events (biller, state, id)",
        "CREATE INDEX inbox_events_by_next_try_at ON inbox_events (biller, next_try_at, id) "
        "WHERE next_try_at IS NOT NULL",
        "CREATE INDEX alerts_by_invoice ON alerts (biller, invoice, id) WHERE invoice IS NOT NULL",
        "CREATE INDEX alerts_by_about ON alerts (biller, about, id)",
        "CREATE INDEX alerts_by_state ON alerts (biller, state, id)",
        "CREATE UNIQUE INDEX alerts_unique_kind_about ON alerts (biller, kind, about)",
        "CREATE INDEX credit_notes_by_invoice ON credit_notes (biller, invoice, id)",
        "CREATE INDEX credit_notes_by_customer ON credit_notes (biller, customer, id) WHERE customer IS NOT NULL",
        "CREATE UNIQUE INDEX credit_notes_unique_number ON credit_notes (biller, number)",
    ):
        connection.exec_driver_sql(statement)


def _lease_ends(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE credit_notes ADD COLUMN lease_ends DATE")
    # What a note was for nobody knows any more: where its lease has ended by now, for the days after that, as it was taken.
    # `ends` is a lease's last day, and a period goes up to before its end.
    first_day_after = "leases.ends + 1" if connection.dialect.name == "postgresql" else "date(leases.ends, '+1 day')"
    connection.exec_driver_sql(
        "UPDATE credit_notes SET lease_ends = (SELECT leases.ends FROM invoices JOIN leases "
        "ON leases.biller = invoices.biller AND leases.id = invoices.lease "
        "WHERE invoices.biller = credit_notes.biller AND invoices.id = credit_notes.invoice "
        f"AND {first_day_after} < invoices.period_end)"
    )


PLAN: Final = Plan(
    steps=(
        Step(version=2, title="the outbox's states, and pay links", apply=_outbox_and_links),
        Step(version=3, title="collecting through providers, and credit notes", apply=_collecting),
        Step(version=4, title="what a credit note of a lease is for", apply=_lease_ends),
    )
)
"""The schema of this library; a change of `schema` adds a step here."""


def stored_version(connection: Connection, place: str, *, beside_others: bool = False) -> int | None:
    """The version of the schema there is; None where there is none yet.

    Raises StoreError for somebody else's tables: any, unless ours may stand `beside_others`, which have other names.
    `place` names the database in messages.
    """
    look = inspect(connection)
    # Of a search path the first schema is ours: what is made is made there.
    tables = look.get_table_names(look.default_schema_name)
    if beside_others:
        tables = [name for name in tables if name in metadata.tables]
    version = _version(connection) if meta.name in tables else None
    if beside_others and meta.name not in tables and meta.name in look.get_table_names() and _version(connection):
        raise StoreError(
            f"{place} has invoicecore's tables, but not in the first schema of its search_path; "
            "name the schema of the store alone, as in ?options=-csearch_path%3Dpublic"
        )
    if version is not None or not tables:
        return version
    some = ", ".join(sorted(tables)[:3])
    raise StoreError(f"{place} holds other tables ({some}), not invoicecore's; give it a database of its own")


def _version(connection: Connection) -> int | None:
    if not {"application", "version"} <= {column["name"] for column in inspect(connection).get_columns(meta.name)}:
        return None
    version = connection.execute(select(meta.c.version).where(meta.c.application == APPLICATION)).scalar()
    return version


def check_version(version: object, plan: Plan, place: str) -> None:
    """StoreError for a schema newer than this library knows."""
    if not isinstance(version, int):  # SQLite keeps whatever it is given
        raise StoreError(f"{place} has schema version {version!r}, which is no number; restore a backup")
    if version > plan.newest:
        raise StoreError(
            f"{place} has schema version {version}, this invoicecore knows {plan.newest}; "
            "upgrade invoicecore, or open it with the version that wrote it"
        )


def bring_forward(connection: Connection, plan: Plan, place: str, *, beside_others: bool = False) -> None:
    """Create or migrate the schema within the open transaction, which must lock out other writers.

    Whoever comes first does it; the others find it done. Raises StoreError as `stored_version` and `check_version` do,
    and for a step that failed.
    """
    version = stored_version(connection, place, beside_others=beside_others)
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
