"""What stands at GoCardless now: payments with their past and their refunds, mandates, and what a key has made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from invoicecore.errors import ConfigurationProblem, ObjectNotFound
from invoicecore.money import minor
from invoicecore.ports import MethodSnapshot, NoticePage, Operation, PaymentSnapshot, PayStatus, RefundSnapshot
from invoicecore_adapters.gocardless import snapshots
from invoicecore_adapters.gocardless.account import Account, Service
from invoicecore_adapters.gocardless.faults import translate
from invoicecore_adapters.gocardless.reading import Raw, key_of, link, whole
from invoicecore_adapters.gocardless.webhooks import notice

_SKEW: Final = timedelta(minutes=10)
"""How far our clock may be ahead of theirs when something is looked for that was just made."""


def is_page(reference: str) -> bool:
    """Whether a name is a billing request's: of a page, and of what came of it."""
    return reference.startswith("BRQ")


class Books:
    """Reads one account; changes nothing."""

    def __init__(self, account: Account) -> None:
        self._account = account

    # --- payments -----------------------------------------------------------------------------------------------------

    def payment(self, reference: str) -> PaymentSnapshot:
        """A payment by its own name or by its billing request's."""
        if not is_page(reference):
            return self._payment(reference)
        request = self._account.read(self._account.billing_requests, reference)
        made = snapshots.made_of(request, "payment")
        if made is None:
            return snapshots.page_payment(request)
        told = self._payment(made)
        return told if told.key else attrs.evolve(told, key=key_of(request))

    def paid_by(self, reference: str) -> str | None:
        """The name of the payment itself, None while a billing request has none."""
        if not is_page(reference):
            return reference
        return snapshots.made_of(self._account.read(self._account.billing_requests, reference), "payment")

    def _payment(self, reference: str) -> PaymentSnapshot:
        snapshot = self._payment_now(reference)
        # Between two requests it may have moved on: then its events and its status do not fit together.
        return self._payment_now(reference) if snapshot.status is PayStatus.UNRECOGNISED else snapshot

    def _payment_now(self, reference: str) -> PaymentSnapshot:
        account = self._account
        raw = account.read(account.payments, reference)
        events = list(account.all(account.events, {"payment": reference}))
        told = snapshots.payment(raw, events)
        if minor(told.collected) == 0 and not _refunded(raw):
            return told
        refunds = account.all(account.refunds, {"payment": reference})
        return snapshots.payment(raw, events, [snapshots.refund(each) for each in refunds])

    def payments(
        self, since: datetime, until: datetime, after: str | None, past: Past
    ) -> tuple[list[PaymentSnapshot], str | None]:
        """One page of the payments made in a time, and the next page's cursor."""
        params = {"created_at[gte]": _written(since), "created_at[lt]": _written(until)}
        found, following = self._account.page(self._account.payments, params | ({"after": after} if after else {}))
        return [self._listed(raw, past) for raw in found], following

    def _listed(self, raw: Raw, past: Past) -> PaymentSnapshot:
        reference = str(raw.get("id"))
        told = snapshots.payment(raw, (), past.refunds[reference])
        # Only what has failed or was charged back once has a past that its status does not tell.
        if reference in past.troubled or told.status is PayStatus.UNRECOGNISED:
            return self._payment(reference)
        return told

    def past(self, since: datetime) -> Past:
        """What befell payments since then, so that a list of them needs few requests of each."""
        account, from_then = self._account, {"created_at[gte]": _written(since)}
        troubled = {
            link(event, "payment")
            for action in ("failed", "charged_back")
            for event in account.all(account.events, {"resource_type": "payments", "action": action, **from_then})
        }
        refunds: defaultdict[str, list[RefundSnapshot]] = defaultdict(list)
        for raw in account.all(account.refunds, from_then):
            refund = snapshots.refund(raw)
            refunds[refund.payment].append(refund)
        return Past(troubled, refunds)

    # --- refunds and methods ------------------------------------------------------------------------------------------

    def refund(self, reference: str) -> RefundSnapshot:
        """A refund by its name."""
        return snapshots.refund(self._account.read(self._account.refunds, reference))

    def method(self, reference: str) -> MethodSnapshot:
        """A mandate by its own name or by its billing request's."""
        if not is_page(reference):
            return self._mandate(reference)
        request = self._account.read(self._account.billing_requests, reference)
        return self._saved(request)

    def _saved(self, request: Raw) -> MethodSnapshot:
        made = snapshots.made_of(request, "mandate")
        if made is None:
            return snapshots.page_mandate(request)
        told = self._mandate(made)
        return told if told.key else attrs.evolve(told, key=key_of(request))

    def _mandate(self, reference: str) -> MethodSnapshot:
        raw = self._account.read(self._account.mandates, reference)
        bank_account = link(raw, "customer_bank_account")
        return snapshots.mandate(raw, self._ending(bank_account) if bank_account else "")

    def _ending(self, bank_account: str) -> str:
        try:
            ending = self._account.read(self._account.bank_accounts, bank_account).get("account_number_ending")
        except Exception as error:
            # It is for show only: without the right to read it, there is none.
            if isinstance(translate(error, "method"), ConfigurationProblem | ObjectNotFound):
                return ""
            raise
        return ending if isinstance(ending, str) and ending.isalnum() and len(ending) <= 4 else ""

    # --- what a key has made ------------------------------------------------------------------------------------------

    def find(
        self, operation: Operation, key: str, since: datetime, within: str | None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """What was made under a key; GoCardless cannot be asked for metadata, so lists are gone through."""
        account, params = self._account, {"created_at[gte]": _written(since - _SKEW)}
        match operation:
            case Operation.CHARGE:
                found = self._made(account.payments, params | ({"mandate": within} if within else {}), key)
                return None if found is None else self._payment(str(found["id"]))
            case Operation.REFUND:
                payment = self.paid_by(within) if within else None
                found = self._made(account.refunds, params | ({"payment": payment} if payment else {}), key)
                return None if found is None else snapshots.refund(found)
        found = self._made(account.billing_requests, params, key)
        if found is None:
            return None
        return self._saved(found) if operation is Operation.SETUP else self.payment(str(found["id"]))

    def _made(self, service: Service, params: Mapping[str, object], key: str) -> Raw | None:
        return next((raw for raw in self._account.all(service, params) if key_of(raw) == key), None)

    # --- events -------------------------------------------------------------------------------------------------------

    def missed(self, since: datetime, cursor: str | None, *, live: bool) -> NoticePage:
        """A page of events; GoCardless lists the newest first, so only within a page are they in order."""
        params = {"created_at[gte]": _written(since)} | ({"after": cursor} if cursor else {})
        found, following = self._account.page(self._account.events, params)
        read = (notice(event, live=live) for event in reversed(found))
        return NoticePage(notices=tuple(each for each in read if each is not None), cursor=following)


class Past:
    """What befell payments: the names of those that failed or were charged back, and refunds by payment."""

    def __init__(self, troubled: Iterable[str | None], refunds: defaultdict[str, list[RefundSnapshot]]) -> None:
        self.troubled = frozenset(troubled)
        self.refunds = refunds


def _refunded(raw: Raw) -> bool:
    return raw.get("amount_refunded") is not None and whole(raw, "amount_refunded") > 0


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
