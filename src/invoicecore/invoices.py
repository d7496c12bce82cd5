"""The invoice: its lines, its lifecycle as one table, and the status that follows from facts and a date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import attrs

from invoicecore.altering import altered
from invoicecore.errors import InvalidValue, MoneyHeld, NotAllowed, NothingToBill
from invoicecore.money import Money, exact, minor, times, zero
from invoicecore.parties import BillTo, Policy, listed, text
from invoicecore.payments import Facts, is_zero, no_facts
from invoicecore.periods import Period, as_date
from invoicecore.proration import DayCount
from invoicecore.taxes import TaxAmount, TaxRate, breakdown, tax_rates


class InvoiceKind(StrEnum):
    """Where an invoice comes from (S1, R2, C2); a fee is for paying another one late (P3)."""

    STANDALONE = "standalone"
    CHARGES = "charges"
    LEASE = "lease"
    BOOKING = "booking"
    GROUP = "group"
    FEE = "fee"


class Lifecycle(StrEnum):
    """The stored part of an invoice's status (D1)."""

    DRAFT = "draft"
    OPEN = "open"
    VOID = "void"


class Phase(StrEnum):
    """What the recorded facts say without a date; DUE becomes Open or Overdue by the date (D1, D2)."""

    DRAFT = "draft"
    VOID = "void"
    REFUNDED = "refunded"
    PAID = "paid"
    PENDING = "pending"
    DUE = "due"


class Status(StrEnum):
    """The status shown on a date (R13, S8)."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    PENDING = "pending"
    OVERDUE = "overdue"
    VOID = "void"
    REFUNDED = "refunded"


# The only place where the lifecycle changes: (action, from) -> to. None: the draft is removed.
TRANSITIONS: Mapping[tuple[str, Lifecycle], Lifecycle | None] = {
    ("edit", Lifecycle.DRAFT): Lifecycle.DRAFT,
    ("publish", Lifecycle.DRAFT): Lifecycle.OPEN,
    ("delete", Lifecycle.DRAFT): None,
    ("void", Lifecycle.DRAFT): Lifecycle.VOID,
    ("void", Lifecycle.OPEN): Lifecycle.VOID,
    ("pay", Lifecycle.OPEN): Lifecycle.OPEN,
    ("apply credit", Lifecycle.OPEN): Lifecycle.OPEN,
    ("refund", Lifecycle.OPEN): Lifecycle.OPEN,
    ("credit", Lifecycle.OPEN): Lifecycle.OPEN,
    ("refund", Lifecycle.VOID): Lifecycle.VOID,
}


@attrs.frozen(kw_only=True)
class Caveat:
    """Something the caller should know though nothing was refused: a code and a sentence (R3, R10)."""

    code: str
    text: str


@attrs.frozen(kw_only=True)
class Item:
    """What to bill, before it is a line: `quantity` × `unit_price` (M10). `site` groups lines on a group invoice."""

    description: str
    unit_price: Money
    quantity: Decimal = Decimal(1)
    taxes: tuple[TaxRate, ...] = ()
    site: str | None = None


@attrs.frozen(kw_only=True)
class Share:
    """How a prorated line's amount came about (M6): `days` of `of_days` by `day_count`, `exact` in minor units."""

    days: int
    of_days: int
    day_count: DayCount
    exact: Fraction


@attrs.frozen(kw_only=True)
class Line:
    """One invoice line: `amount` = half-up(`quantity` × `unit_price`) (M10), or a rent or booking share."""

    description: str
    amount: Money
    unit_price: Money
    quantity: Decimal = Decimal(1)
    taxes: tuple[TaxRate, ...] = ()
    period: Period | None = None
    share: Share | None = None
    charge: str | None = None
    site: str | None = None


@attrs.frozen(kw_only=True, slots=False)  # as `altered` needs it
class Invoice:
    """A request for payment from draft to paid, void or refunded.

    Dates are civil dates of the biller; `due_by_terms` marks a draft whose `due_on` moves with its issue date
    (issue + terms, C9). `number` is None until published (N1), `draft_reference` names a draft. `period_index` and `revision` belong to a lease's
    invoice (N2), `cycle` to a client's monthly one (its first of the month, C9). `late` is set once, at generation (S6).
    `warnings` travel with a result and are never stored.
    """

    id: str
    biller: str
    kind: InvoiceKind
    lifecycle: Lifecycle
    currency: str
    title: str
    lines: tuple[Line, ...]
    taxes: tuple[TaxAmount, ...]
    total: Money
    facts: Facts
    drafted_on: date
    due_on: date
    due_by_terms: bool = False
    draft_reference: str | None = None
    number: str | None = None
    description: str = ""
    customer: str | None = None
    unit: str | None = None
    lease: str | None = None
    booking: str | None = None
    group: str | None = None
    prices_include_tax: bool = False
    notify: bool = False
    bill_to: BillTo | None = None
    issued_on: date | None = None
    voided_on: date | None = None
    late: bool = False
    period: Period | None = None
    period_index: int | None = None
    revision: int = 1
    cycle: date | None = None
    version: int = 1
    warnings: tuple[Caveat, ...] = attrs.field(default=(), eq=False, repr=False)

    @property
    def reference(self) -> str:
        """The number, or the draft's reference while there is none (N1)."""
        return self.number or self.draft_reference or self.id

    @property
    def published(self) -> bool:
        """Whether it was ever published, so that its customer sees it (R8)."""
        return self.number is not None

    @property
    def net(self) -> Money:
        """The total without tax."""
        taxed = self.total
        for tax in self.taxes:
            taxed = taxed - tax.tax
        return taxed

    @property
    def settled(self) -> Money:
        """payments − reversals + credit applied (D2)."""
        return self.facts.settled

    @property
    def balance(self) -> Money:
        """max(0, total − settled − credit notes): what is still owed; refunds do not raise it (D2, P5)."""
        owed = self.total - self.facts.settled - self.facts.noted
        return owed if owed.amount > 0 else zero(self.currency)

    @property
    def recordable(self) -> Money:
        """What may be recorded by hand: balance − in flight (C7)."""
        free = self.balance - self.facts.in_flight
        return free if free.amount > 0 else zero(self.currency)

    @property
    def partly_paid(self) -> bool:
        """Something is settled and something is still owed (a fact beside the status, D2)."""
        return self.settled.amount > 0 and self.balance.amount > 0

    @property
    def partly_refunded(self) -> bool:
        """Something was returned, but not all that was settled (D2)."""
        return 0 < self.facts.refunded.amount < self.facts.settled.amount

    @property
    def phase(self) -> Phase:
        """What the recorded facts say without a date (D2, in its order)."""
        if self.lifecycle is Lifecycle.DRAFT:
            return Phase.DRAFT
        if self.lifecycle is Lifecycle.VOID:
            return Phase.VOID
        facts = self.facts
        settled = facts.paid.amount + facts.credit.amount
        owed = self.total.amount - settled - facts.noted.amount
        if owed <= 0:
            return Phase.REFUNDED if 0 < settled <= facts.refunded.amount else Phase.PAID
        return Phase.PENDING if facts.in_flight.amount >= owed else Phase.DUE

    def status_on(self, day: date) -> Status:
        """The status shown on a date: a pure function of the facts and that date (D1, D2).

        Raises InvalidValue for what is not a day.
        """
        return status_of(self.phase, self.due_on, as_date(day, "day"))


def status_of(phase: Phase, due_on: date, day: date) -> Status:
    """The status a phase shows on a date; only DUE depends on the date (D2)."""
    if phase is not Phase.DUE:
        return Status(phase.value)
    return Status.OVERDUE if day > due_on else Status.OPEN


def as_lines(items: Sequence[Item], *, currency: str, field: str = "lines") -> tuple[Line, ...]:
    """Items as lines, each rounded once (M10).

    Raises InvalidValue, InvalidMoney or CurrencyMismatch naming `field[i]` and what of it is wrong.
    """
    lines = []
    for i, item in enumerate(listed(items, field, "Items")):
        at = f"{field}[{i}]"
        if not isinstance(item, Item):
            raise InvalidValue(at, item, "is not an Item", "give Item(description=…, unit_price=…)")
        price = exact(item.unit_price, f"{at}.unit_price", currency=currency)
        try:
            amount = times(price, item.quantity)
        except InvalidValue as error:
            raise type(error)(f"{at}.{error.field}", error.value, error.reason, error.way_out) from error
        lines.append(
            Line(
                description=text(item.description, f"{at}.description", longest=2000, lines=True),
                amount=amount,
                unit_price=price,
                quantity=Decimal(item.quantity),
                taxes=tax_rates(item.taxes, f"{at}.taxes"),
                site=None if item.site is None else text(item.site, f"{at}.site", longest=50),
            )
        )
    return tuple(lines)


def draft(
    *,
    id: str,
    biller: str,
    kind: InvoiceKind,
    currency: str,
    title: str,
    lines: tuple[Line, ...],
    on: date,
    due: date,
    prices_include_tax: bool = False,
    facts: Facts | None = None,
    **rest: object,
) -> Invoice:
    """A new draft with its taxes and total worked out (M7, M10).

    `facts` are `no_facts` of its currency, where many drafts share them. Raises NothingToBill when the total is zero or less, InvalidMoney when it does not fit 64 bits of minor units.
    """
    total, taxes = amounts(lines, currency=currency, prices_include_tax=prices_include_tax)
    if total.amount <= 0:
        raise NothingToBill(title, f"the total is {_plain(total)}")
    return Invoice(
        id=id,
        biller=biller,
        kind=kind,
        lifecycle=Lifecycle.DRAFT,
        currency=currency,
        title=title,
        lines=lines,
        taxes=taxes,
        total=total,
        facts=facts or no_facts(currency),
        drafted_on=on,
        due_on=due,
        prices_include_tax=prices_include_tax,
        **rest,  # type: ignore[arg-type]  # the optional fields of Invoice, checked by its own constructor
    )


def amounts(lines: Sequence[Line], *, currency: str, prices_include_tax: bool) -> tuple[Money, tuple[TaxAmount, ...]]:
    """(total to pay, tax per rate) of some lines (M7, M10)."""
    if len(lines) == 1 and not lines[0].taxes:
        return lines[0].amount, ()  # by far the commonest in a run: nothing to sum, nothing to tax
    worked = breakdown(
        [(line.amount, line.taxes) for line in lines], currency=currency, prices_include_tax=prices_include_tax
    )
    return worked.gross, worked.per_rate


def with_lines(invoice: Invoice, lines: tuple[Line, ...]) -> Invoice:
    """The draft with other lines, its taxes and total worked out again (C1). Raises NothingToBill at zero or less."""
    total, taxes = amounts(lines, currency=invoice.currency, prices_include_tax=invoice.prices_include_tax)
    if total.amount <= 0:
        raise NothingToBill(invoice.reference, f"the total would be {_plain(total)}")
    return attrs.evolve(invoice, lines=lines, taxes=taxes, total=total)


def allowed(invoice: Invoice, policy: Policy) -> tuple[str, ...]:
    """The actions the invoice's status, money and policy allow now, in words."""
    actions = [action for (action, start) in TRANSITIONS if start is invoice.lifecycle]
    if invoice.lifecycle is Lifecycle.DRAFT:
        refused = [name for name, ok in (("void", policy.void_drafts), ("delete", policy.delete_drafts)) if not ok]
    else:
        refused = []
        if is_zero(invoice.recordable):
            refused += ["pay", "apply credit"]
        if invoice.facts.held.amount <= 0:
            refused.append("refund")
        if _void_blocked(invoice):
            refused.append("void")
        if invoice.facts.noted >= invoice.total:
            refused.append("credit")
    return tuple(action for action in actions if action not in refused)


def check(action: str, invoice: Invoice, policy: Policy, on: date) -> None:
    """Refuse an action the lifecycle, the policy or the money held does not allow on a date.

    Raises NotAllowed naming the status and what is allowed (R10, R14, R15, C5); MoneyHeld for a void that would bury
    money (R14). Amounts are the caller's to check.
    """
    can = allowed(invoice, policy)
    if action in can:
        return
    status = invoice.status_on(on).value
    reason = ""
    if (action, invoice.lifecycle) in TRANSITIONS:
        if action == "void" and invoice.lifecycle is Lifecycle.OPEN:
            raise MoneyHeld(status, can, invoice.facts.cash_held, _void_blocked(invoice))
        flying = is_zero(invoice.recordable) and not is_zero(invoice.balance)
        paid = _in_flight(invoice) if flying else "nothing is left to pay"
        reason = {
            "void": "this biller deletes drafts instead",
            "delete": "this biller voids drafts instead",
            "refund": "no money is held on it",
        }.get(action, paid)
        if flying and reason == paid:
            raise NotAllowed(action, status, can, reason, "Call it off with collections.cancel, or wait for it")
    raise NotAllowed(action, status, can, reason)


def _void_blocked(invoice: Invoice) -> str:
    # Applied credit is no obstacle: voiding returns it in the same transaction (C8).
    held = f"{_plain(invoice.facts.cash_held)} is held on it" if minor(invoice.facts.cash_held) > 0 else ""
    return " and ".join(reason for reason in (held, _in_flight(invoice)) if reason)


def _in_flight(invoice: Invoice) -> str:
    moving = invoice.facts.in_flight
    return f"a collection of {_plain(moving)} is in flight" if minor(moving) > 0 else ""


def _plain(money: Money) -> str:
    # str(Money) rounds to CLDR's decimals and follows the machine's locale (M11).
    return f"{money.amount} {money.currency.code}"


def publish(invoice: Invoice, *, number: str, on: date, due: date, bill_to: BillTo | None) -> Invoice:
    """Draft → Open with its number, issue date and frozen payer (R10, R19, N1). The caller has called check() first."""
    return altered(
        invoice, lifecycle=Lifecycle.OPEN, number=number, issued_on=on, due_on=due, bill_to=bill_to, warnings=()
    )


def void(invoice: Invoice, *, on: date) -> Invoice:
    """Draft or Open → Void; the number stays (N1). The caller has called check() first."""
    return attrs.evolve(invoice, lifecycle=Lifecycle.VOID, voided_on=on)


def due_at_publish(invoice: Invoice, policy: Policy, *, on: date, due: date | None) -> date:
    """The due date at publish: the explicit one, the draft's, or issue + terms (R10, C9).

    Raises InvalidValue when an explicit one lies before `on` (R10).
    """
    if due is not None:
        if due < on:
            raise InvalidValue("due", due, f"is before {on}", "give that day or a later one")
        return due
    return due_by_terms(policy, on) if invoice.due_by_terms else invoice.due_on


def due_by_terms(policy: Policy, on: date) -> date:
    """The due date by a biller's terms (C9); InvalidValue when it lies beyond the calendar."""
    try:
        return on + timedelta(days=policy.terms_days)
    except OverflowError as error:
        raise InvalidValue("on", on, "leaves no room for the terms", "give an earlier day, or a due date") from error


def number_series(policy: Policy, on: date) -> str:
    """The counter a number is taken from: one for every stem, so with `yearly_numbers` one a year (N1)."""
    # Numbers of one stem differ by their digits, and no stem ends in one: whatever a policy is changed to, and back,
    # no number can be printed twice.
    return f"invoice/{_number_stem(policy, on)}"


def format_number(policy: Policy, n: int, on: date) -> str:
    """The n-th number of a series as printed on the invoice (N1)."""
    return f"{_number_stem(policy, on)}{n:0{policy.number_digits}d}"


def _number_stem(policy: Policy, on: date) -> str:
    return policy.number_prefix + (f"{on.year}-" if policy.yearly_numbers else "")


def site_subtotals(invoice: Invoice) -> dict[str, Money]:
    """Σ of line amounts per site of a group invoice, in order of appearance; they add up to Σ lines (S1)."""
    sums: dict[str, Money] = {}
    for line in invoice.lines:
        site = line.site or ""
        sums[site] = sums[site] + line.amount if site in sums else line.amount
    return sums
