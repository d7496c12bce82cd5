"""What the larger commands show to people: one invoice in full, a run, a load, the plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from invoicecore import Billing, Invoice, Money
from invoicecore.parties import Biller
from invoicecore.plugins import PluginRow
from invoicecore.wording import can_say, decimal_mark, format_date, format_money, heading, kind_name, method_name, say
from invoicecore_adapters.cli.arguments import METHODS
from invoicecore_adapters.cli.loading import WHATS, LoadReport
from invoicecore_adapters.cli.rows import SECTIONS
from invoicecore_adapters.cli.speech import fact, tell
from invoicecore_adapters.cli.tables import Column, Names, Screen, status_cell

if TYPE_CHECKING:
    from typing import Protocol

    from invoicecore.payments import Payment
    from invoicecore.periods import Period
    from invoicecore.ports import Event

    class Outcome(Protocol):
        """What a run says about one lease or client, as this module reads it."""

        code: str
        text: str
        data: Mapping[str, object]
        biller: str
        lease: str | None
        customer: str | None
        period: Period | None
        amount: Money | None
        about: str | None
        due_on: date | None

    class Tally(Protocol):
        """How many outcomes, and the first of them."""

        count: int

        @property
        def items(self) -> Sequence[Outcome]:
            """The first outcomes."""

    class Report(Protocol):
        """A run's report, as this module reads it."""

        dry_run: bool

        @property
        def invoices(self) -> Sequence[Invoice]:
            """The first invoices made."""


_SHOWN: Final = 10  # outcomes of a kind that people are told; machines get all that the report keeps


def show_invoice(screen: Screen, billing: Billing, biller: Biller, invoice: Invoice, on: date, locale: str) -> None:
    """One invoice: who, when, what for, how much of it is settled, and what happened to it."""
    names = Names(billing)
    status = status_cell(invoice, biller, on, locale)
    screen.title(fact(biller.name, f"{invoice.reference} — {invoice.title}", locale))
    screen.line(fact(heading("status", locale), f"{status.text} ({format_date(on, locale)})", locale), status.colour)
    payer, unit = names.payer(invoice), names.unit(invoice.biller, invoice.unit)
    contact = [invoice.bill_to.address, invoice.bill_to.email] if invoice.bill_to else []
    facts = [
        (heading("kind", locale), kind_name(invoice.kind, locale)),
        (tell("bill_to", locale), ", ".join(filter(None, [payer or tell("nobody", locale), *contact]))),
        (heading("unit", locale), unit),
        (heading("issued", locale), format_date(invoice.issued_on, locale) if invoice.issued_on else ""),
        (heading("due", locale), format_date(invoice.due_on, locale)),
        (heading("description", locale), invoice.description),
    ]
    for name, value in facts:
        if value:
            screen.line(fact(name, value, locale))
    screen.line()
    _lines(screen, invoice, locale)
    _money(screen, invoice, locale)
    timeline = billing.invoices.timeline(invoice)
    _payments(screen, billing.payments.find(invoice=invoice), timeline, invoice, locale)
    _refunds(screen, billing, invoice, locale)
    payer_id = names.payer_id(invoice)
    credit = billing.credits.balance(payer_id) if payer_id is not None else None
    if credit is not None and credit.amount:
        screen.line()
        name = tell("credit_of", locale, name=names.customer(payer_id))
        screen.line(fact(name, format_money(credit, locale), locale))
    screen.line()
    steps = [(format_date(step.on, locale), *_step(step, invoice, locale)) for step in timeline]
    screen.table(
        [Column(heading(name, locale), wraps=True) for name in ("date", "event", "actor", "description")], steps
    )


def _payments(
    screen: Screen, payments: Sequence[Payment], timeline: Sequence[Event], invoice: Invoice, locale: str
) -> None:
    """What was received, and what of it was taken back from this invoice or restored, by day."""
    rows = [
        (
            payment.received_on,
            method_name(payment.method, locale),
            payment.reference,
            format_money(payment.amount, locale),
        )
        for payment in payments
    ]
    # A payment stands as it was received: without these nobody sees why its invoice is owed all the same.
    for step in timeline:
        if step.action in _TAKEN_BACK and re.fullmatch(_NUMBER, step.detail):
            money = Money(step.detail, invoice.currency) * _TAKEN_BACK[step.action]
            rows.append((step.on, _action(step, locale), "", format_money(money, locale)))
    if rows:
        names = ("date", "method", "reference", "amount")
        screen.line()
        screen.table(
            [Column(heading(name, locale), right=name == "amount") for name in names],
            [(format_date(on, locale), *rest) for on, *rest in sorted(rows, key=lambda row: row[0])],
        )


def _refunds(screen: Screen, billing: Billing, invoice: Invoice, locale: str) -> None:
    refunds = billing.payments.refunds(invoice)
    if not refunds:
        return
    columns = [
        Column(heading("date", locale)),
        Column(heading("method", locale)),
        Column(heading("reference", locale)),
        Column(heading("reason", locale), wraps=True),
        Column(heading("refunded", locale), right=True),
        Column(tell("to_credit", locale), right=True),
    ]
    screen.line()
    screen.table(
        columns,
        [
            (
                format_date(refund.refunded_on, locale),
                method_name(refund.method, locale) if refund.to_credit != refund.amount else "",
                refund.reference,
                refund.reason,
                format_money(refund.amount, locale),
                format_money(refund.to_credit, locale) if refund.to_credit.amount else "",
            )
            for refund in refunds
        ],
    )


_NUMBER: Final = r"-?[0-9]+(\.[0-9]+)?"
_TAKEN_BACK: Final = {"payment reversed": -1, "reversal cancelled": 1}
_WITH_MONEY: Final = frozenset(
    {"paid", *_TAKEN_BACK, "refunded", "refund failed", "credit applied", "credit returned", "late fee"}
)


def _step(step: Event, invoice: Invoice, locale: str) -> tuple[str, str, str]:
    """What was done, by whom, and more of it, in the reader's words where there are any."""
    detail = step.detail
    number, _, how = detail.partition(" ")
    # A collection's step tells its amount and nothing else; one that a person settled has that person's words.
    with_money = step.action in _WITH_MONEY or (step.action.startswith("collection ") and not how)
    if with_money and re.fullmatch(_NUMBER, number):
        detail = format_money(Money(number, invoice.currency), locale)
        if how == "to credit":
            detail = fact(tell("to_credit", locale), detail, locale)
        elif how in METHODS:
            detail = f"{detail}, {method_name(how, locale)}"
    elif step.action == "reminded" and re.fullmatch("0|[+-][0-9]+", detail):
        detail = _step_of(int(detail), invoice, locale)
    elif step.action == "credited" and re.fullmatch(_NUMBER, how):
        detail = f"{number}, {format_money(Money(how, invoice.currency), locale)}"
    return _action(step, locale), step.actor or "", detail


def _action(step: Event, locale: str) -> str:
    key = f"event.{step.action.replace(' ', '_')}"
    return say(key, locale) if can_say(key) else step.action


def _step_of(days: int, invoice: Invoice, locale: str) -> str:
    """Which step a reminder was, in words: days from the due date, or from the issue where that was later."""
    if invoice.issued_on is not None and invoice.issued_on > invoice.due_on:
        return tell("after_it_was_issued", locale, count=days)
    if not days:
        return tell("when_due", locale)
    return tell("after_it_was_due", locale, count=days) if days > 0 else tell("before_due", locale, count=-days)


def _lines(screen: Screen, invoice: Invoice, locale: str) -> None:
    columns = [
        Column(heading("description", locale), wraps=True),
        Column(heading("site", locale)),
        Column(heading("quantity", locale), right=True),
        Column(heading("price", locale), right=True),
        Column(heading("tax", locale)),
        Column(heading("amount", locale), right=True),
    ]
    rows = [
        (
            line.description.replace("\n", " · "),
            line.site or "",
            _quantity(line.quantity, locale) if line.quantity != 1 else "",
            format_money(line.unit_price, locale) if line.quantity != 1 or line.unit_price != line.amount else "",
            ", ".join(tax.name for tax in line.taxes),
            format_money(line.amount, locale),
        )
        for line in invoice.lines
    ]
    screen.table(columns, rows)
    screen.line()


def _quantity(quantity: Decimal, locale: str) -> str:
    plain = f"{quantity.normalize():f}"
    return plain.replace(".", decimal_mark(locale))


def _money(screen: Screen, invoice: Invoice, locale: str) -> None:
    facts = invoice.facts
    rows = [(heading("subtotal", locale), invoice.net)] if invoice.taxes else []
    rows += [(f"{tax.rate.name} {_quantity(tax.rate.percent, locale)} %", tax.tax) for tax in invoice.taxes]
    rows.append((heading("total", locale), invoice.total))
    given = (("paid", facts.paid), ("credit", facts.credit), ("refunded", facts.refunded))
    rows += [(heading(name, locale), amount) for name, amount in given if amount.amount]
    if invoice.voided_on is None:
        rows.append((heading("balance", locale), invoice.balance))
    columns = [Column(""), Column(heading("amount", locale), right=True)]
    screen.table(columns, [(name, format_money(amount, locale)) for name, amount in rows])


def show_run(screen: Screen, names: Names, report: Report, locales: Mapping[str, str], locale: str) -> None:
    """A run: how many of each kind, then the first of each; `locales` says how each biller writes dates and money."""
    if report.dry_run:
        screen.line(tell("dry_run", locale), "bold")
    kinds = ("created", "existing", "late", "skipped", "failed", "warnings")
    tallies: dict[str, Tally] = {kind: getattr(report, kind) for kind in kinds}
    columns = [Column(say(f"report.{kind}", locale), right=True) for kind in kinds]
    screen.table(columns, [[str(tally.count) for tally in tallies.values()]])
    for kind, tally in tallies.items():
        if kind == "existing" or not tally.count:
            continue
        screen.line()
        screen.title(say(f"report.{kind}", locale))
        # What was made is called by its title; the reason of the others is what the report says of them.
        runs = kind == "created" and all(outcome.code == "created" for outcome in tally.items)
        titles = [invoice.title for invoice in report.invoices[:_SHOWN]] if runs else []
        rows = [
            (
                *names.subject(outcome.customer, outcome.lease, outcome.biller),
                (titles[i] if i < len(titles) else _why(outcome, locale)).replace("\n", " · "),
                _span(outcome.period, at_home),
                format_money(outcome.amount, at_home) if outcome.amount is not None else "",
            )
            for i, outcome in enumerate(tally.items[:_SHOWN])
            for at_home in (locales.get(outcome.biller, locale),)
        ]
        columns = [
            Column(heading("customer", locale), wraps=True),
            Column(heading("unit", locale)),
            Column(heading("title" if runs else "reason", locale), wraps=True),
            Column(heading("period", locale), spare=1),
            Column(heading("amount", locale), right=True),
        ]
        screen.table(columns, rows)
        if tally.count > len(rows):
            screen.line(tell("and_more", locale, count=tally.count - len(rows)))


def _why(outcome: Outcome, locale: str) -> str:
    """The reason in the language spoken here, without the class of the error that the report puts before it."""
    # Many a reason has no data; the code of an error is no sentence, and what it says stands in its text.
    if can_say(outcome.code):
        return say(outcome.code, locale, **outcome.data)
    name, colon, rest = outcome.text.partition(": ")
    return rest if outcome.code == "failed" and colon and name.isidentifier() else outcome.text


def _span(period: Period | None, locale: str) -> str:
    return f"{format_date(period.start, locale)} - {format_date(period.last_day, locale)}" if period is not None else ""


def show_loaded(screen: Screen, report: LoadReport, locale: str) -> None:
    """A load: rows by section and what became of them, then each that was not written and why."""
    whats = [what for what in WHATS if report.count(what)]
    columns = [Column(tell("section", locale)), *(Column(tell(what, locale), right=True) for what in whats)]
    rows = [
        (section, *(str(report.count(what, section) or "") for what in whats))
        for section in SECTIONS
        if any(report.count(what, section) for what in whats)
    ]
    screen.table(columns, rows)
    for item in report.unwritten:
        screen.line(f"{item.where} {item.ref}: {item.reason}", "yellow")
    counts = {"created": report.count("created"), "existing": report.count("existing")}
    screen.line(tell("loaded", locale, source=report.source, unwritten=len(report.unwritten), **counts))


def show_plugins(screen: Screen, rows: Sequence[PluginRow], locale: str) -> None:
    """The plugins, where they come from, and the names they offer."""
    columns = [Column(tell(name, locale), wraps=name == "offers") for name in ("plugin", "version", "hooks", "offers")]
    screen.table(
        columns,
        [
            (
                row.name,
                " ".join(filter(None, (row.distribution, row.version))),
                ", ".join(row.hooks),
                "; ".join(f"{hook}: {', '.join(offered)}" for hook, offered in row.offers.items()),
            )
            for row in rows
        ],
    )
