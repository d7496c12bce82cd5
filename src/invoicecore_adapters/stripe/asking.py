"""What is sent: the parameters of each request, made of the port's values before anything leaves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from invoicecore.errors import InvalidRequest, NotSupported
from invoicecore.payments import PaymentMethod
from invoicecore.ports import Charge, Checkout, RefundRequest, Setup
from invoicecore_adapters.stripe.amounts import CURRENCIES, to_provider
from invoicecore_adapters.stripe.declared import DEBITS
from invoicecore_adapters.stripe.reading import KEY, NAME
from invoicecore_adapters.stripe.snapshots import SCHEMES

if TYPE_CHECKING:
    from stripe.params import CustomerCreateParams, PaymentIntentCreateParams, RefundCreateParams
    from stripe.params.checkout import SessionCreateParams

LONGEST: Final = timedelta(hours=24)
"""How long a page may last. That it lasts 30 minutes at least is left to the provider: a request that is repeated
under its key later than that must still find its page."""

_LOCALES: Final = frozenset(
    """bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hi-IN hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru
    sk sl sv th tr vi zh zh-HK zh-TW""".split()
)
_MOST_TEXT: Final = 250

_TYPES: Final = {scheme: type for type, scheme in SCHEMES.items()}


def checkout_params(wanted: Checkout, key: str, now: datetime) -> SessionCreateParams:
    """A page on which one amount is paid once, by whatever the account takes in its currency; InvalidRequest."""
    amount = to_provider(wanted.amount, "checkout")
    code = _taken(wanted.amount.currency.code, CURRENCIES, "checkout")
    if wanted.expires_at > now + LONGEST:
        raise InvalidRequest(NAME, "checkout", "a page lasts 24 hours at most")
    params: SessionCreateParams = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": code.lower(),
                    "unit_amount": amount,
                    "product_data": {"name": _short(wanted.description) or wanted.reference},
                },
            }
        ],
        "client_reference_id": key,
        "metadata": {KEY: key},
        # Only this reaches the payment and its charges.
        "payment_intent_data": {
            "metadata": {KEY: key},
            "description": _described(wanted.reference, wanted.description),
        },
        "expires_at": int(wanted.expires_at.timestamp()),
        "locale": locale_of(wanted.locale),
        "success_url": wanted.success_url,
        "cancel_url": wanted.cancel_url,
    }
    if wanted.email:
        params["customer_email"] = wanted.email
    return params


def customer_params(wanted: Setup, key: str) -> CustomerCreateParams:
    """The customer that a method is saved for."""
    params: CustomerCreateParams = {"name": wanted.name, "metadata": {KEY: key}}
    if wanted.email:
        params["email"] = wanted.email
    return params


def setup_type(wanted: Setup) -> str:
    """The provider's type of the method to save; InvalidRequest for a currency or a scheme it is not in."""
    code = wanted.currency
    if wanted.kind is PaymentMethod.CARD:
        _taken(code, CURRENCIES, "setup")
        scheme = "card"
    elif wanted.kind is PaymentMethod.DIRECT_DEBIT:
        scheme = DEBITS[_taken(code, frozenset(DEBITS), "setup")]
    else:
        raise InvalidRequest(NAME, "setup", f"a method of the kind {wanted.kind} cannot be saved")
    if wanted.scheme not in (None, scheme):
        raise InvalidRequest(NAME, "setup", f"in {code} the scheme is {scheme}, and no other")
    return _TYPES[scheme]


def setup_params(wanted: Setup, key: str, customer: str) -> SessionCreateParams:
    """A page on which a customer saves a method, to be charged when they are not there."""
    type = setup_type(wanted)
    params: SessionCreateParams = {
        "mode": "setup",
        "customer": customer,
        "currency": wanted.currency.lower(),
        "allowed_payment_method_types": [type],
        "client_reference_id": key,
        "metadata": {KEY: key},
        "setup_intent_data": {"metadata": {KEY: key}},
        "locale": locale_of(wanted.locale),
        "success_url": wanted.return_url,
        "cancel_url": wanted.cancel_url,
    }
    if type == "acss_debit":  # Canada's rules want to know how often, and of whom
        params["payment_method_options"] = {
            "acss_debit": {
                "currency": "cad",
                "mandate_options": {"payment_schedule": "sporadic", "transaction_type": "personal"},
            }
        }
    return params


def charge_params(wanted: Charge, key: str) -> PaymentIntentCreateParams:
    """A charge of a saved method while its owner is not there; InvalidRequest, NotSupported for a day to charge on."""
    if wanted.charge_on is not None:
        raise NotSupported(NAME, "charge", "it charges at once, on no later day")
    amount = to_provider(wanted.amount, "charge")
    params: PaymentIntentCreateParams = {
        "amount": amount,
        "currency": _taken(wanted.amount.currency.code, CURRENCIES, "charge").lower(),
        "payment_method": wanted.method,
        "confirm": True,
        "off_session": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},  # nobody is there to follow one
        "description": _described(wanted.reference, wanted.description),
        "metadata": {KEY: key},
        "expand": ["latest_charge"],
    }
    if wanted.owner is not None:
        params["customer"] = wanted.owner
    return params


def refund_params(wanted: RefundRequest, key: str) -> RefundCreateParams:
    """A refund, without a reason: of those the provider takes, one would block the payer's card."""
    return {
        "payment_intent": wanted.payment,
        "amount": to_provider(wanted.amount, "refund", least=False),
        "metadata": {KEY: key},
    }


def locale_of(locale: str) -> str:
    """The provider's locale for one of ours: "fr_CA" is "fr-CA", "fr_FR" is "fr"; the browser's where it has none."""
    whole = locale.replace("_", "-")
    return next((each for each in (whole, whole.partition("-")[0]) if each in _LOCALES), "auto")


def _taken(code: str, currencies: frozenset[str], operation: str) -> str:
    if code not in currencies:
        raise InvalidRequest(NAME, operation, f"it does not take {code}")
    return code


def _described(reference: str, description: str) -> str:
    return _short(reference if not description else f"{reference}: {description}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_TEXT else f"{line[: _MOST_TEXT - 1]}…"
