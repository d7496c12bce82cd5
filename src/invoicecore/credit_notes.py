"""Credit notes: numbered documents that take a published invoice, or some of its lines, back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction

import attrs

from invoicecore.errors import InvalidMoney, InvalidValue, NotEnough
from invoicecore.invoices import Invoice
from invoicecore.money import Money, exact, minor, positive, split_exact, total, zero
from invoicecore.parties import BillTo, Policy
from invoicecore.taxes import TaxAmount, TaxRate, breakdown


@attrs.frozen(kw_only=True)
class CreditLine:
    """What a credit note takes back of one invoice line: `line` is that line's place, from 0.

    `amount` is of the line's own kind: before tax where the invoice's prices are, and below zero for a discount.
    """

    line: int
    description: str
    amount: Money
    taxes: tuple[TaxRate, ...] = ()


@attrs.frozen(kw_only=True)
class CreditNote:
    """A published document that names its invoice and lines and credits them, never beyond the invoice (P5, EN 16931 type 381).

    `total` = Σ lines with their tax, positive. `settled` of it was taken off what the invoice still owed; the rest was
    given back by `refund`, the id of the refund to the payer or to credit, or had been given back before. `lease_ends` is
    the last day of its lease where the invoice went beyond that: days after it are what the note credits first (M9).
    """

    id: str
    biller: str
    invoice: str
    number: str
    currency: str
    lines: tuple[CreditLine, ...]
    taxes: tuple[TaxAmount, ...]
    total: Money
    settled: Money
    issued_on: date
    prices_include_tax: bool = False
    customer: str | None = None
    bill_to: BillTo | None = None
    reason: str = ""
    refund: str | None = None
    actor: str | None = None
    lease_ends: date | None = None


@attrs.frozen(kw_only=True)
class Credited:
    """What a note takes back of an invoice: lines as they stand on it, the tax per rate, and `total` with tax."""

    lines: tuple[CreditLine, ...]
    taxes: tuple[TaxAmount, ...]
    total: Money


@attrs.frozen(kw_only=True)
class Left:
    """What may still be credited of an invoice: of each line, of the tax per rate, and in all with tax (P5)."""

    lines: tuple[Money, ...]
    taxes: Mapping[TaxRate, Money]
    total: Money


@attrs.frozen(kw_only=True)
class Proposal:
    """What to credit of an invoice: `lines` as `credit_notes.issue` takes them, `amount` what they come to with tax."""

    invoice: str
    reference: str
    lines: Mapping[int, Money]
    amount: Money
    reason: str = ""


def left(invoice: Invoice, earlier: Sequence[CreditNote]) -> Left:
    """What the earlier notes of an invoice leave to be credited (P5)."""
    lines = [line.amount for line in invoice.lines]
    taxes = {each.rate: each.tax for each in invoice.taxes}
    for note in earlier:
        for each in note.lines:
            lines[each.line] = lines[each.line] - each.amount
        for tax in note.taxes:
            taxes[tax.rate] = taxes[tax.rate] - tax.tax
    gone = total([note.total for note in earlier], invoice.currency)
    return Left(lines=tuple(lines), taxes=taxes, total=invoice.total - gone)


def take_back(
    invoice: Invoice,
    earlier: Sequence[CreditNote],
    lines: Mapping[int, Money | None] | None = None,
    amount: Money | None = None,
) -> Credited:
    """What the next note of an invoice takes back: all that is left, or of `lines` by their place so much (P5).

    A line's amount is as it stands on the invoice, before tax where its prices are; None is what is left of it.
    Without one, `amount` is the note's total with tax, spread over those lines in proportion to what is left of each;
    beside one it has to be what the lines come to. Tax is worked out on all that is credited so far less what earlier
    notes had, so that notes add up to the invoice; an `amount` that no base has as its total moves a rate's tax by a
    minor unit or two. Raises NotEnough beyond a line, a rate's tax or the whole, InvalidMoney, CurrencyMismatch,
    InvalidValue.
    """
    rest = left(invoice, earlier)
    taken = _taken(invoice, rest, lines)
    worked = _credited(invoice, earlier, rest, taken)
    asked = positive(amount, "amount", currency=invoice.currency) if amount is not None else worked.total
    if lines is not None and any(part is not None for part in lines.values()):
        if asked != worked.total:
            told = f"is not the {worked.total.amount} {invoice.currency} that the lines come to with tax"
            raise InvalidValue("amount", amount, told, "leave it out, or leave the amounts of the lines to it")
    elif asked > (available := min(worked.total, rest.total)) and amount is not None:
        raise NotEnough("the invoice", asked, max(available, zero(invoice.currency)))
    elif asked < worked.total:
        share = Fraction(minor(asked), minor(worked.total))
        parts = split_exact([minor(each) * share for each in taken.values()], invoice.currency)
        worked = _credited(invoice, earlier, rest, dict(zip(taken, parts, strict=True)))
        if worked.total != asked:
            worked = _fitted(worked, rest, asked)
    for each in worked.taxes:
        if _beyond(each.tax, rest.taxes[each.rate]):
            raise NotEnough(f"the tax {each.rate.name}", each.tax, rest.taxes[each.rate])
    if worked.total.amount <= 0:
        raise InvalidMoney("lines", worked.total, "is not more than zero", "credit a discount with what it is for")
    if worked.total > rest.total:
        raise NotEnough("the invoice", worked.total, rest.total)
    return worked


def shares(invoice: Invoice, amount: Money) -> tuple[Money, Money]:
    """(settled, given back) of a note of `amount`: first what is owed, then what is still held (P5).

    What is neither had been given back before, by a refund.
    """
    settled = min(amount, invoice.balance)
    return settled, min(amount - settled, max(invoice.facts.held, zero(invoice.currency)))


def note_series(policy: Policy, on: date) -> str:
    """The counter a note's number is taken from, beside the invoices' (N1, P5)."""
    return f"credit_note/{_stem(policy, on)}"


def note_number(policy: Policy, n: int, on: date) -> str:
    """The n-th number of the series, with the digits and years of the invoices' (N1)."""
    return f"{_stem(policy, on)}{n:0{policy.number_digits}d}"


def check_series(policy: Policy, used: Iterable[str]) -> None:
    """Refuse a policy by which a note and an invoice would have one number, `used` being the biller's series (N1).

    Raises InvalidValue naming the prefix.
    """
    year = r"\d{4}-" if policy.yearly_numbers else ""
    for field, other in (("number_prefix", "credit_note"), ("credit_note_prefix", "invoice")):
        prefix: str = getattr(policy, field)
        taken = re.compile(f"{other}/{re.escape(prefix)}{year}")
        for series in used:
            if taken.fullmatch(series):
                reason = f"was that of the {other.replace('_', ' ')}s, whose numbers would come again"
                raise InvalidValue(f"policy.{field}", prefix, reason, "give a prefix that was never used")


def _stem(policy: Policy, on: date) -> str:
    return policy.credit_note_prefix + (f"{on.year}-" if policy.yearly_numbers else "")


def _taken(invoice: Invoice, rest: Left, lines: Mapping[int, Money | None] | None) -> dict[int, Money]:
    """How much is taken of which line, those with nothing left out."""
    if lines is None:
        return {place: amount for place, amount in enumerate(rest.lines) if amount.amount}
    given: object = lines
    if not isinstance(given, Mapping) or not given:
        way_out = "give {0: None} for all of the first line, {0: Money('5', 'EUR')} for a part of it"
        raise InvalidValue("lines", lines, "is not amounts by the place of a line", way_out)
    taken: dict[int, Money] = {}
    for place, wanted in lines.items():
        at = f"lines[{place!r}]"
        known: object = place
        if type(known) is not int or not 0 <= known < len(invoice.lines):
            raise InvalidValue(at, place, "is no line of the invoice", f"give 0 to {len(invoice.lines) - 1}")
        there = rest.lines[place]
        if not there.amount:
            raise InvalidValue(at, place, "is credited in full", "leave it out")
        part = exact(wanted, at, currency=invoice.currency) if wanted is not None else there
        if part.amount * there.amount <= 0:
            raise InvalidMoney(at, part, "is zero, or of the other sign than the line", "give a part of the line")
        if _beyond(part, there):
            raise NotEnough(f"line {place}", part, there)
        taken[place] = part
    return taken


def _credited(invoice: Invoice, earlier: Sequence[CreditNote], rest: Left, taken: Mapping[int, Money]) -> Credited:
    nothing = zero(invoice.currency)
    so_far = [line.amount - there for line, there in zip(invoice.lines, rest.lines, strict=True)]
    for place, amount in taken.items():
        so_far[place] = so_far[place] + amount
    worked = breakdown(
        [(amount, line.taxes) for amount, line in zip(so_far, invoice.lines, strict=True)],
        currency=invoice.currency,
        prices_include_tax=invoice.prices_include_tax,
    )
    bases: dict[TaxRate, Money] = {}
    for note in earlier:
        for each in note.taxes:
            bases[each.rate] = bases.get(each.rate, nothing) + each.base
    had = {each.rate: each.tax - rest.taxes[each.rate] for each in invoice.taxes}
    named = {rate for place, amount in taken.items() if amount.amount for rate in invoice.lines[place].taxes}
    closing = all(taken.get(place, nothing) == there for place, there in enumerate(rest.lines))
    taxes = []
    for each in worked.per_rate:
        base, tax = each.base - bases.get(each.rate, nothing), each.tax - had[each.rate]
        if not closing:
            # An earlier note was moved by a minor unit to come to its amount: this one does not turn that around.
            tax = nothing if base.amount * tax.amount < 0 else tax
            if each.rate not in named:
                continue
        if base.amount or tax.amount or each.rate in named:
            taxes.append(TaxAmount(rate=each.rate, base=base, tax=tax))
    return _whole(
        Credited(
            lines=tuple(
                CreditLine(
                    line=place,
                    description=invoice.lines[place].description,
                    amount=amount,
                    taxes=invoice.lines[place].taxes,
                )
                for place, amount in sorted(taken.items())
                if amount.amount
            ),
            taxes=tuple(taxes),
            total=nothing,
        ),
        prices_include_tax=invoice.prices_include_tax,
    )


def _whole(part: Credited, *, prices_include_tax: bool) -> Credited:
    amounts = [line.amount for line in part.lines]
    if not prices_include_tax:
        amounts += [each.tax for each in part.taxes]
    return attrs.evolve(part, total=total(amounts, part.total.currency.code))


def _fitted(part: Credited, rest: Left, amount: Money) -> Credited:
    """The part moved to come to `amount` exactly: the taxes first, then the lines, none beyond what is left of it."""
    off = amount - part.total

    def moved(value: Money, there: Money) -> Money:
        nonlocal off
        nothing = zero(amount.currency.code)
        after = max(min(value + off, max(there, nothing)), min(there, nothing))
        off = off - (after - value)
        return after

    taxes = tuple(attrs.evolve(each, tax=moved(each.tax, rest.taxes[each.rate])) for each in part.taxes)
    lines = tuple(attrs.evolve(each, amount=moved(each.amount, rest.lines[each.line])) for each in part.lines)
    return Credited(lines=tuple(line for line in lines if line.amount.amount), taxes=taxes, total=amount - off)


def _beyond(part: Money, there: Money) -> bool:
    """Whether a part is more than what is there, on the side of zero where that is."""
    if not there.amount:
        return bool(part.amount)
    return part > there if there.amount > 0 else part < there
