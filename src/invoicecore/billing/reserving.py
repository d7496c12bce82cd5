"""Reserving: bookings and groups of bookings, and drafting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from invoicecore.billing.desk import Change, Desk, biller_in, one, several
from invoicecore.billing.drafting import draft_references, due_day, warned, write
from invoicecore.billing.registering import customer_ref, unit_or_new
from invoicecore.bookings import Booking, Group, booking_lines, check_sites, shared_lines
from invoicecore.errors import AlreadyBilled, InvalidValue, NothingToBill
from invoicecore.invoices import Invoice, InvoiceKind, Item, Lifecycle, Line, as_lines, draft
from invoicecore.parties import Biller, Customer, Unit, text, yes_or_no
from invoicecore.periods import as_date
from invoicecore.ports import InvoiceQuery
from invoicecore.wording import kind_name


class Bookings:
    """Stays of guests: `billing.bookings`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        *,
        biller: Biller | str | None = None,
        customer: Customer | str,
        unit: Unit | str | None = None,
        arrives: date,
        departs: date,
        items: Sequence[Item],
        group: Group | str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Booking:
        """Register a stay: accommodation, add-ons and fees as items, for the nights departs − arrives (S1, M3).

        A site number not known yet is registered. Raises InvalidValue, InvalidMoney, CurrencyMismatch, NotFound.
        """
        owner = self._desk.owner("customer", customer)[0] if biller is None else self._desk.biller_id(biller)
        with self._desk.change("bookings.add", owner, on=on, actor=actor) as change:
            who = customer_ref(change.tx, self._desk, owner, customer)
            first, last = as_date(arrives, "arrives"), as_date(departs, "departs")
            if last <= first:
                raise InvalidValue(
                    "departs", departs, f"is not after the arrival on {first}", "give at least one night"
                )
            lines = as_lines(items, currency=change.biller.currency, field="items")
            if not lines:
                raise InvalidValue("items", items, "is empty", "give at least one Item")
            clean = tuple(
                Item(description=x.description, unit_price=x.unit_price, quantity=x.quantity, taxes=x.taxes)
                for x in lines
            )
            data = {"customer": who, "unit": str(getattr(unit, "id", unit)), "arrives": first, "departs": last,
                    "items": clean, "group": str(getattr(group, "id", group))}  # fmt: skip
            if (made := change.replayed(key, data)) is not None:
                return change.again(Booking, made)[0]
            booking = Booking(
                id=change.ids("bkg")[0],
                biller=owner,
                customer=who or "",
                unit=unit_or_new(change, unit),
                arrives=first,
                departs=last,
                items=clean,
                group=one(change.tx, Group, owner, self._desk.owner("group", group)[1]).id if group else None,
            )
            change.tx.add([booking])
            change.made(booking.id)
            change.note(booking.id, 1, "added")
        return booking

    def get(self, booking: Booking | str) -> Booking:
        """The booking as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("booking", booking)
        with self._desk.view() as tx:
            return one(tx, Booking, biller, ref)

    def find(self, *, biller: Biller | str | None = None, group: Group | str | None = None) -> list[Booking]:
        """The biller's bookings, those of one group if given, oldest first."""
        named = biller is None and group is not None
        owner = self._desk.owner("group", group)[0] if named else self._desk.biller_id(biller)
        with self._desk.view() as tx:
            biller_in(tx, owner)
            ref = one(tx, Group, owner, self._desk.owner("group", group)[1]).id if group is not None else None
            return tx.find(Booking, owner, {"group": ref} if ref is not None else {})


class Groups:
    """Several bookings under one organiser: `billing.groups`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        *,
        biller: Biller | str | None = None,
        name: str,
        organiser: Customer | str,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Group:
        """Register a group; its bookings name it. Raises InvalidValue, NotFound (S1)."""
        owner = self._desk.owner("customer", organiser)[0] if biller is None else self._desk.biller_id(biller)
        with self._desk.change("groups.add", owner, on=on, actor=actor) as change:
            who = customer_ref(change.tx, self._desk, owner, organiser)
            name = text(name, "name")
            if (made := change.replayed(key, {"name": name, "organiser": who})) is not None:
                return change.again(Group, made)[0]
            group = Group(id=change.ids("grp")[0], biller=owner, name=name, organiser=who or "")
            change.tx.add([group])
            change.made(group.id)
            change.note(group.id, 1, "added")
        return group

    def get(self, group: Group | str) -> Group:
        """The group as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("group", group)
        with self._desk.view() as tx:
            return one(tx, Group, biller, ref)

    def find(self, *, biller: Biller | str | None = None) -> list[Group]:
        """The biller's groups, oldest first."""
        ref = self._desk.biller_id(biller)
        with self._desk.view() as tx:
            biller_in(tx, ref)
            return tx.find(Group, ref, {})


class DraftingStays:
    """The part of `billing.invoices` that drafts bookings and groups."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def draft_booking(
        self,
        booking: Booking | str,
        *,
        title: str | None = None,
        due: date | None = None,
        description: str = "",
        notify: bool = False,
        prices_include_tax: bool = False,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Invoice:
        """A draft of a booking's accommodation, add-ons and fees (S1).

        Raises AlreadyBilled while the booking is on a live invoice, alone or with its group, PaymentsOff, NotFound.
        """
        biller, ref = self._desk.owner("booking", booking)
        with self._desk.change("invoices.draft_booking", biller, on=on, actor=actor) as change:
            wanted = {"booking": ref, "title": title, "due": due, "description": description, "notify": notify,
                      "prices_include_tax": prices_include_tax}  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                return warned(change.tx, change.biller, change.again(Invoice, made)[0])
            change.payments_on()
            found = one(change.tx, Booking, biller, ref)
            if (alone := _alone(change, [found]).get(ref)) is not None:
                raise AlreadyBilled(f"booking {ref}", alone)
            if found.group is not None:
                stays = change.tx.find(Booking, biller, {"group": found.group})
                if (there := _on_group_invoices(change, found.group, stays).get(ref)) is not None:
                    raise AlreadyBilled(f"the group of booking {ref}", there)
            payer = one(change.tx, Customer, biller, found.customer)
            invoice = draft(
                id=change.ids("inv")[0],
                biller=biller,
                kind=InvoiceKind.BOOKING,
                currency=change.biller.currency,
                title=text(title, "title")
                if title is not None
                else kind_name("booking", payer.locale or change.biller.locale),
                lines=booking_lines(found, currency=change.biller.currency),
                on=change.on,
                due=due_day(change.biller, change.on, due),
                due_by_terms=due is None,
                prices_include_tax=yes_or_no(prices_include_tax, "prices_include_tax"),
                draft_reference=draft_references(change, 1)[0],
                description=text(description, "description", required=False, longest=5000, lines=True),
                notify=yes_or_no(notify, "notify"),
                customer=payer.id,
                unit=found.unit,
                booking=found.id,
            )
            write(change, [invoice])
            change.tx.replace([found])  # its new version is the claim that a second drafter fails on
            return warned(change.tx, change.biller, invoice)

    def draft_group(
        self,
        group: Group | str,
        *,
        payers: Mapping[str, Sequence[Booking | str]] | Mapping[str, int | Decimal] | None = None,
        title: str | None = None,
        due: date | None = None,
        description: str = "",
        notify: bool = False,
        prices_include_tax: bool = False,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> tuple[Invoice, ...]:
        """One draft to the organiser covering all sites, or one per payer (S1); where some stays are on a live invoice, with
        their group or alone, only the others.

        `payers`: customer id → bookings (each booking in exactly one), or customer id → weight (every line is split,
        the shares add up). Raises AlreadyBilled, NothingToBill, InvalidValue, PaymentsOff, NotFound.
        """
        biller, ref = self._desk.owner("group", group)
        if payers is not None and not isinstance(payers, Mapping):
            raise InvalidValue("payers", payers, "is not a mapping", "give customer → bookings, or customer → weight")
        with self._desk.change("invoices.draft_group", biller, on=on, actor=actor) as change:
            split = {self._desk.owner("customer", who)[1]: share for who, share in (payers or {}).items()}
            wanted = {"group": ref, "payers": {who: _plain(share) for who, share in split.items()}, "title": title,
                      "due": due, "description": description, "notify": notify,
                      "prices_include_tax": prices_include_tax}  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                return tuple(warned(change.tx, change.biller, one) for one in change.again(Invoice, made))
            change.payments_on()
            party = one(change.tx, Group, biller, ref)
            everybody = change.tx.find(Booking, biller, {"group": ref})
            if not everybody:
                raise NothingToBill(party.name, "the group has no booking")
            there = _on_group_invoices(change, ref, everybody) | _alone(change, everybody)
            stays = [stay for stay in everybody if stay.id not in there]
            if not stays:
                raise AlreadyBilled(f"group {ref}", there[everybody[0].id])
            shares = (
                _group_shares(change, stays, split, there) if payers else {party.organiser: _site_lines(change, stays)}
            )
            people = {who.id: who for who in several(change.tx, Customer, biller, list(shares))}
            rows = zip(
                change.ids("inv", len(shares)), draft_references(change, len(shares)), shares.items(), strict=True
            )
            invoices = [
                draft(
                    id=id,
                    biller=biller,
                    kind=InvoiceKind.GROUP,
                    currency=change.biller.currency,
                    title=text(title, "title") if title is not None else party.name,
                    lines=lines,
                    on=change.on,
                    due=due_day(change.biller, change.on, due),
                    due_by_terms=due is None,
                    prices_include_tax=yes_or_no(prices_include_tax, "prices_include_tax"),
                    draft_reference=reference,
                    description=text(description, "description", required=False, longest=5000, lines=True),
                    notify=yes_or_no(notify, "notify"),
                    customer=people[who].id,
                    group=ref,
                )
                for id, reference, (who, lines) in rows
            ]
            write(change, invoices)
            change.tx.replace([party, *everybody])  # their new versions are the claim a second drafter fails on
            return tuple(warned(change.tx, change.biller, invoice) for invoice in invoices)


def _alone(change: Change, stays: Sequence[Booking]) -> dict[str, str]:
    """Booking → the live invoice that it is on alone."""
    found: dict[str, str] = {}
    for stay in stays:
        for invoice in change.tx.invoices(InvoiceQuery(biller=change.biller.id, on=change.on, booking=stay.id)):
            if invoice.lifecycle is not Lifecycle.VOID:
                found[stay.id] = invoice.reference
    return found


def _on_group_invoices(change: Change, group: str, stays: Sequence[Booking]) -> dict[str, str]:
    """Booking → the first live invoice that it is on with its group: one with a line of its site and nights."""
    sites = _sites(change, stays)
    nights = {(sites[stay.id], stay.period) for stay in stays}
    found: dict[str, str] = {}
    for invoice in change.tx.invoices(InvoiceQuery(biller=change.biller.id, on=change.on, group=group)):
        if invoice.lifecycle is Lifecycle.VOID:
            continue
        named = {(line.site, line.period) for line in invoice.lines}
        # Of a line without a site, which somebody wrote into the draft, nobody knows whom it is for; of one with other
        # nights than any stay there, for which of them.
        whole = not {site for site, _ in named} <= set(sites.values())
        any_of = {site for site, period in named if (site, period) not in nights}
        for stay in stays:
            site = sites[stay.id]
            if whole or site in any_of or (site, stay.period) in named:
                found.setdefault(stay.id, invoice.reference)
    return found


def _sites(change: Change, stays: Sequence[Booking]) -> dict[str, str]:
    """Booking → what its lines are marked with on a group invoice."""
    units = change.tx.get(Unit, change.biller.id, {stay.unit for stay in stays if stay.unit})
    return {stay.id: units[stay.unit].number if stay.unit else stay.id for stay in stays}


def _site_lines(change: Change, stays: Sequence[Booking]) -> tuple[Line, ...]:
    sites, lines = _sites(change, stays), tuple[Line, ...]()
    for stay in stays:
        lines += booking_lines(stay, currency=change.biller.currency, site=sites[stay.id])
    return lines


def _group_shares(
    change: Change, stays: Sequence[Booking], payers: Mapping[str, object], there: Mapping[str, str]
) -> dict[str, tuple[Line, ...]]:
    weights = {who: share for who, share in payers.items() if isinstance(share, int | Decimal)}
    if len(weights) == len(payers):
        shared = shared_lines(_site_lines(change, stays), weights)
        return {who: lines for who, lines in shared.items() if lines}
    sites: dict[str, list[str]] = {}
    for who, share in payers.items():
        if isinstance(share, str | int | Decimal) or not isinstance(share, Sequence):
            raise InvalidValue("payers", share, "mixes bookings and weights", "give every payer bookings, or a weight")
        refs = [change.desk.owner("booking", booking)[1] for booking in share]
        sites[who] = [stay.id for stay in several(change.tx, Booking, change.biller.id, refs)]
        for ref in sites[who]:
            if ref in there:
                raise AlreadyBilled(f"booking {ref}", there[ref])
    check_sites(sites, [stay.id for stay in stays])
    by_id = {stay.id: stay for stay in stays}
    return {who: _site_lines(change, [by_id[ref] for ref in refs]) for who, refs in sites.items() if refs}


def _plain(share: object) -> object:
    return [getattr(booking, "id", booking) for booking in share] if isinstance(share, list | tuple) else share
