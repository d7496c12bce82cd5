"""One business with a record of every kind, and for every verb of the desk a call that works on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import attrs

from desks import gateway_of, money, store_of, unreachable
from invoicecore import Billing, InvoiceMethod, Item, Shard
from invoicecore.alerts import Alert
from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge
from invoicecore.collection import Collection, SavedMethod
from invoicecore.credit_notes import CreditNote
from invoicecore.errors import NotSent
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.payments import Payment, Refund

TODAY = date(2026, 3, 2)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

Arguments = dict[str, object]


@attrs.frozen(kw_only=True)
class Scene:
    """A campground in euros on 2 March 2026; `paid` holds 60 of its 100, and the guest has credit.

    `message` was cancelled, another one is queued; `webhook` tells of 100 paid by the link `token` of `open`. `method`
    is the guest's card, `fresh` another guest's whose set-up was not heard of yet. It paid `charged` by `online`; what it
    paid of `owed` was charged back, which raised `alert`. `doubtful` and the refund `unsure` may have happened, `reserved` is to be sent; a page
    that asks for too much is to be closed. `note` takes 30 of `credited` back.
    """

    biller: Biller
    customer: Customer
    other: Customer
    unit: Unit
    charge: Charge
    stranded: Charge
    lease: Lease
    booking: Booking
    group: Group
    member: Booking
    draft: Invoice
    open: Invoice
    paid: Invoice
    payment: Payment
    message: Message
    token: str
    webhook: tuple[bytes, Mapping[str, str]]
    method: SavedMethod
    fresh: SavedMethod
    charged: Invoice
    online: Payment
    owed: Invoice
    alert: Alert
    doubtful: Collection
    unsure: Refund
    reserved: Collection
    credited: Invoice
    note: CreditNote


def stage(billing: Billing) -> Scene:
    """A new scene at a desk that may add billers."""
    park = billing.billers.add(name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays",
                               policy={"reminders": (0, 7), "late_fee": {"amount": "5.00"}})  # fmt: skip
    guest = billing.customers.add(biller=park, name="Alice", email="alice@example.com")
    other = billing.customers.add(biller=park, name="Bob", email="bob@example.com")
    unit = billing.units.add(biller=park, number="12", resident=guest)
    charge = billing.charges.add(customer=guest, description="Laundry", amount=money(5), on=TODAY)
    stranded = billing.charges.add(customer=guest, description="Towels", amount=money(4), on=TODAY)
    held = billing.invoices.publish(billing.invoices.draft_from_charges(guest, [stranded]), notify=True)
    billing.invoices.void(held)
    billing.deliver(biller=park)  # the notice of what is void by now is cancelled
    [cancelled] = billing.messages.find(invoice=held)
    lease = billing.leases.add(
        biller=park, customer=guest, unit=unit, rent=money(620), starts=date(2026, 3, 1), method=InvoiceMethod.MANUAL
    )
    nights = [Item(description="Pitch", unit_price=money(20), quantity=2)]  # type: ignore[arg-type]
    stay = {"arrives": date(2026, 5, 1), "departs": date(2026, 5, 3), "items": nights}
    booking = billing.bookings.add(biller=park, customer=guest, unit="3", **stay)  # type: ignore[arg-type]
    group = billing.groups.add(biller=park, name="Cyclists", organiser=guest)
    member = billing.bookings.add(biller=park, customer=other, unit="4", group=group, **stay)  # type: ignore[arg-type]
    drafts = [
        billing.invoices.draft(biller=park, customer=guest, title=title, amount=money(100)) for title in ("A", "B", "C")
    ]
    issued = [billing.invoices.publish(draft, notify=draft is drafts[1]) for draft in drafts[1:]]
    token = billing.payments.link(issued[0]).rpartition("/")[2]
    payment = billing.payments.record(issued[1], money(60))
    billing.credits.deposit(guest, money(70))
    gateway = gateway_of(billing)
    webhook = gateway.pay(billing.payments.checkout(token))
    pages = [billing.methods.setup(who, kind="card", return_url="https://app.example/") for who in (guest, other)]
    for page in pages:
        gateway.save(page.url)
    method = billing.methods.refresh(pages[0].method)
    more = {
        title: billing.invoices.publish(
            billing.invoices.draft(biller=park, customer=guest, title=title, amount=money(100)), notify=False
        )
        for title in ("charged", "unsure", "owed", "doubtful", "reserved", "closing", "credited")
    }
    with unreachable(gateway, after=True):
        doubtful = billing.payments.charge(more["doubtful"])
    with suppress(NotSent), unreachable(gateway):
        billing.payments.charge(more["reserved"])
    [reserved] = billing.collections.find(invoice=more["reserved"])
    reserved = attrs.evolve(reserved, next_try_at=reserved.made_at)
    with store_of(billing).writing() as tx:
        tx.replace([reserved])
    for title in ("charged", "unsure", "owed"):
        collected = billing.payments.charge(more[title])
    with unreachable(gateway, after=True):
        unsure = billing.payments.refund(more["unsure"], money(5), to="gateway")
    billing.receive("memory", *gateway.reverse(collected.reference or ""))
    [alert] = billing.alerts.find(invoice=more["owed"])
    billing.payments.checkout(billing.payments.link(more["closing"]).rpartition("/")[2])
    billing.payments.record(more["closing"], money(1))
    return Scene(
        biller=park,
        customer=guest,
        other=other,
        unit=unit,
        charge=charge,
        stranded=billing.charges.get(stranded),
        lease=billing.leases.get(lease),
        booking=booking,
        group=group,
        member=member,
        draft=drafts[0],
        open=issued[0],
        paid=issued[1],
        payment=payment,
        message=cancelled,
        token=token,
        webhook=webhook,
        method=method,
        fresh=pages[1].method,
        charged=billing.invoices.get(more["charged"]),
        online=billing.payments.find(invoice=more["charged"])[0],
        owed=billing.invoices.get(more["owed"]),
        alert=alert,
        doubtful=doubtful,
        unsure=unsure,
        reserved=billing.collections.get(reserved),
        credited=more["credited"],
        note=billing.credit_notes.issue(more["credited"], amount=money(30)),
    )


NIGHTS = [Item(description="Pitch", unit_price=money(20))]

# verb -> the arguments of a call that works, once, on a fresh scene
CALLS: Mapping[str, Callable[[Scene], Arguments]] = {
    "run": lambda s: {"biller": s.biller, "on": TODAY},
    "shards": lambda s: {"biller": s.biller, "on": TODAY},
    "run_shard": lambda s: {"shard": Shard(biller=s.biller.id, on=TODAY, leases=(s.biller.id, f"{s.biller.id}~"))},
    "today": lambda s: {"biller": s.biller},
    "remind": lambda s: {"biller": s.biller, "on": TODAY + timedelta(days=60)},
    "deliver": lambda s: {"biller": s.biller},
    "receive": lambda s: {"gateway": "memory", "body": s.webhook[0], "headers": s.webhook[1]},
    "receive_missed": lambda s: {"gateway": "memory", "since": LONG_AGO},
    "collect": lambda s: {"biller": s.biller},
    "recover": lambda s: {"biller": s.biller},
    "reconcile": lambda s: {"gateway": "memory", "since": LONG_AGO, "biller": s.biller},
    "examine": lambda s: {"biller": s.biller},
    "billers.add": lambda s: {"name": "B", "currency": "EUR", "timezone": "UTC", "locale": "en_GB"},
    "billers.all": lambda s: {},
    "billers.edit": lambda s: {"biller": s.biller, "name": "Les Pins bleus"},
    "billers.get": lambda s: {"biller": s.biller},
    "units.add": lambda s: {"biller": s.biller, "number": "99", "resident": s.other},
    "units.assign": lambda s: {"unit": s.unit, "customer": s.other, "biller": s.biller},
    "units.find": lambda s: {"biller": s.biller},
    "customers.add": lambda s: {"biller": s.biller, "name": "Carl"},
    "customers.add_many": lambda s: {"biller": s.biller, "rows": [{"name": "Carl"}, {"name": "Dora"}]},
    "customers.edit": lambda s: {"customer": s.customer, "name": "Alicia"},
    "customers.find": lambda s: {"biller": s.biller},
    "customers.get": lambda s: {"customer": s.customer},
    "customers.statement": lambda s: {"customer": s.customer, "since": date(2026, 1, 1)},
    "customers.statement_pdf": lambda s: {"customer": s.customer, "since": date(2026, 1, 1)},
    "charges.add": lambda s: {"biller": s.biller, "customer": s.customer, "description": "Ice", "amount": money(3)},
    "charges.add_many": lambda s: {"biller": s.biller, "customer": s.customer, "rows": [{"description": "Ice", "amount": money(3)}]},
    "charges.cancel": lambda s: {"charge": s.charge},
    "charges.edit": lambda s: {"charge": s.charge, "amount": money(6)},
    "charges.get": lambda s: {"charge": s.charge},
    "charges.release": lambda s: {"charge": s.stranded},
    "charges.open_for": lambda s: {"customer": s.customer},
    "leases.add": lambda s: {
        "biller": s.biller, "customer": s.customer, "unit": s.unit, "rent": money(500), "starts": date(2026, 6, 1),
    },
    "leases.add_many": lambda s: {
        "biller": s.biller,
        "rows": [{"customer": s.customer, "unit": s.unit, "rent": money(500), "starts": date(2026, 6, 1)}],
    },
    "leases.change_rent": lambda s: {"lease": s.lease, "rent": money(640), "since": date(2026, 4, 1)},
    "leases.edit": lambda s: {"lease": s.lease, "description": "Pitch", "customer": s.other, "unit": s.unit},
    "leases.end": lambda s: {"lease": s.lease, "last_day": date(2026, 9, 30)},
    "leases.find": lambda s: {"biller": s.biller, "customer": s.customer, "unit": s.unit},
    "leases.generate": lambda s: {"lease": s.lease},
    "leases.get": lambda s: {"lease": s.lease},
    "bookings.add": lambda s: {
        "biller": s.biller, "customer": s.customer, "unit": s.unit, "group": s.group,
        "arrives": date(2026, 7, 1), "departs": date(2026, 7, 3), "items": NIGHTS,
    },
    "bookings.find": lambda s: {"biller": s.biller, "group": s.group},
    "bookings.get": lambda s: {"booking": s.booking},
    "groups.add": lambda s: {"biller": s.biller, "name": "Hikers", "organiser": s.customer},
    "groups.find": lambda s: {"biller": s.biller},
    "groups.get": lambda s: {"group": s.group},
    "invoices.delete_draft": lambda s: {"invoice": s.draft},
    "invoices.draft": lambda s: {
        "biller": s.biller, "customer": s.customer, "unit": s.unit, "title": "Stay", "amount": money(50),
    },
    "invoices.draft_booking": lambda s: {"booking": s.booking},
    "invoices.draft_for_units": lambda s: {
        "biller": s.biller, "units": [s.unit], "title": "Water", "amount": money(7),
    },
    "invoices.draft_from_charges": lambda s: {"customer": s.customer, "charges": [s.charge]},
    "invoices.draft_group": lambda s: {"group": s.group, "payers": {s.customer.id: [s.member]}},
    "invoices.edit": lambda s: {"invoice": s.draft, "title": "Long stay"},
    "invoices.find": lambda s: {
        "biller": s.biller, "customer": s.customer, "unit": s.unit, "lease": s.lease, "booking": s.booking,
        "group": s.group,
    },
    "invoices.get": lambda s: {"invoice": s.draft, "biller": s.biller},
    "invoices.outstanding": lambda s: {"biller": s.biller, "customer": s.customer, "lease": s.lease},
    "invoices.pdf": lambda s: {"invoice": s.paid},
    "invoices.sheet": lambda s: {"invoice": s.paid},
    "invoices.preview_publish": lambda s: {"invoice": s.draft},
    "invoices.preview_publish_all": lambda s: {"biller": s.biller},
    "invoices.publish": lambda s: {"invoice": s.draft},
    "invoices.publish_all": lambda s: {"biller": s.biller},
    "invoices.summary": lambda s: {
        "biller": s.biller, "customer": s.customer, "unit": s.unit, "lease": s.lease, "booking": s.booking,
        "group": s.group,
    },
    "invoices.timeline": lambda s: {"record": s.open},
    "invoices.visible_to": lambda s: {"customer": s.customer},
    "invoices.void": lambda s: {"invoice": s.open},
    "payments.charge": lambda s: {"invoice": s.owed, "method": s.method},
    "payments.checkout": lambda s: {"token": s.token},
    "payments.find": lambda s: {"invoice": s.paid},
    "payments.get": lambda s: {"payment": s.payment},
    "payments.link": lambda s: {"invoice": s.paid},
    "payments.page": lambda s: {"token": s.token},
    "payments.receipt": lambda s: {"payment": s.payment},
    "payments.receipt_pdf": lambda s: {"payment": s.payment},
    "payments.revoke_link": lambda s: {"invoice": s.open},
    "payments.record": lambda s: {"invoice": [s.open, s.paid]},
    "payments.refund": lambda s: {"invoice": s.charged, "amount": money(10), "to": "gateway", "payment": s.online},
    "payments.refunds": lambda s: {"invoice": s.paid},
    "payments.reverse": lambda s: {"payment": s.payment},
    "credits.apply": lambda s: {"invoice": s.open, "amount": money(20)},
    "credits.balance": lambda s: {"customer": s.customer},
    "credits.deposit": lambda s: {"customer": s.customer, "amount": money(5)},
    "credits.history": lambda s: {"customer": s.customer},
    "credits.withdraw": lambda s: {"customer": s.customer, "amount": money(5)},
    "credit_notes.find": lambda s: {"biller": s.biller, "invoice": s.credited, "customer": s.customer},
    "credit_notes.get": lambda s: {"note": s.note},
    "credit_notes.issue": lambda s: {"invoice": s.paid, "amount": money(10)},
    "credit_notes.pdf": lambda s: {"note": s.note},
    "credit_notes.propose": lambda s: {"lease": s.lease},
    "credit_notes.sheet": lambda s: {"note": s.note},
    "messages.find": lambda s: {"biller": s.biller, "invoice": s.open},
    "messages.get": lambda s: {"message": s.message},
    "messages.retry": lambda s: {"message": s.message, "to": "alicia@example.com"},
    "methods.find": lambda s: {"biller": s.biller, "customer": s.customer},
    "methods.get": lambda s: {"method": s.method},
    "methods.refresh": lambda s: {"method": s.fresh},
    "methods.revoke": lambda s: {"method": s.method},
    "methods.setup": lambda s: {"customer": s.customer, "kind": "card", "return_url": "https://app.example/"},
    "collections.cancel": lambda s: {"collection": s.reserved},
    "collections.find": lambda s: {"biller": s.biller, "invoice": s.charged, "customer": s.customer},
    "collections.get": lambda s: {"collection": s.reserved},
    "collections.resolve": lambda s: {"collection": s.doubtful, "outcome": "not_collected", "note": "not there"},
    "payments.resolve_refund": lambda s: {"refund": s.unsure, "outcome": "not_refunded", "note": "not there"},
    "alerts.find": lambda s: {"biller": s.biller, "invoice": s.owed},
    "alerts.get": lambda s: {"alert": s.alert},
    "alerts.resolve": lambda s: {"alert": s.alert, "resolution": "the guest was called"},
}  # fmt: skip

# verb with key= -> what other data under the same key would be
OTHERWISE: Mapping[str, Callable[[Scene], Arguments]] = {
    "billers.add": lambda s: {"timezone": "Europe/London"},
    "methods.setup": lambda s: {"kind": "direct_debit"},
    "units.add": lambda s: {"resident": None},
    "customers.add": lambda s: {"email": "carl@example.com"},
    "customers.add_many": lambda s: {"rows": [{"name": "Carl"}]},
    "charges.add": lambda s: {"amount": money("3.01")},
    "charges.add_many": lambda s: {"rows": [{"description": "Ice", "amount": money(4)}]},
    "leases.add": lambda s: {"ends": date(2026, 8, 31)},
    "leases.add_many": lambda s: {
        "rows": [{"customer": s.other, "unit": s.unit, "rent": money(500), "starts": date(2026, 6, 1)}]
    },
    "leases.change_rent": lambda s: {"since": date(2026, 5, 1)},
    "leases.generate": lambda s: {"period": 1},
    "bookings.add": lambda s: {"group": None},
    "groups.add": lambda s: {"organiser": s.other},
    "invoices.draft": lambda s: {"due": TODAY + timedelta(days=3)},
    "invoices.draft_booking": lambda s: {"booking": s.member},
    "invoices.draft_for_units": lambda s: {"amount": money(8)},
    "invoices.draft_from_charges": lambda s: {"charges": None},
    "invoices.draft_group": lambda s: {"payers": None},
    "invoices.publish": lambda s: {"notify": True},
    "invoices.void": lambda s: {"release_charges": True},
    "payments.charge": lambda s: {"method": None},
    "payments.record": lambda s: {"amount": money(1)},
    "payments.refund": lambda s: {"amount": money(11)},
    "payments.reverse": lambda s: {"reason": "bounced"},
    "credits.apply": lambda s: {"amount": money(21)},
    "credit_notes.issue": lambda s: {"reason": "a mistake"},
    "credits.deposit": lambda s: {"note": "again"},
    "credits.withdraw": lambda s: {"amount": money(6)},
}
