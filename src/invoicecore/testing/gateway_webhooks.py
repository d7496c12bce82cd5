"""The gateways' contract, part J: webhooks are verified before anything of them is read, and never lost in each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import attrs
import pytest

from invoicecore.errors import WebhookRejected
from invoicecore.ports import About, Capability, Notice, PaymentGateway
from invoicecore.testing.gateway_bench import Delivery
from invoicecore.testing.gateway_items import ItemsContract, item
from invoicecore.testing.gateway_scene import EMAIL, NAME, Scene, Unclaimed, currency_of, lower, money, zoned

Forgery = Callable[[Scene, Delivery], tuple[bytes, Mapping[str, str]]]
"""A webhook that is wrong, made of a good one."""

KINDS: Final = ("type", "kind", "action", "resource_type", "event_type")
"""What providers call the kind of an event."""


def _flipped(scene: Scene, good: Delivery) -> tuple[bytes, Mapping[str, str]]:
    middle = len(good.body) // 2
    return good.body[:middle] + bytes([good.body[middle] ^ 1]) + good.body[middle + 1 :], good.headers


def _header(value: object) -> Forgery:
    def forge(scene: Scene, good: Delivery) -> tuple[bytes, Mapping[str, str]]:
        names = {name.lower() for name in scene.bench.sign(good.body)}
        return good.body, {name: value if name.lower() in names else told for name, told in good.headers.items()}  # type: ignore[misc]  # a list of values is none of our types, and is sent

    return forge


def _unsigned(scene: Scene, good: Delivery) -> tuple[bytes, Mapping[str, str]]:
    names = {name.lower() for name in scene.bench.sign(good.body)}
    return good.body, {name: value for name, value in good.headers.items() if name.lower() not in names}


def _cut(scene: Scene, good: Delivery) -> tuple[bytes, Mapping[str, str]]:
    return good.body, {name: value[:-1] for name, value in scene.bench.sign(good.body).items()}


FORGED: Final[dict[str, Forgery]] = {
    "a flipped bit": _flipped,
    "the same JSON in other words": lambda scene, good: (
        json.dumps(json.loads(good.body), indent=3).encode(),
        good.headers,
    ),
    "a space at the end": lambda scene, good: (good.body + b" ", good.headers),
    "nothing": lambda scene, good: (b"", good.headers),
    "no headers": lambda scene, good: (good.body, {}),
    "no signature": _unsigned,
    "an empty signature": _header(""),
    "a signature that is no ASCII": _header("é☃"),
    "a signature that is no text": _header(["a", "b"]),
    "a signature that is a number": _header("0"),
    "a signature cut short": _cut,
    "another's secret": lambda scene, good: (good.body, scene.bench.sign(good.body, secret="another's secret")),
    "the signature of another body": lambda scene, good: (good.body, scene.bench.sign(b"{}")),
    "an attacker's nonsense": lambda scene, good: (b"\xff{", scene.bench.sign(b"\xff{", secret="another's secret")),
}
"""Webhooks that the provider did not sign."""

UNREADABLE: Final = {
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "no JSON": b"<html>502</html>",
    "nothing": b"",
    "half of it": b'{"events": [{"id": "ev',
    "a list": b"[]",
    "a list of lists": b"[[1]]",
    "a number": b"7",
    "a text": b'"events"',
    "null": b"null",
    "no events": b'{"nothing": true}',
    "too deep": b"[" * 100_000,
    "too long": b"[" + b" " * 9_000_000,
}
"""Bodies that the provider signed and that say nothing."""


class WebhooksContract(ItemsContract):
    """Webhooks."""

    def batched(self, bodies: Sequence[bytes]) -> bytes:
        """One body with the events of several; override it where the provider's are no JSON object with one list."""
        whole = json.loads(bodies[0])
        [name] = [name for name, value in whole.items() if isinstance(value, list)]
        return json.dumps({**whole, name: [event for body in bodies for event in json.loads(body)[name]]}).encode()

    def with_nonsense(self, body: bytes) -> bytes:
        """The same body with events that cannot be read among the others; override it with `batched`."""
        whole = json.loads(body)
        [name] = [name for name, value in whole.items() if isinstance(value, list)]
        good = whole[name]
        return json.dumps({**whole, name: [None, *good[:1], {}, 7, {"id": None}, *good[1:], "x"]}).encode()

    def of_unknown_kind(self, body: bytes) -> bytes:
        """The same body with events of a kind that nobody knows; override it where a kind has another name."""
        whole = json.loads(body)
        lists = [value for value in whole.values() if isinstance(value, list)]
        for event in [whole, *(event for each in lists for event in each)]:
            event.update({name: "astonishing" for name in KINDS if isinstance(event.get(name), str)})
        return json.dumps(whole).encode()

    @item(57, 65)
    def test_what_the_provider_signed_is_believed_without_asking_it(self, scene: Scene) -> None:
        delivery = told_of_a_payment(scene)
        with scene.untouched():
            notices = scene.gateway.notices(delivery.body, lower(delivery.headers))
        assert notices
        for notice in notices:
            assert type(notice) is Notice
            assert notice.id
            assert notice.kind
            assert zoned(notice.happened_at), "an instant without a zone cannot be compared"

    @item(58)
    @pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
    def test_what_the_provider_did_not_sign_is_rejected(self, scene: Scene, forge: Forgery) -> None:
        good = told_of_a_payment(scene)
        body, headers = forge(scene, good)
        assert rejected(scene, scene.gateway, body, lower(headers)).reason in ("missing", "bad", "stale")
        assert scene.gateway.notices(good.body, lower(good.headers)), "the good one is still good"

    @item(58)
    @pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
    def test_what_is_signed_and_says_nothing_is_rejected(self, scene: Scene, body: bytes) -> None:
        scene.needs(Capability.WEBHOOKS)
        error = rejected(scene, scene.gateway, body, lower(scene.bench.sign(body)))
        assert error.reason == "malformed"

    @item(58)
    @pytest.mark.parametrize("secrets", [(), ("",)], ids=["none", "an empty one"])
    def test_without_a_secret_nothing_is_believed(self, scene: Scene, secrets: tuple[str, ...]) -> None:
        good = told_of_a_payment(scene)
        try:
            gateway = scene.bench.gateway(webhook_secrets=secrets)
        except Exception:  # one that cannot be made without a secret is as good
            return
        for headers in (good.headers, scene.bench.sign(good.body, secret="")):
            rejected(scene, gateway, good.body, lower(headers))
        gateway.close()

    @item(58)
    def test_no_error_of_it_shows_a_secret(self, scene: Scene) -> None:
        good = told_of_a_payment(scene)
        error = rejected(scene, scene.gateway, good.body + b" ", lower(good.headers))
        assert not scene.leaked(error)

    @item(59)
    @pytest.mark.parametrize("away", [timedelta(hours=-1), timedelta(days=-400), timedelta(hours=1)], ids=str)
    def test_what_was_signed_at_another_time_is_rejected(self, scene: Scene, away: timedelta) -> None:
        good = told_of_a_payment(scene)
        if not scene.gateway.info.signed_timestamp:
            raise Unclaimed("signatures with their time")
        headers = scene.bench.sign(good.body, at=scene.bench.now() + away)
        assert rejected(scene, scene.gateway, good.body, lower(headers)).reason == "stale"

    @item(60)
    def test_two_secrets_are_good_while_one_replaces_the_other(self, scene: Scene) -> None:
        good = told_of_a_payment(scene)
        gateway = scene.bench.gateway(webhook_secrets=["the-secret-before", "the-secret-after"])
        for secret in ("the-secret-before", "the-secret-after"):
            assert gateway.notices(good.body, lower(scene.bench.sign(good.body, secret=secret)))
        rejected(scene, gateway, good.body, lower(scene.bench.sign(good.body, secret="a-secret-of-old")))
        gateway.close()

    @item(61)
    def test_many_events_in_one_webhook_are_as_many_notices_in_order(self, scene: Scene) -> None:
        bodies, singly = some_events(scene)
        if scene.gateway.info.most_events == 1:
            raise Unclaimed("several events in a webhook")
        body = self.batched(bodies)
        together = scene.gateway.notices(*signed(scene, body))
        assert list(together) == singly
        assert len({notice.id for notice in together}) == len(together) > 1
        body = self.with_nonsense(body)
        assert [each for each in scene.gateway.notices(*signed(scene, body)) if each in singly] == singly

    @item(62)
    def test_the_same_webhook_again_is_the_same_notices(self, scene: Scene) -> None:
        bodies, singly = some_events(scene)
        again = [notice for body in bodies for notice in scene.gateway.notices(*signed(scene, body))]
        assert again == singly
        assert len({notice.id for notice in singly}) == len(singly), "each event has an id of its own"

    @item(63)
    def test_a_kind_of_event_that_nobody_knows_is_about_nothing(self, scene: Scene) -> None:
        body = self.of_unknown_kind(told_of_a_payment(scene).body)
        notices = scene.gateway.notices(*signed(scene, body))
        assert {notice.about for notice in notices} <= {About.NOTHING}

    @item(64)
    def test_what_was_not_made_by_us_is_told_without_a_key(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHARGE, Capability.WEBHOOKS)
        method, _ = scene.bench.saved(spec.kind, currency_of(spec))
        scene.notices()
        scene.bench.revoke(method)
        told = [notice for notice in scene.notices() if notice.about is About.METHOD and notice.reference == method]
        assert told
        assert {notice.key for notice in told} == {None}

    @item(67)
    def test_no_notice_names_a_person(self, scene: Scene) -> None:
        told_of_a_payment(scene)
        if scene.gateway.info.can(Capability.SETUP):
            [spec, *_] = scene.needs(Capability.SETUP)
            page = scene.gateway.setup(scene.setup(spec.kind, currency_of(spec)), scene.key())
            scene.bench.save(page.url)
        if scene.gateway.info.can(Capability.CHECKOUT):
            [spec, *_] = scene.needs(Capability.CHECKOUT)
            scene.bench.pay(scene.gateway.checkout(scene.checkout(money(spec, 5120)), scene.key()).url)
        shown = repr(scene.notices())
        assert EMAIL not in shown
        assert NAME not in shown
        assert {field.name for field in attrs.fields(Notice)} == set(
            "id kind about reference key live happened_at".split()
        )


def told_of_a_payment(scene: Scene) -> Delivery:
    """A webhook about a payment."""
    [spec, *_] = scene.needs(Capability.WEBHOOKS)
    scene.bench.deliveries()
    scene.paid(spec)
    deliveries = scene.bench.deliveries()
    for delivery in deliveries:
        if {About.PAYMENT} & {each.about for each in scene.gateway.notices(delivery.body, lower(delivery.headers))}:
            return delivery
    raise AssertionError(f"none of {len(deliveries)} webhooks is about a payment")


def some_events(scene: Scene) -> tuple[list[bytes], list[Notice]]:
    """The bodies of some webhooks, and their notices."""
    told_of_a_payment(scene)
    [spec, *_] = scene.needs(Capability.WEBHOOKS)
    for _ in range(3):
        scene.paid(spec)
    told = scene.told()
    return [delivery.body for delivery, _ in told], [notice for _, notices in told for notice in notices]


def signed(scene: Scene, body: bytes) -> tuple[bytes, dict[str, str]]:
    """A body, and the headers that sign it."""
    return body, lower(scene.bench.sign(body))


def rejected(scene: Scene, gateway: PaymentGateway, body: bytes, headers: Mapping[str, str]) -> WebhookRejected:
    """The error of a webhook that has to be rejected, without asking the provider."""
    with scene.untouched(), pytest.raises(WebhookRejected) as raised:
        gateway.notices(body, headers)
    return raised.value
