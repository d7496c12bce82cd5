"""Charging: what clients owe, and drafting it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

import attrs

from invoicecore.billing.desk import Desk, one, several
from invoicecore.billing.drafting import draft_references, due_day, warned, write
from invoicecore.billing.registering import as_rows, places
from invoicecore.charges import Charge, ChargeState, check, line, on_invoice, released
from invoicecore.errors import InvalidValue, NotAllowed, NotFound, NothingToBill
from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, draft, with_lines
from invoicecore.money import Money, exact, times
from invoicecore.parties import Biller, Customer, known_fields, listed, text, yes_or_no
from invoicecore.periods import as_date
from invoicecore.taxes import TaxRate, tax_rates
from invoicecore.wording import kind_name


class Charges:
    """What clients owe before it is invoiced: `billing.charges`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        *,
        customer: Customer | str,
        biller: Biller | str | None = None,
        description: str,
        amount: Money,
        quantity: Decimal | int = 1,
        taxes: Sequence[TaxRate] = (),
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Charge:
        """Record what a client owes: `amount` is the price of one, the charge is half-up(quantity × amount) (C1, M10).

        Raises PaymentsOff, InvalidValue, InvalidMoney, CurrencyMismatch, NotFound.
        """
        row = {"description": description, "amount": amount, "quantity": quantity, "taxes": tax_rates(taxes, "taxes")}
        return self.add_many(customer=customer, biller=biller, rows=[row], on=on, actor=actor, key=key)[0]

    def add_many(
        self,
        rows: Iterable[Mapping[str, object]],
        *,
        customer: Customer | str,
        biller: Biller | str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> list[Charge]:
        """Record many charges of one client in one transaction; a row may carry its own `on`."""
        biller, who = self._desk.owner("customer", customer, biller)
        given = as_rows(rows)
        with self._desk.change("charges.add", biller, on=on, actor=actor, subject=who) as change:
            if (made := change.replayed(key, {"customer": who, "rows": given, "on": on})) is not None:
                return change.again(Charge, made)
            change.payments_on()
            one(change.tx, Customer, biller, who)
            ids = change.ids("chg", len(given))
            charges = []
            for id, row, at in zip(ids, given, places("rows", given), strict=True):
                known_fields(row, ("description", "amount", "quantity", "taxes", "on"), at)
                charges.append(
                    _charge(
                        Charge(
                            id=id,
                            biller=biller,
                            customer=who,
                            description=row.get("description"),  # type: ignore[arg-type]  # _charge checks it
                            unit_price=row.get("amount"),  # type: ignore[arg-type]  # _charge checks it
                            quantity=row.get("quantity", 1),  # type: ignore[arg-type]  # _charge checks it
                            taxes=tax_rates(row.get("taxes") or (), at + "taxes"),
                            on=as_date(row.get("on") or change.on, at + "on"),
                        ),
                        at,
                        change.biller.currency,
                    )
                )
            change.tx.add(charges)
            change.made(*ids)
            for id in ids:
                change.note(id, 1, "added")
        return charges

    def edit(
        self,
        charge: Charge | str,
        *,
        description: str | None = None,
        amount: Money | None = None,
        quantity: Decimal | int | None = None,
        taxes: Sequence[TaxRate] | None = None,
        on: date | None = None,
        actor: str | None = None,
    ) -> Charge:
        """Change a charge that is open or on a draft; the draft follows in the same transaction (C1).

        `on` is the charge's new date. Raises NotAllowed once it is invoiced or cancelled, InvalidValue, InvalidMoney.
        """
        biller, ref = self._desk.owner("charge", charge)
        with self._desk.change("charges.edit", biller, actor=actor, subject=ref) as change:
            before = one(change.tx, Charge, biller, ref)
            check("edit", before)
            after = _charge(
                attrs.evolve(
                    before,
                    description=before.description if description is None else description,
                    unit_price=before.unit_price if amount is None else amount,
                    quantity=before.quantity if quantity is None else quantity,  # type: ignore[arg-type]  # _charge makes it a Decimal
                    taxes=before.taxes if taxes is None else tax_rates(taxes, "taxes"),
                    on=before.on if on is None else as_date(on, "on"),
                ),
                "",
                change.biller.currency,
            )
            change.tx.replace([after])
            change.note(ref, before.version + 1, "edited")
            if before.invoice is not None:
                draft = one(change.tx, Invoice, biller, before.invoice)
                lines = tuple(line(after) if old.charge == ref else old for old in draft.lines)
                change.tx.replace([with_lines(draft, lines)])
                change.note(draft.id, draft.version + 1, "charge edited", ref)
        return attrs.evolve(after, version=before.version + 1)

    def cancel(self, charge: Charge | str, *, on: date | None = None, actor: str | None = None) -> Charge:
        """Cancel an open charge; its row stays (C1). Raises NotAllowed from any other state."""
        biller, ref = self._desk.owner("charge", charge)
        with self._desk.change("charges.cancel", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Charge, biller, ref)
            check("cancel", before)
            after = attrs.evolve(before, state=ChargeState.CANCELLED)
            change.tx.replace([after])
            change.note(ref, before.version + 1, "cancelled")
        return attrs.evolve(after, version=before.version + 1)

    def release(self, charge: Charge | str, *, on: date | None = None, actor: str | None = None) -> Charge:
        """Open the charge of a void invoice again, as voiding it with `release_charges=True` would have (C8).

        Raises NotAllowed unless the charge is on a void invoice.
        """
        biller, ref = self._desk.owner("charge", charge)
        with self._desk.change("charges.release", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Charge, biller, ref)
            holder = one(change.tx, Invoice, biller, before.invoice) if before.invoice is not None else None
            if holder is None or holder.lifecycle is not Lifecycle.VOID:
                raise NotAllowed(f"release charge {ref}", before.state.value, (), "it is on no void invoice")
            (after,) = released([before])
            change.tx.replace([after])
            change.note(ref, before.version + 1, "released", holder.reference)
        return attrs.evolve(after, version=before.version + 1)

    def get(self, charge: Charge | str) -> Charge:
        """The charge as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("charge", charge)
        with self._desk.view() as tx:
            return one(tx, Charge, biller, ref)

    def open_for(self, customer: Customer | str) -> list[Charge]:
        """The client's open charges, by date (C2)."""
        biller, ref = self._desk.owner("customer", customer)
        with self._desk.view() as tx:
            one(tx, Customer, biller, ref)
            found = tx.find(Charge, biller, {"customer": ref, "state": ChargeState.OPEN.value})
            return sorted(found, key=lambda charge: (charge.on, charge.id))


class DraftingCharges:
    """The part of `billing.invoices` that drafts charges."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def draft_from_charges(
        self,
        customer: Customer | str,
        charges: Sequence[Charge | str] | None = None,
        *,
        biller: Biller | str | None = None,
        title: str | None = None,
        due: date | None = None,
        description: str = "",
        notify: bool = False,
        prices_include_tax: bool = False,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Invoice:
        """A draft of all the client's open charges, or of the selected ones (C2).

        Raises NothingToBill without an open charge, AlreadyBilled for one on a live invoice, PaymentsOff, NotFound.
        """
        biller, who = self._desk.owner("customer", customer, biller)
        with self._desk.change("invoices.draft_from_charges", biller, on=on, actor=actor) as change:
            payer = one(change.tx, Customer, biller, who)
            chosen = listed(charges, "charges", "charges") if charges is not None else None
            picked = [self._desk.owner("charge", charge)[1] for charge in chosen] if chosen is not None else None
            wanted = {"customer": who, "charges": picked, "title": title, "due": due, "description": description,
                      "notify": notify, "prices_include_tax": prices_include_tax}  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                return warned(change.tx, change.biller, change.again(Invoice, made)[0])
            change.payments_on()
            if picked is None:
                found = change.tx.find(Charge, biller, {"customer": who, "state": ChargeState.OPEN.value})
            else:
                found = several(change.tx, Charge, biller, list(dict.fromkeys(picked)))
            for charge in found:
                if charge.customer != who:
                    raise NotFound("charge", charge.id)
                check("invoice", charge)
            if not found:
                raise NothingToBill(payer.name, "no open charge")
            found = sorted(found, key=lambda charge: (charge.on, charge.id))
            locale = payer.locale or change.biller.locale
            invoice = charges_draft(
                change.biller, payer, found, id=change.ids("inv")[0], on=change.on, due=due,
                title=text(title, "title") if title is not None else kind_name("charges", locale),
                reference=draft_references(change, 1)[0], description=description,
                notify=yes_or_no(notify, "notify"), prices_include_tax=prices_include_tax,
            )  # fmt: skip
            write(change, [invoice])
            change.tx.replace(on_invoice(found, invoice.id, ChargeState.DRAFTED))
            return warned(change.tx, change.biller, invoice)


def charges_draft(
    biller: Biller,
    payer: Customer,
    charges: Sequence[Charge],
    *,
    id: str,
    on: date,
    title: str,
    due: date | None = None,
    reference: str | None = None,
    description: str = "",
    notify: bool = False,
    prices_include_tax: bool = False,
    cycle: date | None = None,
) -> Invoice:
    """A draft of some charges, by hand (C2) or for a month of the client's cycle (C9)."""
    return draft(
        id=id,
        biller=biller.id,
        kind=InvoiceKind.CHARGES,
        currency=biller.currency,
        title=title,
        lines=tuple(line(charge) for charge in charges),
        on=on,
        due=due_day(biller, on, due),
        due_by_terms=due is None,
        prices_include_tax=yes_or_no(prices_include_tax, "prices_include_tax"),
        draft_reference=reference,
        description=text(description, "description", required=False, longest=5000, lines=True),
        notify=notify,
        customer=payer.id,
        cycle=cycle,
    )


def _charge(charge: Charge, at: str, currency: str) -> Charge:
    price = exact(charge.unit_price, at + "amount", currency=currency)
    try:
        times(price, charge.quantity)
    except InvalidValue as error:
        raise type(error)(at + error.field, error.value, error.reason, error.way_out) from error
    for field, value, none in (("amount", price, not price.amount), ("quantity", charge.quantity, not charge.quantity)):
        if none:
            raise InvalidValue(at + field, value, "makes a charge of zero", "give a price and a quantity")
    return attrs.evolve(
        charge,
        description=text(charge.description, at + "description", longest=2000, lines=True),
        unit_price=price,
        quantity=Decimal(charge.quantity),
    )
