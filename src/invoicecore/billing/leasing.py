"""Leasing: leases are added, repriced, ended, and billed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import attrs

from invoicecore import leases as rules
from invoicecore.billing.desk import Desk, biller_in, one, several, unit_in
from invoicecore.billing.drafting import draft_references
from invoicecore.billing.ending import notes_of, overbilled, refuse_credited, to_reissue
from invoicecore.billing.issuing import issue, wishes
from invoicecore.billing.registering import as_rows, customer_ref, places, unit_or_new
from invoicecore.errors import AlreadyBilled, InvalidValue, LeaseFrozen, NotFound, NothingToBill
from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, draft
from invoicecore.leases import Lease, Overbilled
from invoicecore.money import Money, positive
from invoicecore.parties import Biller, Customer, InvoiceMethod, Unit, known_fields, member, text, yes_or_no
from invoicecore.payments import Facts
from invoicecore.periods import Cycle, Frequency, Period, as_date
from invoicecore.ports import InvoiceQuery, Reader
from invoicecore.proration import DayCount
from invoicecore.taxes import TaxRate, tax_rates

_FIELDS = (
    "customer", "unit", "rent", "frequency", "starts", "ends", "anchor_day", "method", "advance_days", "day_count",
    "bill_from", "description", "taxes",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class LeaseEnd:
    """An ended lease and the invoiced periods that reach beyond its new end, to be credited so far as they are not (M9).

    `to_reissue` are the voided periods that it reaches into again: no run bills those, `generate(reissue=True)` does (N2).
    """

    lease: Lease
    to_credit: tuple[Overbilled, ...]
    to_reissue: tuple[Period, ...] = ()


class Leases:
    """Rent billed in advance: `billing.leases`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        *,
        biller: Biller | str | None = None,
        customer: Customer | str,
        unit: Unit | str | None = None,
        rent: Money,
        frequency: Frequency | str = Frequency.MONTHLY,
        starts: date,
        ends: date | None = None,
        anchor_day: int | None = None,
        method: InvoiceMethod | str = InvoiceMethod.EMAIL_PDF,
        advance_days: int | None = None,
        day_count: DayCount | str = DayCount.ACTUAL,
        bill_from: date | None = None,
        description: str = "",
        taxes: Sequence[TaxRate] = (),
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Lease:
        """Register a lease; `rent` is one full period of `frequency`, `ends` its last day, inclusive (S3, M3).

        `anchor_day` 1 to 31 (clamped) or -1, default the start's day; week-based frequencies refuse one (M2). A unit
        number not known yet is registered. Raises InvalidValue, InvalidMoney, CurrencyMismatch, NotFound, KeyReused.
        """
        owner = self._desk.owner("customer", customer)[0] if biller is None else self._desk.biller_id(biller)
        row: dict[str, object] = {
            "customer": customer, "unit": unit, "rent": rent, "frequency": frequency, "starts": starts, "ends": ends,
            "anchor_day": anchor_day, "method": method, "advance_days": advance_days, "day_count": day_count, "bill_from": bill_from,
            "description": description, "taxes": taxes,
        }  # fmt: skip
        return self.add_many(biller=owner, rows=[row], on=on, actor=actor, key=key)[0]

    def add_many(
        self,
        rows: Iterable[Mapping[str, object]],
        *,
        biller: Biller | str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> list[Lease]:
        """Register many leases in one transaction, rows with the names of add(); one bad row refuses them all."""
        ref = self._desk.biller_id(biller)
        given = as_rows(rows)
        with self._desk.change("leases.add", ref, on=on, actor=actor) as change:
            if (made := change.replayed(key, {"rows": [_told(row) for row in given]})) is not None:
                return change.again(Lease, made)
            several(
                change.tx, Customer, ref, {self._desk.owner("customer", row.get("customer"), ref)[1] for row in given}
            )
            units: dict[object, str | None] = {None: None}
            ids = change.ids("lea", len(given))
            leases = []
            for id, row, at in zip(ids, given, places("rows", given), strict=True):
                known_fields(row, _FIELDS, at)
                unit = row.get("unit")
                name = unit.id if isinstance(unit, Unit) else unit
                if name is not None and not isinstance(name, str):
                    raise InvalidValue(at + "unit", name, "is no unit and no number", "give the unit or its number")
                if name not in units:
                    units[name] = unit_or_new(
                        change, unit if isinstance(unit, Unit) else text(unit, at + "unit", longest=50)
                    )
                leases.append(_lease(row, at, id=id, biller=change.biller, unit=units[name], desk=self._desk))
            change.tx.add(leases)
            change.made(*ids)
            for id in ids:
                change.note(id, 1, "added")
        return leases

    def edit(self, lease: Lease | str, *, on: date | None = None, actor: str | None = None, **changes: object) -> Lease:
        """Change fields of add(); once invoiced, start, frequency and anchor are frozen (M9).

        Rent changes with change_rent and the end with end(). Raises LeaseFrozen, InvalidValue, NotFound.
        """
        biller, ref = self._desk.owner("lease", lease)
        with self._desk.change("leases.edit", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Lease, biller, ref)
            known_fields(changes, [name for name in _FIELDS if name not in ("rent", "ends")])
            if "frequency" in changes:
                changes["frequency"] = member(Frequency, changes["frequency"], "frequency")
            for field in ("starts", "frequency", "anchor_day", "bill_from"):
                if before.invoiced and field in changes and changes[field] != getattr(before, field):
                    raise LeaseFrozen(ref, field)
            row = {name: getattr(before, name) for name in _FIELDS} | changes
            unit = unit_or_new(change, row["unit"])
            fresh = _lease(row, "", id=ref, biller=change.biller, unit=unit, desk=self._desk)
            customer_ref(change.tx, self._desk, biller, fresh.customer)
            after = attrs.evolve(fresh, changes=before.changes, invoiced=before.invoiced, version=before.version)
            if before.invoiced:
                after = rules.moved_on(after, change.biller.policy, before.next_period, invoiced=True)
            change.tx.replace([after])
            change.note(ref, before.version + 1, "edited", ", ".join(sorted(changes)))
        return attrs.evolve(after, version=before.version + 1)

    def change_rent(
        self,
        lease: Lease | str,
        rent: Money,
        since: date,
        *,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Lease:
        """Another rent from a date on; a period it falls into is split in segments that add up (M9).

        Raises InvalidValue for a date before the end of a period that is invoiced, InvalidMoney, CurrencyMismatch,
        NotFound. A voided one may be reissued at the new rent.
        """
        biller, ref = self._desk.owner("lease", lease)
        with self._desk.change("leases.change_rent", biller, on=on, actor=actor, subject=ref) as change:
            price = positive(rent, "rent", currency=change.biller.currency)
            day = as_date(since, "since")
            if (made := change.replayed(key, {"lease": ref, "rent": price, "since": day})) is not None:
                return change.again(Lease, made)[0]
            before = one(change.tx, Lease, biller, ref)
            billed = [period for _, period in _billed(_live(change.tx, before, change.on))]
            after = rules.with_rent(before, price, day, billed)
            change.tx.replace([after])
            change.made(ref)
            change.note(ref, before.version + 1, "rent changed", f"{price.amount} from {day}")
        return attrs.evolve(after, version=before.version + 1)

    def end(self, lease: Lease | str, last_day: date, *, on: date | None = None, actor: str | None = None) -> LeaseEnd:
        """Set the lease's last day, inclusive (M3). Periods invoiced beyond it are named to be credited, and left as
        they are (M9). A later one than before is refused where days were billed or credited up to that: nothing would
        charge the days after it (add a successor lease). Raises InvalidValue, LeaseFrozen, NotFound."""
        biller, ref = self._desk.owner("lease", lease)
        with self._desk.change("leases.end", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Lease, biller, ref)
            day = as_date(last_day, "last_day")
            invoices = _invoices(change.tx, before, change.on)
            live = [invoice for invoice in invoices if invoice.lifecycle is not Lifecycle.VOID]
            after = rules.ended(before, change.biller.policy, day, _billed(live))
            notes = notes_of(change.tx, biller, live)
            if before.ends is not None and day > before.ends:
                refuse_credited(before, after, live, notes)
            change.tx.replace([after])
            change.note(ref, before.version + 1, "ended", day.isoformat())
            after = attrs.evolve(after, version=before.version + 1)
            return LeaseEnd(
                lease=after,
                to_credit=tuple(overbilled(after, live, notes)),
                to_reissue=tuple(to_reissue(before, after, invoices)),
            )

    def generate(
        self,
        lease: Lease | str,
        *,
        period: date | int | None = None,
        reissue: bool = False,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Invoice:
        """Bill one period by hand, as manual leases are (S4): the next one, or the one of a day or an index.

        A voided period is billed again with `reissue=True`, as its next revision (N2): the last one voided, unless
        `period` names another. A deleted draft's period may be asked for. Issued or left a draft as the biller's run
        would. Raises AlreadyBilled, InvalidValue (a period ahead of the next, or before bill_from), NothingToBill,
        PaymentsOff, NotFound.
        """
        biller, ref = self._desk.owner("lease", lease)
        yes_or_no(reissue, "reissue")
        with self._desk.change("leases.generate", biller, on=on, actor=actor, subject=ref) as change:
            if (made := change.replayed(key, {"lease": ref, "period": period, "reissue": reissue})) is not None:
                return change.again(Invoice, made)[0]
            change.payments_on()
            found = one(change.tx, Lease, biller, ref)
            if period is None and reissue:
                index = _last_voided(found, _invoices(change.tx, found, change.on))
            else:
                index = _index(found, period, rules.next_worth(found))
            if period is None and not reissue and found.finished:
                raise NothingToBill(f"lease {ref}", "its last period has been dealt with")
            wanted = InvoiceQuery(biller=biller, on=change.on, lease=ref, period_index=index)
            before = change.tx.invoices(wanted)
            live = [invoice for invoice in before if invoice.lifecycle is not Lifecycle.VOID]
            if live or (before and not reissue):
                raise AlreadyBilled(f"period {index} of lease {ref}", (live or before)[0].reference)
            payer = one(change.tx, Customer, biller, found.customer)
            aligned = rules.aligned_period(found, index)
            billed = rules.clip(found, aligned)
            if billed is None:
                raise NothingToBill(f"lease {ref}", f"period {index} lies outside it")
            policy = change.biller.policy
            invoice = lease_draft(
                found, payer, change.biller, index, aligned, billed, id=change.ids("inv")[0], on=change.on
            )
            invoice = attrs.evolve(invoice, revision=max((i.revision for i in before), default=0) + 1)
            if index >= found.next_period:
                found = rules.moved_on(found, policy, index + 1, invoiced=True)
            change.tx.replace([attrs.evolve(found, invoiced=True)])
            change.made(invoice.id)
            if policy.run_issues:
                return issue(
                    change,
                    [invoice],
                    lambda i, who: wants_mail(found.method, change.biller, i, who),
                    payers={invoice.id: payer},
                    new=True,
                )[0]
            invoice = attrs.evolve(invoice, draft_reference=draft_references(change, 1)[0])
            change.tx.add([invoice])
            change.note(invoice.id, 1, "drafted")
            return invoice

    def get(self, lease: Lease | str) -> Lease:
        """The lease as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("lease", lease)
        with self._desk.view() as tx:
            return one(tx, Lease, biller, ref)

    def find(
        self,
        *,
        biller: Biller | str | None = None,
        customer: Customer | str | None = None,
        unit: Unit | str | None = None,
    ) -> list[Lease]:
        """The biller's leases, those of a customer or unit if given, oldest first."""
        owner = (
            self._desk.owner("customer", customer)[0] if biller is None and customer else self._desk.biller_id(biller)
        )
        with self._desk.view() as tx:
            biller_in(tx, owner)
            where = {}
            if customer is not None:
                where["customer"] = customer_ref(tx, self._desk, owner, customer) or ""
            if unit is not None:
                found = unit_in(tx, owner, unit)
                if found is None:
                    raise NotFound("unit", unit)
                where["unit"] = found.id
            return tx.find(Lease, owner, where)


def lease_draft(
    lease: Lease,
    payer: Customer,
    biller: Biller,
    index: int,
    aligned: Period,
    billed: Period,
    *,
    id: str,
    on: date,
    facts: Facts | None = None,
) -> Invoice:
    """The draft of one period of a lease (S2–S6). Raises NothingToBill when it comes to zero or less (M10)."""
    locale = payer.locale or biller.locale
    lines = rules.lease_lines(lease, aligned, billed, locale=locale)
    first = lines[0].description
    return draft(
        id=id,
        biller=biller.id,
        kind=InvoiceKind.LEASE,
        currency=biller.currency,
        title=first[: first.index("\n")],
        lines=lines,
        on=on,
        due=rules.due_date(biller.policy, billed),
        facts=facts,
        notify=lease.method is InvoiceMethod.EMAIL_PDF,  # a draft published by hand is e-mailed too (S9)
        customer=payer.id,
        unit=lease.unit,
        lease=lease.id,
        late=rules.is_late(billed, on),
        period=billed,
        period_index=index,
    )


def wants_mail(method: InvoiceMethod, biller: Biller, invoice: Invoice, payer: Customer | None) -> bool:
    """Whether a lease's issued invoice is e-mailed: always for EMAIL_PDF, else as any other (S9, C4)."""
    return method is InvoiceMethod.EMAIL_PDF or wishes(biller, invoice, payer)


def _lease(row: Mapping[str, object], at: str, *, id: str, biller: Biller, unit: str | None, desk: Desk) -> Lease:
    def day_or_none(field: str) -> date | None:
        return as_date(row[field], at + field) if row.get(field) is not None else None

    frequency = member(Frequency, row.get("frequency", Frequency.MONTHLY), at + "frequency")
    starts = as_date(row.get("starts"), at + "starts")
    anchor = row.get("anchor_day")
    taxes = tax_rates(row.get("taxes") or (), at + "taxes")
    lease = Lease(
        id=id,
        biller=biller.id,
        customer=desk.owner("customer", row.get("customer"))[1],
        unit=unit,
        rent=positive(row.get("rent"), at + "rent", currency=biller.currency),
        frequency=frequency,
        starts=starts,
        ends=day_or_none("ends"),
        anchor_day=anchor,  # type: ignore[arg-type]  # checked by Cycle below
        method=member(InvoiceMethod, row.get("method", InvoiceMethod.EMAIL_PDF), at + "method"),
        advance_days=row.get("advance_days"),  # type: ignore[arg-type]  # checked by scheduled() below
        day_count=member(DayCount, row.get("day_count", DayCount.ACTUAL), at + "day_count"),
        bill_from=day_or_none("bill_from"),
        description=text(row.get("description", ""), at + "description", required=False, longest=200),
        taxes=taxes,
    )
    try:
        Cycle(starts=starts, frequency=frequency, anchor_day=lease.anchor_day)  # refuses a wrong anchor
        return rules.scheduled(lease, biller.policy)
    except InvalidValue as error:
        raise InvalidValue(at + error.field, error.value, error.reason, error.way_out) from error


def _told(row: Mapping[str, object]) -> dict[str, object]:
    return {name: getattr(value, "id", value) for name, value in row.items()}


def _invoices(tx: Reader, lease: Lease, on: date) -> list[Invoice]:
    return tx.invoices(InvoiceQuery(biller=lease.biller, on=on, lease=lease.id))


def _live(tx: Reader, lease: Lease, on: date) -> list[Invoice]:
    return [invoice for invoice in _invoices(tx, lease, on) if invoice.lifecycle is not Lifecycle.VOID]


def _billed(live: Sequence[Invoice]) -> list[tuple[int, Period]]:
    return [(i.period_index, i.period) for i in live if i.period_index is not None and i.period is not None]


def _last_voided(lease: Lease, invoices: Sequence[Invoice]) -> int:
    live = {invoice.period_index for invoice in invoices if invoice.lifecycle is not Lifecycle.VOID}
    voided = [i.period_index for i in invoices if i.period_index is not None and i.period_index not in live]
    if not voided:
        raise NothingToBill(f"lease {lease.id}", "no period of it stands voided")
    return max(voided)


def _index(lease: Lease, period: date | int | None, newest: int) -> int:
    if period is None:
        return newest
    index = period if isinstance(period, int) else rules.period_index(lease, as_date(period, "period"))
    first = rules.first_index(lease)
    if index < first:
        raise InvalidValue(
            "period", period, f"is before the first period to bill ({first})", "nothing before bill_from is billed"
        )
    if index > newest:
        raise InvalidValue("period", period, "is ahead of the next one", f"bill period {newest} first")
    return index
