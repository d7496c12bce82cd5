"""What the end of a lease leaves behind: days that were invoiced after it, and what of them is to be credited (M9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from invoicecore import leases as rules
from invoicecore.credit_notes import CreditNote, left, take_back
from invoicecore.errors import LeaseFrozen
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.leases import Lease, Overbilled
from invoicecore.money import Money, minor, total
from invoicecore.periods import Period
from invoicecore.ports import Reader


def unused_of(lease: Lease, invoice: Invoice) -> tuple[Period, dict[int, Money]] | None:
    """The days of an invoiced period after the lease's last one, and what of which line they were; None without any."""
    if invoice.period is None or invoice.period_index is None:
        return None
    days = rules.unused_part(lease, invoice.period)
    if days is None:
        return None
    aligned = rules.aligned_period(lease, invoice.period_index)
    worth = rules.unused_amount(lease, aligned, invoice.period, days, rules.rent_charged(invoice.lines))
    # A period begun is due whole where nothing is prorated.
    return (days, rules.unused_lines(invoice.lines, worth)) if worth.amount > 0 else None


def to_credit(lease: Lease, invoice: Invoice, earlier: Sequence[CreditNote]) -> dict[int, Money]:
    """How much of which line lies after the lease's last day and is not credited yet.

    What was credited while the lease reached beyond the invoice was for something else, and leaves less of the days that
    are kept.
    """
    unused = unused_of(lease, invoice)
    if unused is None:
        return {}
    there, rest = left(invoice, _for_the_end(earlier)).lines, left(invoice, earlier).lines
    wanted = {}
    for place, part in unused[1].items():
        whole = invoice.lines[place].amount
        still = min(part - (whole - there[place]), rest[place], key=lambda each: each * minor(whole))
        if still.amount * whole.amount > 0:
            wanted[place] = still
    return wanted if total(wanted.values(), invoice.currency).amount > 0 else {}


def overbilled(
    lease: Lease, invoices: Sequence[Invoice], notes: Mapping[str, Sequence[CreditNote]]
) -> Iterator[Overbilled]:
    """Each invoice that reaches beyond the lease's end, with what is to be credited of it yet."""
    for invoice in invoices:
        earlier = notes.get(invoice.id, ())
        days, lines = rules.unused_part(lease, invoice.period) if invoice.period else None, {}
        if days is not None and invoice.period is not None and (lines := to_credit(lease, invoice, earlier)):
            yield Overbilled(
                invoice=invoice.id,
                reference=invoice.reference,
                period=invoice.period,
                unused=days,
                amount=take_back(invoice, earlier, lines).total,
            )


def refuse_credited(
    before: Lease, after: Lease, invoices: Sequence[Invoice], notes: Mapping[str, Sequence[CreditNote]]
) -> None:
    """Refuse that a lease grows back over days that were credited when it ended: nothing would charge them again (M9)."""
    for invoice in invoices:
        earlier = _for_the_end(notes.get(invoice.id, ()))
        was, now = unused_of(before, invoice), unused_of(after, invoice)
        if not earlier or was is None or before.ends is None:
            continue
        rest = left(invoice, earlier).lines
        for place, part in was[1].items():
            gone = min(abs(minor(invoice.lines[place].amount - rest[place])), abs(minor(part)))
            if gone > (abs(minor(now[1][place])) if now is not None and place in now[1] else 0):
                told = f"end ({before.ends}; of {invoice.reference}, {earlier[-1].number} credited days after it)"
                first = before.ends + timedelta(days=1)
                raise LeaseFrozen(before.id, told, f"add a successor lease from {first}, which bills them again")


def to_reissue(before: Lease, after: Lease, invoices: Sequence[Invoice]) -> Iterator[Period]:
    """The voided periods that a lease reaches into again by a later end: no run bills what was voided (N2)."""
    indexed = [(each.period_index, each.lifecycle) for each in invoices if each.period_index is not None]
    live = {index for index, lifecycle in indexed if lifecycle is not Lifecycle.VOID}
    for index in sorted({index for index, _ in indexed} - live):
        had, now = rules.billed_period(before, index), rules.billed_period(after, index)
        if now is not None and (had is None or had.end < now.end):
            yield now


def notes_of(tx: Reader, biller: str, invoices: Sequence[Invoice]) -> dict[str, list[CreditNote]]:
    """The credit notes of some invoices by the invoice's id, oldest first."""
    found: dict[str, list[CreditNote]] = {}
    for note in tx.find(CreditNote, biller, {"invoice": [invoice.id for invoice in invoices]}):
        found.setdefault(note.invoice, []).append(note)
    return found


def _for_the_end(notes: Sequence[CreditNote]) -> list[CreditNote]:
    return [note for note in notes if note.lease_ends is not None]
