"""Drafting: every way an invoice begins, and what may still be done to a draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import attrs

from invoicecore import charges as charge_rules
from invoicecore.billing.desk import Change, Desk, one, unit_in
from invoicecore.billing.registering import customer_ref
from invoicecore.charges import Charge
from invoicecore.errors import InvalidValue, NotAllowed, NotFound, NothingToBill
from invoicecore.invoices import (
    Caveat,
    Invoice,
    InvoiceKind,
    Item,
    Line,
    allowed,
    as_lines,
    check,
    draft,
    due_by_terms,
    with_lines,
)
from invoicecore.leases import Lease
from invoicecore.money import Money, allocate, positive
from invoicecore.parties import Biller, Customer, Unit, listed, natural_key, text, yes_or_no
from invoicecore.periods import as_date
from invoicecore.ports import Reader
from invoicecore.taxes import TaxRate, tax_rates
from invoicecore.wording import say


class Drafting:
    """The drafting part of `billing.invoices`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def draft(
        self,
        *,
        biller: Biller | str | None = None,
        title: str,
        unit: Unit | str | None = None,
        customer: Customer | str | None = None,
        amount: Money | None = None,
        lines: Sequence[Item] | None = None,
        taxes: Sequence[TaxRate] = (),
        prices_include_tax: bool = False,
        due: date | None = None,
        description: str = "",
        notify: bool = False,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Invoice:
        """A one-time invoice for a unit or a customer, as a draft (R2–R8).

        Give `amount` (with `taxes`) or `lines`. Without `due` it is due by the biller's terms from its issue. The
        result's `warnings` say when nobody can be e-mailed (R3). Raises PaymentsOff, InvalidValue, InvalidMoney,
        CurrencyMismatch, NotFound, NothingToBill, KeyReused.
        """
        ref = self._desk.biller_id(biller)
        with self._desk.change("invoices.draft", ref, on=on, actor=actor) as change:
            where = _unit(change.tx, ref, unit) if unit is not None else None
            who = customer_ref(change.tx, self._desk, ref, customer)
            if where is None and who is None:
                raise InvalidValue("unit", None, "and customer are missing", "say whom the invoice is for")
            name = text(title, "title")
            made_of = _lines(change.biller, name, amount, lines, taxes)
            wanted = {
                "unit": where and where.id, "customer": who, "title": name, "lines": made_of, "due": due,
                "prices_include_tax": prices_include_tax, "description": description, "notify": notify,
            }  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                return warned(change.tx, change.biller, change.again(Invoice, made)[0])
            change.payments_on()
            invoice = draft(
                id=change.ids("inv")[0],
                biller=ref,
                kind=InvoiceKind.STANDALONE,
                currency=change.biller.currency,
                title=name,
                lines=made_of,
                on=change.on,
                due=due_day(change.biller, change.on, due),
                due_by_terms=due is None,
                prices_include_tax=yes_or_no(prices_include_tax, "prices_include_tax"),
                draft_reference=draft_references(change, 1)[0],
                description=text(description, "description", required=False, longest=5000, lines=True),
                notify=yes_or_no(notify, "notify"),
                customer=who,
                unit=where.id if where else None,
            )
            write(change, [invoice])
            return warned(change.tx, change.biller, invoice)

    def edit(
        self,
        invoice: Invoice | str,
        *,
        title: str | None = None,
        amount: Money | None = None,
        lines: Sequence[Item] | None = None,
        due: date | None = None,
        description: str | None = None,
        notify: bool | None = None,
        on: date | None = None,
        actor: str | None = None,
    ) -> Invoice:
        """Change a draft (R14); what is None stays. The lines of a charges invoice follow its charges instead (C1).

        Raises NotAllowed once published or void, InvalidValue, InvalidMoney, CurrencyMismatch, NothingToBill.
        """
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.change("invoices.edit", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Invoice, biller, ref)
            check("edit", before, change.biller.policy, change.on)
            after = attrs.evolve(
                before,
                title=text(title, "title") if title is not None else before.title,
                description=text(description, "description", required=False, longest=5000, lines=True)
                if description is not None
                else before.description,
                notify=yes_or_no(notify, "notify") if notify is not None else before.notify,
                due_on=due_day(change.biller, change.on, due) if due is not None else before.due_on,
                due_by_terms=before.due_by_terms and due is None,
            )
            if amount is not None or lines is not None:
                if before.kind is InvoiceKind.CHARGES:
                    way_out = "Edit its charges, the draft follows"
                    can = allowed(before, change.biller.policy)
                    raise NotAllowed("edit the amount of a charges invoice", "draft", can, way_out=way_out)
                rates = _same_taxes(before, amount) if lines is None else ()
                made_of = _about_the_same(_lines(change.biller, after.title, amount, lines, rates), before.lines)
                if lines is None and len(before.lines) == 1:
                    # Another price for the same thing: what it is, its period and its site stay.
                    kept, now = before.lines[0], made_of[0]
                    name = now.description if kept.description == before.title else kept.description
                    made_of = (attrs.evolve(now, description=name, period=kept.period, site=kept.site),)
                after = with_lines(after, made_of)
            elif title is not None and [line.description for line in before.lines] == [before.title]:
                after = attrs.evolve(after, lines=(attrs.evolve(before.lines[0], description=after.title),))
            change.tx.replace([after])
            change.note(ref, before.version + 1, "edited")
            return warned(change.tx, change.biller, attrs.evolve(after, version=before.version + 1))

    def draft_for_units(
        self,
        *,
        biller: Biller | str | None = None,
        units: Sequence[Unit | str] | None = None,
        title: str,
        amount: Money | None = None,
        total: Money | None = None,
        shares: Mapping[str, int | Decimal] | None = None,
        due: date | None = None,
        description: str = "",
        notify: bool = False,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> tuple[Invoice, ...]:
        """The same assessment for many units in one call and one transaction (R17).

        `units` None means all of them. Either each owes `amount`, or `total` is split by `shares` (unit number or id →
        weight, equal when None) so that the parts add up to it; a unit whose part is zero gets no invoice. Raises
        PaymentsOff, InvalidValue, InvalidMoney, NotFound, NothingToBill; then nothing is drafted.
        """
        ref = self._desk.biller_id(biller)
        if shares is not None and not isinstance(shares, Mapping):
            raise InvalidValue("shares", shares, "is not a mapping", "give unit number or id → weight")
        with self._desk.change("invoices.draft_for_units", ref, on=on, actor=actor) as change:
            if units is None:
                picked = sorted(change.tx.find(Unit, ref, {}), key=lambda unit: natural_key(unit.number))
            else:
                picked = [_unit(change.tx, ref, unit) for unit in listed(units, "units", "units")]
            name = text(title, "title")
            each = positive(amount, "amount", currency=change.biller.currency) if amount is not None else None
            whole = positive(total, "total", currency=change.biller.currency) if total is not None else None
            # The request, not what it came to: "all units" stays the same request when a unit is added.
            wanted = {"units": None if units is None else [unit.id for unit in picked], "amount": each, "total": whole,
                      "shares": None if shares is None else sorted((str(u), repr(s)) for u, s in shares.items()),
                      "title": name, "due": due, "description": description, "notify": notify}  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                return tuple(warned(change.tx, change.biller, one) for one in change.again(Invoice, made))
            change.payments_on()
            parts = _parts(picked, each, whole, shares)
            if not parts:
                raise NothingToBill(name, "there is no unit to bill")
            day = due_day(change.biller, change.on, due)
            rows = zip(change.ids("inv", len(parts)), draft_references(change, len(parts)), parts, strict=True)
            invoices = [
                draft(
                    id=id,
                    biller=ref,
                    kind=InvoiceKind.STANDALONE,
                    currency=change.biller.currency,
                    title=name,
                    lines=(Line(description=name, amount=part, unit_price=part),),
                    on=change.on,
                    due=day,
                    due_by_terms=due is None,
                    draft_reference=reference,
                    description=text(description, "description", required=False, longest=5000, lines=True),
                    notify=yes_or_no(notify, "notify"),
                    unit=unit.id,
                )
                for id, reference, (unit, part) in rows
            ]
            write(change, invoices)
            residents = change.tx.get(Customer, ref, {unit.resident for unit, _ in parts if unit.resident})
            return tuple(
                attrs.evolve(invoice, warnings=reach(change.biller, unit, residents.get(unit.resident or "")))
                for invoice, (unit, _) in zip(invoices, parts, strict=True)
            )

    def delete_draft(self, invoice: Invoice | str, *, on: date | None = None, actor: str | None = None) -> None:
        """Remove a draft: its charges are open again (C3), a lease's period is skipped and not billed again (N2).

        Raises NotAllowed once published or where the biller's policy voids drafts instead (R15).
        """
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.change("invoices.delete_draft", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Invoice, biller, ref)
            check("delete", before, change.biller.policy, change.on)
            release_charges(change, [before])
            change.tx.remove([before])
            change.note(ref, before.version + 1, "deleted", before.reference)
            if before.lease is not None:
                lease = one(change.tx, Lease, biller, before.lease)
                change.tx.replace([lease])
                change.note(lease.id, lease.version + 1, "period skipped", str(before.period_index))


def draft_references(change: Change, count: int) -> list[str]:
    """References for new drafts; their series may have gaps, an invoice number's may not (N1)."""
    first = change.tx.take_numbers(change.biller.id, "draft", count, change.on).next
    return [f"D-{n:06d}" for n in range(first, first + count)]


def release_charges(change: Change, invoices: Sequence[Invoice]) -> None:
    """Open the charges of some invoices again (C3, C8)."""
    refs = [invoice.id for invoice in invoices if invoice.kind is InvoiceKind.CHARGES]
    if refs:
        change.tx.replace(charge_rules.released(change.tx.find(Charge, change.biller.id, {"invoice": refs})))


def reach(biller: Biller, unit: Unit | None, payer: Customer | None) -> tuple[Caveat, ...]:
    """Why nobody can be e-mailed, if so: a unit without resident, a payer without address (R3)."""
    if payer is None:
        number = unit.number if unit is not None else ""
        return (Caveat(code="no_resident", text=say("no_resident", biller.locale, unit=number)),)
    if payer.email is None:
        return (Caveat(code="no_email", text=say("no_email", biller.locale, name=payer.name)),)
    return ()


def warned(tx: Reader, biller: Biller, invoice: Invoice) -> Invoice:
    """The draft with what its reader should know (R3)."""
    unit = one(tx, Unit, biller.id, invoice.unit) if invoice.unit is not None else None
    ref = invoice.customer or (unit.resident if unit is not None else None)
    payer = one(tx, Customer, biller.id, ref) if ref is not None else None
    return attrs.evolve(invoice, warnings=reach(biller, unit, payer))


def write(change: Change, invoices: Sequence[Invoice]) -> None:
    """Add new drafts, with their timeline and the caller's key."""
    change.tx.add(invoices)
    change.made(*(invoice.id for invoice in invoices))
    for invoice in invoices:
        change.note(invoice.id, invoice.version, "drafted")


def _unit(tx: Reader, biller: str, unit: Unit | str) -> Unit:
    found = unit_in(tx, biller, unit)
    if found is None:
        raise NotFound("unit", unit)
    return found


def due_day(biller: Biller, on: date, due: date | None) -> date:
    """A draft's due date: the one given, today or later, or by the biller's terms (R5, C9); InvalidValue."""
    if due is None:
        return due_by_terms(biller.policy, on)
    if as_date(due, "due") < on:
        raise InvalidValue("due", due, f"is before {on}", "give that day or a later one")
    return as_date(due, "due")


def _lines(
    biller: Biller, title: str, amount: Money | None, items: Sequence[Item] | None, taxes: Sequence[TaxRate]
) -> tuple[Line, ...]:
    if (amount is None) == (items is None):
        raise InvalidValue("amount", amount, "and lines: exactly one is needed", "give amount= or lines=")
    rates = tax_rates(taxes, "taxes")
    if items is not None:
        if rates:
            raise InvalidValue("taxes", rates, "goes with amount", "put the taxes on each Item, or give amount=")
        lines = as_lines(items, currency=biller.currency)
        if not lines:
            raise InvalidValue("lines", items, "is empty", "give at least one Item")
        return lines
    price = positive(amount, "amount", currency=biller.currency)
    return as_lines([Item(description=title, unit_price=price, taxes=rates)], currency=biller.currency)


def _about_the_same(lines: Sequence[Line], before: Sequence[Line]) -> tuple[Line, ...]:
    """The lines, those that say what one before said for its days: a lease's end asks which are rent (M9).

    Where some of several alike are gone, the amount tells which is left; where it does not, nobody knows for which days.
    """

    there, kept = dict[tuple[str, str | None], list[Line]](), list[tuple[Line, Line | None]]()
    for old in before:
        there.setdefault((old.description, old.site), []).append(old)
    for line in lines:
        alike = there.get((line.description, line.site), [])
        same = next((old for old in alike if old.amount == line.amount), alike[0] if alike else None)
        if same is not None:
            alike.remove(same)
        kept.append((line, same))

    def dated(line: Line, same: Line | None) -> Line:
        if same is None or any(
            old.period != same.period and (old.amount == line.amount or same.amount != line.amount)
            for old in there[line.description, line.site]
        ):
            return line
        return attrs.evolve(line, period=same.period, share=same.share if same.amount == line.amount else None)

    return tuple(dated(line, same) for line, same in kept)


def _same_taxes(before: Invoice, amount: Money | None) -> tuple[TaxRate, ...]:
    rates = {line.taxes for line in before.lines}
    if len(rates) > 1:
        raise InvalidValue("amount", amount, "does not say which tax is on what", "give lines= with their taxes")
    return rates.pop()


def _parts(
    units: Sequence[Unit],
    amount: Money | None,
    total: Money | None,
    shares: Mapping[str, int | Decimal] | None,
) -> list[tuple[Unit, Money]]:
    if (amount is None) == (total is None):
        raise InvalidValue(
            "amount", amount, "and total: exactly one is needed", "give amount= for each, or total= to split"
        )
    seen = [unit.id for unit in units]
    if len(set(seen)) != len(seen):
        raise InvalidValue("units", seen, "names a unit twice", "name each unit once")
    if amount is not None:
        if shares is not None:
            raise InvalidValue("shares", dict(shares), "goes with total", "give total= to split, or leave shares out")
        return [(unit, amount) for unit in units]
    if total is None or not units:
        return []
    named = {unit.id: unit for unit in units} | {unit.number: unit for unit in units}
    for name in shares or {}:
        if name not in named:
            raise InvalidValue("shares", name, "is no unit of this call", "name units by number or id")
    if shares is not None and len({named[name].id for name in shares}) < len(shares):
        raise InvalidValue("shares", sorted(shares), "names a unit twice", "name each unit by its number or its id")
    weights = [shares.get(u.id, shares.get(u.number, 0)) if shares is not None else 1 for u in units]
    try:
        parts = allocate(total, weights)
    except InvalidValue as error:
        raise InvalidValue("shares", error.value, error.reason, error.way_out) from error
    return [(unit, part) for unit, part in zip(units, parts, strict=True) if part.amount]
