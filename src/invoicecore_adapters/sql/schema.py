"""The tables: relational, in natural words, integer minor units, dates as dates, every key led by the biller (T1).

Their indexes are in `indexes`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.sql.schema import SchemaItem

from invoicecore_adapters.sql.instants import Instant

metadata = MetaData()


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _id(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, String, nullable=null)


def _minor(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _int(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=null)


def _day(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, Date, nullable=null)


def _flag(name: str, *, null: bool = False) -> Column[bool]:
    return Column(name, Boolean(create_constraint=False), nullable=null)


def _of_biller() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["biller"], ["billers.id"], deferrable=True, initially="DEFERRED")


def _refers(column: str, table: str) -> ForeignKeyConstraint:
    # Deferred: a journey may write a charge before the invoice it is on; only what is committed must fit together.
    return ForeignKeyConstraint(
        ["biller", column], [f"{table}.biller", f"{table}.id"], deferrable=True, initially="DEFERRED"
    )


def _table(name: str, *items: SchemaItem, key: tuple[str, ...] = ("biller", "id"), clustered: bool = False) -> Table:
    # A clustered table is its own primary key index: one tree to write, right for narrow rows read by their key.
    return Table(name, metadata, *items, PrimaryKeyConstraint(*key), sqlite_with_rowid=not clustered)


billers = _table(
    "billers",
    _id("id"),
    _text("name"),
    _text("currency"),
    _text("timezone"),
    _text("locale"),
    _text("policy"),
    _flag("payments"),
    _text("address"),
    _text("email", null=True),
    _int("version"),
    key=("id",),
)

customers = _table(
    "customers",
    _id("biller"),
    _id("id"),
    _text("name"),
    _text("email", null=True),
    _text("address"),
    _text("locale", null=True),
    _text("billing_cycle"),
    _int("billing_day"),
    _flag("notify", null=True),
    _day("next_cycle_on", null=True),
    _int("version"),
    _of_biller(),
)

units = _table(
    "units",
    _id("biller"),
    _id("id"),
    _text("number"),
    _id("resident", null=True),
    _int("version"),
    _of_biller(),
    _refers("resident", "customers"),
)

booking_groups = _table(
    "booking_groups",
    _id("biller"),
    _id("id"),
    _text("name"),
    _id("organiser"),
    _int("version"),
    _of_biller(),
    _refers("organiser", "customers"),
)

bookings = _table(
    "bookings",
    _id("biller"),
    _id("id"),
    _id("customer"),
    _id("unit", null=True),
    _id("booking_group", null=True),
    _day("arrives"),
    _day("departs"),
    _text("items"),
    _int("version"),
    _of_biller(),
    _refers("customer", "customers"),
    _refers("unit", "units"),
    _refers("booking_group", "booking_groups"),
)

leases = _table(
    "leases",
    _id("biller"),
    _id("id"),
    _id("customer"),
    _id("unit", null=True),
    _text("currency"),
    _minor("rent_minor"),
    _text("frequency"),
    _day("starts"),
    _day("ends", null=True),
    _int("anchor_day", null=True),
    _text("method"),
    _int("advance_days", null=True),
    _text("day_count"),
    _day("bill_from", null=True),
    _text("description"),
    _text("taxes", null=True),
    _text("rent_changes", null=True),
    _int("next_period"),
    _day("next_run_on", null=True),
    _flag("finished"),
    _flag("invoiced"),
    _int("version"),
    _of_biller(),
    _refers("customer", "customers"),
    _refers("unit", "units"),
)

charges = _table(
    "charges",
    _id("biller"),
    _id("id"),
    _id("customer"),
    _text("description"),
    _text("currency"),
    _minor("unit_price_minor"),
    _text("quantity"),
    _day("charged_on"),
    _text("taxes", null=True),
    _text("state"),
    _id("invoice", null=True),
    _int("version"),
    _of_biller(),
    _refers("customer", "customers"),
    _refers("invoice", "invoices"),
)

invoices = _table(
    "invoices",
    _id("biller"),
    _id("id"),
    _text("kind"),
    _text("lifecycle"),
    _text("phase"),
    _text("number", null=True),
    _text("draft_reference", null=True),
    _text("title"),
    _text("description"),
    _id("customer", null=True),
    _id("unit", null=True),
    _id("lease", null=True),
    _id("booking", null=True),
    _id("booking_group", null=True),
    _text("currency"),
    _minor("total_minor"),
    _minor("paid_minor"),
    _minor("credit_minor"),
    _minor("refunded_minor"),
    _minor("refunded_credit_minor"),
    _minor("in_flight_minor"),
    _flag("prices_include_tax"),
    _flag("notify"),
    _text("bill_to_name", null=True),
    _text("bill_to_email", null=True),
    _text("bill_to_address", null=True),
    _text("bill_to_locale", null=True),
    _day("drafted_on"),
    _day("due_on"),
    _flag("due_by_terms"),
    _day("issued_on", null=True),
    _day("voided_on", null=True),
    _flag("late"),
    _day("period_start", null=True),
    _day("period_end", null=True),
    _int("period_index", null=True),
    _int("revision"),
    _day("cycle", null=True),
    _int("version"),
    _of_biller(),
    _refers("customer", "customers"),
    _refers("unit", "units"),
    _refers("lease", "leases"),
    _refers("booking", "bookings"),
    _refers("booking_group", "booking_groups"),
)

lines = _table(
    "lines",
    _id("biller"),
    _id("invoice"),
    _int("position"),
    _text("description"),
    _text("quantity"),
    _minor("unit_price_minor"),
    _minor("amount_minor"),
    _text("taxes", null=True),
    _day("period_start", null=True),
    _day("period_end", null=True),
    _int("share_days", null=True),
    _int("share_of_days", null=True),
    _text("share_day_count", null=True),
    _text("share_exact", null=True),
    _id("charge", null=True),
    _text("site", null=True),
    _refers("invoice", "invoices"),
    _refers("charge", "charges"),
    key=("biller", "invoice", "position"),
    clustered=True,
)

invoice_taxes = _table(
    "invoice_taxes",
    _id("biller"),
    _id("invoice"),
    _int("position"),
    _text("name"),
    _text("percent"),
    _text("category", null=True),
    _minor("base_minor"),
    _minor("tax_minor"),
    _refers("invoice", "invoices"),
    key=("biller", "invoice", "position"),
    clustered=True,
)

payments = _table(
    "payments",
    _id("biller"),
    _id("id"),
    _id("customer", null=True),
    _text("currency"),
    _minor("amount_minor"),
    _minor("credited_minor"),
    _text("method"),
    _day("received_on"),
    _text("reference"),
    _text("actor", null=True),
    _of_biller(),
    _refers("customer", "customers"),
)

allocations = _table(
    "allocations",
    _id("biller"),
    _id("payment"),
    _int("position"),
    _id("invoice"),
    _minor("amount_minor"),
    _refers("payment", "payments"),
    _refers("invoice", "invoices"),
    key=("biller", "payment", "position"),
    clustered=True,
)

reversals = _table(
    "reversals",
    _id("biller"),
    _id("id"),
    _id("payment"),
    _text("currency"),
    _minor("amount_minor"),
    _day("reversed_on"),
    _text("reason"),
    _text("actor", null=True),
    _refers("payment", "payments"),
)

refunds = _table(
    "refunds",
    _id("biller"),
    _id("id"),
    _id("invoice"),
    _text("currency"),
    _minor("amount_minor"),
    _minor("to_credit_minor"),
    _minor("from_credit_minor"),
    _text("method"),
    _day("refunded_on"),
    _text("reference"),
    _text("reason"),
    _text("actor", null=True),
    _refers("invoice", "invoices"),
)

credit_entries = _table(
    "credit_entries",
    _id("biller"),
    _id("id"),
    _id("customer"),
    _text("currency"),
    _int("seq"),
    _text("kind"),
    _minor("amount_minor"),
    _minor("balance_minor"),
    _day("entered_on"),
    _id("invoice", null=True),
    _id("payment", null=True),
    _text("note"),
    _text("actor", null=True),
    CheckConstraint("balance_minor >= 0", name="credit_never_negative"),
    _refers("customer", "customers"),
    _refers("invoice", "invoices"),
    _refers("payment", "payments"),
)

# A timeline outlives its record: the events of a deleted draft stay, so `subject` refers to nothing.
events = _table(
    "events",
    _id("biller"),
    _id("subject"),
    _int("version"),
    _int("step"),
    _text("action"),
    Column("happened_at", Instant, nullable=False),
    _day("counts_on"),
    _text("actor", null=True),
    _text("detail"),
    _of_biller(),
    key=("biller", "subject", "version", "step"),
    clustered=True,
)

messages = _table(
    "messages",
    _id("biller"),
    _id("id"),
    _text("kind"),
    _id("invoice"),
    _text("recipient"),
    _text("locale"),
    Column("queued_at", Instant, nullable=False),
    _text("about", null=True),
    _text("state"),
    _int("tries"),
    Column("next_try_at", Instant, nullable=True),
    Column("sent_at", Instant, nullable=True),
    _text("error"),
    _int("version"),
    _refers("invoice", "invoices"),
)

pay_links = _table(
    "pay_links",
    _id("biller"),
    _id("id"),
    _id("invoice"),
    Column("made_at", Instant, nullable=False),
    Column("revoked_at", Instant, nullable=True),
    _int("version"),
    _refers("invoice", "invoices"),
)

key_uses = _table(
    "key_uses",
    _id("biller"),
    _id("id"),
    _text("action"),
    _text("digest"),
    _text("results"),
    _of_biller(),
    clustered=True,
)

counters = _table(
    "counters",
    _id("biller"),
    _text("series"),
    Column("next_number", BigInteger, nullable=False),
    _day("last_on", null=True),
    CheckConstraint("next_number >= 1", name="numbers_from_one"),
    _of_biller(),
    key=("biller", "series"),
    clustered=True,
)

meta = _table(
    "meta",
    _text("application"),
    _int("version"),
    key=("application",),
    clustered=True,
)
