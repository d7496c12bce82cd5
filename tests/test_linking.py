"""Links to pay by: stable, unguessable, telling nothing of another; the page, the checkout and the webhook (R12, T2, D6)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from desks import BASE, all_of, everything, fly, gateway_of, money, resent, store_of, wired
from invoicecore import Billing, Plugins, hookimpl
from invoicecore.alerts import AlertKind
from invoicecore.billing.linking import PayState
from invoicecore.errors import (
    Conflict,
    InvalidValue,
    NotAllowed,
    NotFound,
    NotWired,
    PaymentsOff,
    PluginError,
    WebhookRejected,
)
from invoicecore.invoices import Invoice
from invoicecore.messages import MessageKind
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment
from invoicecore.ports import PayLink
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway

TODAY = date(2026, 3, 2)


@pytest.fixture
def gateway(billing: Billing) -> MemoryGateway:
    return gateway_of(billing)


@pytest.fixture
def invoice(billing: Billing, park: Biller, guest: Customer) -> Invoice:
    return issued(billing, park, guest)


def issued(billing: Billing, biller: Biller, who: Customer | None, amount: str = "100", **given: Any) -> Invoice:
    draft = billing.invoices.draft(
        biller=biller, customer=who, title="Stay", amount=money(amount, biller.currency), **given
    )
    return billing.invoices.publish(draft, notify=False)


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


# --- the link ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R12", "T2")
def test_the_link_of_an_invoice_is_the_same_each_time_until_it_is_revoked(
    billing: Billing, clock: FixedClock, invoice: Invoice
) -> None:
    url = billing.payments.link(invoice)
    assert url.startswith(f"{BASE}/pay/")
    clock.advance(timedelta(days=400))
    billing.payments.record(invoice, money(10))
    assert billing.payments.link(invoice.id) == url
    assert billing.payments.revoke_link(invoice) == 1
    assert billing.payments.page(token_of(url)) is None
    another = billing.payments.link(invoice)
    assert another != url
    assert billing.payments.page(token_of(url)) is None
    assert billing.payments.page(token_of(another)) is not None
    assert billing.payments.revoke_link(invoice) == 1
    assert billing.payments.revoke_link(invoice) == 0
    links = all_of(store_of(billing), billing.billers.get(invoice.biller), PayLink)
    assert [link.revoked_at is not None for link in links] == [True, True]


@pytest.mark.rule("T2")
def test_no_token_can_be_guessed_from_another_or_from_the_invoice(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    tokens = set()
    for _ in range(50):
        made = issued(billing, park, guest)
        token = token_of(billing.payments.link(made))
        assert len(token) >= 32, "192 bits, in a URL's letters"
        assert token.replace("-", "").replace("_", "").isalnum()
        assert token.isascii()
        assert not any(part in token for part in (made.id, park.id, made.number or "-", guest.id))
        tokens.add(token)
    assert len(tokens) == 50
    assert len({token[:6] for token in tokens}) > 45, "no common beginning"


@pytest.mark.rule("R12", "C6", "R1")
@pytest.mark.parametrize("case", ["draft", "void", "payments off", "no pages", "unknown"])
def test_a_link_that_cannot_be_is_refused_and_nothing_is_written(
    billing: Billing, park: Biller, guest: Customer, invoice: Invoice, case: str
) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="D", amount=money(1))
    asked: Any = {"draft": draft, "unknown": f"{park.id}_inv_never"}.get(case, invoice)
    error: type[Exception] = NotAllowed
    desk = billing
    if case == "void":
        billing.invoices.void(invoice)
    elif case == "payments off":
        billing.billers.edit(park, payments=False)
        error = PaymentsOff
    elif case == "no pages":
        desk, error = wired(billing, base_url=None), NotWired
    elif case == "unknown":
        error = NotFound
    before = everything(store_of(billing), park)
    with pytest.raises(error):
        desk.payments.link(asked)
    assert everything(store_of(billing), park) == before


@pytest.mark.parametrize(
    "base",
    ["", "pay.example.com", "ftp://x.example", "https://", "https://x.example?a=1", "https://x.example/#a",
     "https://u:p@x.example", "https://x.example/a b", "https://é.example", "https://x.example\n", 5],
)  # fmt: skip
def test_a_base_url_that_is_none_is_refused_at_once(billing: Billing, base: Any) -> None:
    with pytest.raises(InvalidValue, match="base_url"):
        wired(billing, base_url=base)


def test_a_base_url_may_have_a_path_and_an_end(billing: Billing, invoice: Invoice) -> None:
    url = wired(billing, base_url="https://x.example/app/").payments.link(invoice)
    assert url.startswith("https://x.example/app/pay/")


@pytest.mark.rule("R12")
def test_whoever_makes_the_link_at_once_makes_one(billing: Billing, park: Biller, invoice: Invoice) -> None:
    start = threading.Barrier(6)

    def link(n: int) -> str:
        start.wait()
        if n % 2:
            return billing.payments.link(invoice)
        sheet = billing.invoices.sheet(invoice)
        assert sheet.pay is not None
        return sheet.pay.url or ""

    with ThreadPoolExecutor(6) as pool:
        urls = set(pool.map(link, range(6)))
    assert len(urls) == 1
    assert len(all_of(store_of(billing), park, PayLink)) == 1


# --- the page ---------------------------------------------------------------------------------------------------------

STATES: dict[PayState, Callable[[Billing, Invoice], object]] = {
    PayState.PAYABLE: lambda b, i: b.payments.record(i, money(10)),
    PayState.IN_FLIGHT: lambda b, i: fly(b, i, money(100)),
    PayState.OFF: lambda b, i: b.billers.edit(i.biller, payments=False),
    PayState.PAID: lambda b, i: b.payments.record(i),
    PayState.REFUNDED: lambda b, i: (b.payments.record(i), b.payments.refund(i)),
    PayState.VOID: lambda b, i: b.invoices.void(i),
}


@pytest.mark.rule("R12", "T2", "R1")
@pytest.mark.parametrize("state", list(PayState))
def test_the_page_says_where_its_one_invoice_stands(
    billing: Billing, park: Biller, gateway: MemoryGateway, invoice: Invoice, state: PayState
) -> None:
    token = token_of(billing.payments.link(invoice))
    STATES[state](billing, invoice)
    page = billing.payments.page(token)
    assert page is not None
    assert (page.state, page.invoice, page.biller.id, page.locale) == (
        state, billing.invoices.get(invoice), park.id, "fr_FR",
    )  # fmt: skip
    if state is PayState.PAYABLE:
        url = billing.payments.checkout(token)
        [wanted] = gateway.checkouts.values()
        assert url
        assert (wanted.amount, wanted.reference) == (money(90), "INV-000001")
        assert (wanted.email, wanted.locale) == ("alice@example.com", "fr_FR")
        assert wanted.success_url.startswith(f"{BASE}/pay/{token}")
        assert wanted.cancel_url == f"{BASE}/pay/{token}"
    else:
        with pytest.raises(PaymentsOff if state is PayState.OFF else NotAllowed) as caught:
            billing.payments.checkout(token)
        assert token not in str(caught.value)
        assert gateway.checkouts == {}


@pytest.mark.rule("R12", "D2")
def test_while_a_part_is_in_flight_nothing_else_is_collected_online(
    billing: Billing, gateway: MemoryGateway, invoice: Invoice
) -> None:
    token = token_of(billing.payments.link(invoice))
    fly(billing, invoice, money(40))
    page = billing.payments.page(token)
    assert page is not None
    assert (page.state, page.invoice.recordable) == (PayState.IN_FLIGHT, money(60))
    with pytest.raises(NotAllowed):
        billing.payments.checkout(token)
    assert gateway.checkouts == {}


@pytest.mark.rule("R12")
def test_the_same_checkout_is_one_operation_and_another_sum_is_another(
    billing: Billing, gateway: MemoryGateway, invoice: Invoice
) -> None:
    token = token_of(billing.payments.link(invoice))
    assert billing.payments.checkout(token) == billing.payments.checkout(token)
    billing.payments.record(invoice, money(10))
    billing.payments.checkout(token)
    assert len(gateway.checkouts) == 2


def test_without_a_gateway_the_way_out_is_named(billing: Billing, invoice: Invoice) -> None:
    token = token_of(billing.payments.link(invoice))
    with pytest.raises(NotWired, match="gateway="):
        wired(billing, gateway=None).payments.checkout(token)


HOSTILE = ["", " ", "\0", "a\0b", "\ud800", "é", "x" * 10_000, "' OR 1=1 --", "../../etc", "%00", "\n", "𝟙" * 32]


@pytest.mark.rule("T2")
@pytest.mark.parametrize("token", HOSTILE, ids=range(len(HOSTILE)))
def test_a_token_that_was_never_given_out_opens_nothing(billing: Billing, invoice: Invoice, token: str) -> None:
    real = token_of(billing.payments.link(invoice))
    for guess in (token, real + token if token else real[:-1], real.swapcase(), invoice.id, invoice.number or ""):
        assert billing.payments.page(guess) is None
        with pytest.raises(NotFound) as caught:
            billing.payments.checkout(guess)
        assert not guess.strip() or guess not in str(caught.value)
    assert billing.payments.page(real) is not None


@pytest.mark.rule("T1", "T2")
def test_another_billers_desk_opens_none_of_its_links(
    billing: Billing, park: Biller, condo: Biller, invoice: Invoice
) -> None:
    token = token_of(billing.payments.link(invoice))
    desk = billing.scoped(condo)
    assert desk.payments.page(token) is None
    for call in (desk.payments.checkout, lambda _: desk.payments.link(invoice), desk.payments.revoke_link):
        with pytest.raises(NotFound):
            call(token if call == desk.payments.checkout else invoice)  # type: ignore[operator]
    assert billing.scoped(park).payments.page(token) is not None


@pytest.mark.rule("T2")
def test_a_page_takes_the_same_reads_whether_or_not_its_link_is_there(billing: Billing, invoice: Invoice) -> None:
    token = token_of(billing.payments.link(invoice))
    counted: list[list[str]] = []

    class Counting:
        def __init__(self, store: Any) -> None:
            self._store = store
            self.writing = store.writing

        def reading(self) -> Any:
            @contextmanager
            def read() -> Any:
                with self._store.reading() as tx:
                    yield Told(tx)

            return read()

    class Told:
        def __init__(self, tx: Any) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            counted[-1].append(name)
            return getattr(self._tx, name)

    desk = wired(billing, store=Counting(store_of(billing)))
    for asked in (token, "x" * 32, "\0"):
        counted.append([])
        desk.payments.page(asked)
    assert counted[0] == counted[1] == counted[2]


# --- the webhook ------------------------------------------------------------------------------------------------------


def paid_online(billing: Billing, gateway: MemoryGateway, invoice: Invoice) -> tuple[bytes, dict[str, str]]:
    return gateway.pay(billing.payments.checkout(token_of(billing.payments.link(invoice))))


@pytest.mark.rule("D6", "N3", "R12")
def test_money_a_gateway_tells_of_is_recorded_once_however_often_it_is_told(
    billing: Billing, clock: FixedClock, park: Biller, gateway: MemoryGateway, invoice: Invoice
) -> None:
    body, headers = paid_online(billing, gateway, invoice)
    [first] = billing.receive("memory", body, headers)
    for _ in range(3):
        clock.advance(timedelta(hours=12))
        body, headers = resent(gateway, body)
        [again] = billing.receive("memory", body, {name.upper(): value for name, value in headers.items()})
        assert (again.event, again.state) == (first.event, "repeated")
    [payment] = all_of(store_of(billing), park, Payment)
    assert (first.state, first.payment, first.invoice, first.why) == ("applied", payment.id, invoice.id, "")
    assert (payment.amount, payment.method.value, payment.received_on, payment.actor) == (
        money(100), "card", TODAY, "memory",
    )  # fmt: skip
    assert billing.invoices.get(invoice).balance == money(0)


@pytest.mark.rule("D6", "N3")
def test_a_webhook_told_by_many_at_once_is_recorded_once(
    billing: Billing, park: Biller, gateway: MemoryGateway, invoice: Invoice
) -> None:
    body, headers = paid_online(billing, gateway, invoice)
    start = threading.Barrier(5)

    def receive(_: int) -> str:
        start.wait()
        [told] = billing.receive("memory", body, headers)
        return told.state

    with ThreadPoolExecutor(5) as pool:
        states = set(pool.map(receive, range(5)))
    assert {"applied"} <= states <= {"applied", "repeated"}
    assert [payment.amount for payment in all_of(store_of(billing), park, Payment)] == [money(100)]
    assert billing.invoices.get(invoice).settled == money(100)


@pytest.mark.rule("D6", "C8")
@pytest.mark.parametrize(
    "meanwhile, kept",
    [("paid", "100"), ("paid in part", "60"), ("void", "100"), ("refunded", "100")],
)
def test_money_that_is_not_needed_any_more_is_stored_in_full_as_credit(
    billing: Billing,
    clock: FixedClock,
    park: Biller,
    guest: Customer,
    gateway: MemoryGateway,
    invoice: Invoice,
    meanwhile: str,
    kept: str,
) -> None:
    body, headers = paid_online(billing, gateway, invoice)
    if meanwhile == "void":
        billing.invoices.void(invoice)
    else:
        billing.payments.record(invoice, money(60) if meanwhile == "paid in part" else None)
    if meanwhile == "refunded":
        billing.payments.refund(invoice)
    before = len(all_of(store_of(billing), park, Payment))
    [told] = billing.receive("memory", body, headers)
    clock.advance(timedelta(days=1))
    [again] = billing.receive("memory", *resent(gateway, body))
    assert (told.state, again.state) == ("applied", "repeated")
    [alert] = billing.alerts.find(invoice=invoice)
    assert (alert.kind, alert.about, f"{kept}.00 EUR more" in alert.text) == (AlertKind.OVERPAID, told.payment, True)
    assert billing.credits.balance(guest) == money(kept)
    assert len(all_of(store_of(billing), park, Payment)) == before + 1
    payment = billing.payments.get(told.payment or "")
    assert (payment.amount, payment.credited) == (money(100), money(kept))
    statement = billing.customers.statement(guest, since=TODAY)
    assert statement.closing == billing.invoices.outstanding(customer=guest) - billing.credits.balance(guest)
    assert billing.payments.receipt(payment).figures
    billing.payments.refund(invoice, to="gateway", payment=payment)
    assert billing.credits.balance(guest) == money(0)
    statement = billing.customers.statement(guest, since=TODAY)
    assert statement.closing == billing.invoices.outstanding(customer=guest)


@pytest.mark.rule("D6")
def test_money_beyond_what_is_owed_that_nobody_can_have_as_credit_is_held_on_the_invoice(
    billing: Billing, condo: Biller, gateway: MemoryGateway
) -> None:
    billing.units.add(biller=condo, number="9")
    draft = billing.invoices.draft(biller=condo, unit="9", title="T", amount=money(5, "CAD"))
    nobodys = billing.invoices.publish(draft)
    body, headers = paid_online(billing, gateway, nobodys)
    billing.payments.record(nobodys)
    [told] = billing.receive("memory", body, headers)
    assert billing.payments.get(told.payment or "").credited == money(0, "CAD")
    assert billing.invoices.get(nobodys).facts.held == money(10, "CAD")
    [alert] = billing.alerts.find(invoice=nobodys)
    assert (alert.kind, "held on the invoice" in alert.text) == (AlertKind.OVERPAID, True)


OTHER_MONEY = [
    # what the provider holds, what is recorded, what of it is credit, and what a person is told
    ({"amount": 700}, "7", "0", {AlertKind.MISMATCH}),
    ({"amount": 15_000}, "150", "50", {AlertKind.MISMATCH, AlertKind.OVERPAID}),
    ({"currency": "USD"}, None, "0", {AlertKind.MISMATCH}),
]


@pytest.mark.rule("D6", "M8")
@pytest.mark.parametrize("other, recorded, credit, told", OTHER_MONEY, ids=["less", "more", "another currency"])
def test_other_money_than_was_asked_for_is_recorded_as_it_is_and_a_person_told(
    billing: Billing, park: Biller, guest: Customer, gateway: MemoryGateway, invoice: Invoice,
    other: dict[str, object], recorded: str | None, credit: str, told: set[AlertKind],
) -> None:  # fmt: skip
    url = billing.payments.checkout(token_of(billing.payments.link(invoice)))
    gateway.provider._things[token_of(url)] |= other
    [received] = billing.receive("memory", *gateway.pay(url))
    assert received.state == "applied"
    amounts = [payment.amount for payment in all_of(store_of(billing), park, Payment)]
    assert amounts == ([money(recorded)] if recorded is not None else [])
    assert billing.credits.balance(guest) == money(credit)
    assert {alert.kind for alert in billing.alerts.find(invoice=invoice)} == told


@pytest.mark.rule("D6")
@pytest.mark.parametrize("key", [None, "", "x", "nobody000000_col_1", "{park}_col_x"])
def test_a_payment_that_is_not_of_ours_is_left_alone(
    billing: Billing, park: Biller, gateway: MemoryGateway, invoice: Invoice, key: str | None
) -> None:
    url = billing.payments.checkout(token_of(billing.payments.link(invoice)))
    gateway.provider._things[token_of(url)]["key"] = key and key.format(park=park.id)
    [told] = billing.receive("memory", *gateway.pay(url))
    assert (told.state, told.payment, bool(told.why)) == ("ignored", None, True)
    assert all_of(store_of(billing), park, Payment) == []
    # What stands under a key of ours and is not here: a backup was restored, or another copy collects.
    ours = key is not None and key.startswith("{park}")
    assert [alert.kind for alert in billing.alerts.find(biller=park)] == [AlertKind.DOUBTFUL] * ours


@pytest.mark.rule("D6")
def test_a_webhook_that_is_not_the_gateways_own_writes_nothing(
    billing: Billing, clock: FixedClock, park: Biller, gateway: MemoryGateway, invoice: Invoice
) -> None:
    body, headers = paid_online(billing, gateway, invoice)
    before = everything(store_of(billing), park)
    for signature, reason in (("", "missing"), ("é", "bad"), ("0" * 64, "bad"), (f"t=1,v1={'0' * 64}", "bad")):
        with pytest.raises(WebhookRejected) as caught:
            billing.receive("memory", body, {"memory-signature": signature} if signature else {})
        assert (caught.value.gateway, caught.value.reason) == ("memory", reason)
    with pytest.raises(WebhookRejected, match="bad"):
        billing.receive("memory", body + b" ", headers)
    clock.advance(timedelta(minutes=6))
    with pytest.raises(WebhookRejected, match="stale"):
        billing.receive("memory", body, headers)
    with pytest.raises(NotFound):
        billing.receive("another", body, headers)
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("D6", "R18")
def test_a_fault_of_ours_is_raised_so_that_the_gateway_tells_it_again(
    billing: Billing, park: Biller, gateway: MemoryGateway, invoice: Invoice
) -> None:
    class Broken:
        plugin_name = "broken"

        @hookimpl
        def authorise(self) -> str | None:
            raise RuntimeError("the directory is down")

    class Contended:
        """A store in which somebody else always writes first."""

        def __init__(self, store: Any) -> None:
            self._store, self.reading = store, store.reading

        @contextmanager
        def writing(self, **how: Any) -> Any:
            with self._store.writing(**how) as tx:
                yield tx
                raise Conflict("the key", "it is taken")

    body, headers = paid_online(billing, gateway, invoice)
    for desk, error in (
        (wired(billing, gateway=gateway, plugins=Plugins.of(Broken())), PluginError),
        (wired(billing, gateway=gateway, store=Contended(store_of(billing))), Conflict),
    ):
        with pytest.raises(error):
            desk.receive("memory", body, headers)
        assert all_of(store_of(billing), park, Payment) == []
    [told] = billing.receive("memory", body, headers)
    assert told.state == "applied"


@pytest.mark.rule("T1", "D6")
def test_under_a_scope_no_other_billers_money_is_recorded(
    billing: Billing, park: Biller, condo: Biller, gateway: MemoryGateway, invoice: Invoice
) -> None:
    body, headers = paid_online(billing, gateway, invoice)
    with pytest.raises(NotFound):  # so that the provider tells it again
        billing.scoped(condo).receive("memory", body, headers)
    assert all_of(store_of(billing), park, Payment) == []
    [told] = billing.scoped(park).receive("memory", body, headers)
    assert told.state == "applied"


@pytest.mark.rule("C7", "R12")
def test_who_paid_online_gets_a_receipt_where_the_policy_says_so(
    billing: Billing, park: Biller, gateway: MemoryGateway, invoice: Invoice
) -> None:
    billing.billers.edit(park, policy={"notify_on_payment": True})
    billing.receive("memory", *paid_online(billing, gateway, invoice))
    assert [message.kind for message in billing.messages.find(invoice=invoice)] == [MessageKind.RECEIPT]


@pytest.mark.rule("R12")
def test_a_page_without_a_gateway_behind_it_has_no_button(billing: Billing, park: Biller, guest: Customer) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(80))
    link = billing.payments.link(billing.invoices.publish(draft))
    token = link.rpartition("/")[2]
    page = wired(billing, gateway=None).payments.page(token)
    assert page is not None
    assert page.state.value == "off"
