"""Alerting: what a person must look at, raised by what found it and resolved by somebody who says how."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import attrs

from invoicecore.alerts import Alert, AlertKind, AlertState
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.errors import NotAllowed
from invoicecore.invoices import Invoice
from invoicecore.money import total
from invoicecore.parties import Biller, member, text
from invoicecore.payments import Reversal


def alert(change: Change, kind: AlertKind, about: str, told: str, *, invoice: str | None = None) -> None:
    """Raise an alert; one of the same thing that was raised before is opened again when there is something new to say."""
    before = [a for a in change.tx.find(Alert, change.biller.id, {"about": about}) if a.kind is kind]
    if before:
        if before[0].text != told:
            change.tx.replace([attrs.evolve(before[0], text=told, state=AlertState.OPEN, raised_at=change.at)])
        return
    change.tx.add(
        [
            Alert(
                id=change.ids("alr")[0],
                biller=change.biller.id,
                kind=kind,
                about=about,
                text=told,
                raised_at=change.at,
                invoice=invoice,
            )
        ]
    )


def overdrawn(change: Change, invoices: Sequence[Invoice], reversal: Reversal) -> None:
    """Alert when what was taken back had been refunded before: more went out than came in (P4)."""
    short = [invoice for invoice in invoices if invoice.facts.held.amount < 0]
    if short:
        gone = total([-invoice.facts.held for invoice in short], reversal.amount.currency.code)
        of = f" ({', '.join(invoice.reference for invoice in short)})" if len(short) > 1 else ""
        told = f"{gone.amount} {gone.currency.code} had been refunded before it was taken back{of}"
        alert(change, AlertKind.REVERSED_AFTER_REFUND, reversal.id, told, invoice=short[0].id)


def settle_overdrawn(change: Change, invoice: Invoice) -> None:
    """Resolve the alerts of an invoice that more had gone out than came in, which is not so any more."""
    found = change.tx.find(Alert, change.biller.id, {"invoice": invoice.id, "state": AlertState.OPEN.value})
    which = [each for each in found if each.kind is AlertKind.REVERSED_AFTER_REFUND]
    change.tx.replace([_resolved(each, change, "as much has come in again as went out") for each in which])


def settle_alerts(change: Change, about: str, kind: AlertKind, how: str) -> None:
    """Resolve an alert that answered itself."""
    open_ones = change.tx.find(Alert, change.biller.id, {"about": about, "state": AlertState.OPEN.value})
    change.tx.replace([_resolved(a, change, how) for a in open_ones if a.kind is kind])


def _resolved(found: Alert, change: Change, how: str) -> Alert:
    return attrs.evolve(
        found, state=AlertState.RESOLVED, resolved_at=change.at, resolved_by=change.actor, resolution=how
    )


class Alerts:
    """What a person must look at: `billing.alerts`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def find(
        self,
        *,
        biller: Biller | str | None = None,
        invoice: Invoice | str | None = None,
        state: AlertState | str | None = AlertState.OPEN,
        after: str = "",
        limit: int = 50,
    ) -> list[Alert]:
        """Alerts of a biller or of one invoice, oldest first, those after an id; open ones unless another state is given.

        `state=None` is every one. Raises InvalidValue for an unknown state or a limit beyond 1000, NotFound.
        """
        where = {} if state is None else {"state": member(AlertState, state, "state").value}
        return self._desk.listed(Alert, biller, after=after, limit=limit, invoice=invoice, **where)

    def get(self, alert: Alert | str) -> Alert:
        """The alert as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("alert", alert)
        with self._desk.view() as tx:
            return one(tx, Alert, biller, ref)

    def resolve(
        self, alert: Alert | str, *, resolution: str, on: date | None = None, actor: str | None = None
    ) -> Alert:
        """Say how an alert was dealt with; who and when are kept, and it is on its timeline (R18).

        It changes nothing else: a doubtful collection is settled with `collections.resolve`. Raises NotAllowed for one
        that is resolved, InvalidValue for a blank resolution, NotFound.
        """
        biller, ref = self._desk.owner("alert", alert)
        with self._desk.change("alerts.resolve", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Alert, biller, ref)
            if before.state is not AlertState.OPEN:
                raise NotAllowed("resolve", before.state.value, ())
            how = text(resolution, "resolution")
            change.tx.replace([_resolved(before, change, how)])
            change.note(ref, before.version + 1, "resolved", how)
            return one(change.tx, Alert, biller, ref)
