"""What the simulated GoCardless keeps of each resource, and how it shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import attrs

from invoicecore.money import Money, from_minor
from invoicecore_adapters.simulators.gocardless.refusals import Json
from invoicecore_adapters.simulators.gocardless.shapes import FLAGS, PERSON


def instant(moment: datetime) -> str:
    """An instant as GoCardless writes it: UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@attrs.define(kw_only=True)
class Record:
    """Any resource: `key` is the idempotency key of the operation that it belongs to, never shown."""

    id: str
    created_at: datetime
    metadata: Json = attrs.Factory(dict)
    key: str | None = None


@attrs.define(kw_only=True)
class Customer(Record):
    details: Json = attrs.Factory(dict)

    def shown(self) -> Json:
        known = {**dict.fromkeys(PERSON), **self.details}
        return {"id": self.id, "created_at": instant(self.created_at), **known, "metadata": self.metadata}


@attrs.define(kw_only=True)
class BankAccount(Record):
    customer: str
    holder: str
    ending: str
    country: str
    currency: str
    enabled: bool = True

    def shown(self) -> Json:
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "account_holder_name": self.holder,
            "account_number_ending": self.ending,
            "account_type": None,
            "bank_name": "BARCLAYS BANK PLC" if self.country == "GB" else "BANQUE SIMULEE",
            "country_code": self.country,
            "currency": self.currency,
            "enabled": self.enabled,
            "metadata": self.metadata,
            "links": {"customer": self.customer},
        }


@attrs.define(kw_only=True)
class Mandate(Record):
    """`decline` is the cause for which every payment on it will fail. `reinstated` counts how often it was."""

    creditor: str
    customer: str
    bank_account: str
    scheme: str
    currency: str
    reference: str
    status: str = "pending_submission"
    replaced_by: str | None = None
    reinstated: int = 0
    decline: str | None = None

    def shown(self, next_charge_date: date | None) -> Json:
        links = {
            "creditor": self.creditor,
            "customer": self.customer,
            "customer_bank_account": self.bank_account,
            "new_mandate": self.replaced_by,
        }
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "reference": self.reference,
            "status": self.status,
            "scheme": self.scheme,
            "next_possible_charge_date": next_charge_date.isoformat() if next_charge_date else None,
            "payments_require_approval": False,
            "metadata": self.metadata,
            "links": {name: value for name, value in links.items() if value},
        }


@attrs.define(kw_only=True)
class Payment(Record):
    """`before_chargeback` is the status it had then; `paid_out` and `settled` are about its money in payouts."""

    amount: int
    currency: str
    scheme: str
    creditor: str
    mandate: str
    charge_date: date
    status: str = "pending_submission"
    description: str | None = None
    reference: str | None = None
    retry_if_possible: bool = False
    app_fee: int | None = None
    amount_refunded: int = 0
    payout: str | None = None
    retries: int = 0
    retry_at: datetime | None = None
    before_chargeback: str | None = None

    @property
    def money(self) -> Money:
        return from_minor(self.amount, self.currency)

    def shown(self) -> Json:
        links = {"mandate": self.mandate, "creditor": self.creditor, "payout": self.payout}
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "charge_date": self.charge_date.isoformat(),
            "amount": self.amount,
            "description": self.description,
            "currency": self.currency,
            "status": self.status,
            "amount_refunded": self.amount_refunded,
            "reference": self.reference,
            "scheme": self.scheme,
            "app_fee": self.app_fee,
            "retry_if_possible": self.retry_if_possible,
            "fx": {"fx_currency": self.currency, "fx_amount": None, "exchange_rate": None},
            "metadata": self.metadata,
            "links": {name: value for name, value in links.items() if value},
        }


@attrs.define(kw_only=True)
class Refund(Record):
    amount: int
    currency: str
    payment: str
    mandate: str
    reference: str | None = None
    status: str = "created"
    settled: bool = False

    @property
    def money(self) -> Money:
        return from_minor(self.amount, self.currency)

    def shown(self) -> Json:
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "amount": self.amount,
            "currency": self.currency,
            "reference": self.reference,
            "status": self.status,
            "fx": {"fx_currency": self.currency, "fx_amount": None, "exchange_rate": None},
            "metadata": self.metadata,
            "links": {"payment": self.payment, "mandate": self.mandate},
        }


@attrs.define(kw_only=True)
class BillingRequest(Record):
    """`actions` is name → whether it is done; the two requests are as they were asked for, with what came of them."""

    creditor: str
    actions: dict[str, bool]
    mandate_request: Json | None = None
    payment_request: Json | None = None
    status: str = "pending"
    fallback_enabled: bool = False
    fallback_occurred: bool = False
    customer: str | None = None
    bank_account: str | None = None
    mandate: str | None = None
    payment: str | None = None
    purpose_code: str | None = None

    @property
    def currency(self) -> str:
        return str((self.payment_request or self.mandate_request or {}).get("currency", "GBP"))

    @property
    def links(self) -> Json:
        number = self.id.removeprefix("BRQ")
        links = {
            "creditor": self.creditor,
            "customer": self.customer,
            "customer_bank_account": self.bank_account,
            "mandate_request": f"MRQ{number}" if self.mandate_request is not None else None,
            "mandate_request_mandate": self.mandate,
            "payment_request": f"PRQ{number}" if self.payment_request is not None else None,
            "payment_request_payment": self.payment,
        }
        return {name: value for name, value in links.items() if value}

    def shown(self, resources: Mapping[str, Json]) -> Json:
        asked: Json = {}
        if self.mandate_request is not None:
            links = {"mandate": self.mandate} if self.mandate else {}
            asked["mandate_request"] = {**self.mandate_request, "links": links}
        if self.payment_request is not None:
            links = {"payment": self.payment} if self.payment else {}
            asked["payment_request"] = {**self.payment_request, "links": links}
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "status": self.status,
            "fallback_enabled": self.fallback_enabled,
            "fallback_occurred": self.fallback_occurred,
            "purpose_code": self.purpose_code,
            **asked,
            "actions": [
                {
                    "type": name,
                    "required": True,
                    "status": "completed" if done else "pending",
                    "completes_actions": [],
                    "requires_actions": [],
                }
                for name, done in self.actions.items()
            ],
            "resources": dict(resources),
            "metadata": self.metadata,
            "links": self.links,
        }


@attrs.define(kw_only=True)
class Flow(Record):
    """A billing request's page; `settings` is what was asked for."""

    billing_request: str
    expires_at: datetime
    settings: Json
    url: str
    token: str | None = None

    def shown(self) -> Json:
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "authorisation_url": self.url,
            "expires_at": instant(self.expires_at),
            "session_token": self.token,
            **dict.fromkeys(FLAGS, False),
            **dict.fromkeys(("exit_uri", "language", "redirect_uri", "prefilled_customer")),
            **self.settings,
            "links": {"billing_request": self.billing_request},
        }


@attrs.define(kw_only=True)
class Event(Record):
    """`metadata` is the event's own: what came with the request that caused it."""

    resource_type: str
    action: str
    details: Json
    links: Json
    resource_metadata: Json

    def shown(self) -> Json:
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "resource_type": self.resource_type,
            "action": self.action,
            "details": self.details,
            "metadata": self.metadata,
            "resource_metadata": self.resource_metadata,
            "links": self.links,
        }


@attrs.define(kw_only=True)
class Payout(Record):
    """`items` is (kind, amount, links) of each."""

    creditor: str
    currency: str
    status: str = "pending"
    items: list[tuple[str, int, Json]] = attrs.Factory(list)

    def shown(self) -> Json:
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "amount": sum(amount for _, amount, _ in self.items),
            "arrival_date": self.created_at.date().isoformat(),
            "currency": self.currency,
            "deducted_fees": 0,
            "fx": {"fx_currency": self.currency, "fx_amount": None, "exchange_rate": None},
            "payout_type": "merchant",
            "reference": f"REF-{self.id}",
            "status": self.status,
            "tax_currency": None,
            "metadata": self.metadata,
            "links": {"creditor": self.creditor, "creditor_bank_account": "BA000CREDITOR"},
        }

    def items_shown(self) -> list[Json]:
        return [
            {"type": kind, "amount": f"{amount}.0", "taxes": [], "links": links} for kind, amount, links in self.items
        ]


@attrs.define(kw_only=True)
class Webhook(Record):
    """A delivery that was made; `answers` are the statuses it met, the last of which counts."""

    url: str
    body: str
    headers: Json
    answers: list[int] = attrs.Factory(list)

    def shown(self) -> Json:
        last = self.answers[-1] if self.answers else None
        return {
            "id": self.id,
            "created_at": instant(self.created_at),
            "is_test": False,
            "request_body": self.body,
            "request_headers": self.headers,
            "response_body": "",
            "response_body_truncated": False,
            "response_code": last,
            "response_headers": {},
            "response_headers_content_truncated": False,
            "response_headers_count_truncated": False,
            "successful": last is not None and 200 <= last < 300,
            "url": self.url,
        }
