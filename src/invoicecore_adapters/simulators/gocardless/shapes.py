"""What each request may say: GoCardless's own keys, which of them it needs, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from invoicecore_adapters.simulators.gocardless.refusals import Json, invalid, misused

Shape = Mapping[str, Any]
"""Key → how it is read: a word below, with "!" when it is needed, or a Shape of its own."""

_ADDRESS: Final = dict.fromkeys(
    ("address_line1", "address_line2", "address_line3", "city", "country_code", "postal_code", "region"), "text"
)
PERSON: Final[Shape] = {
    **_ADDRESS,
    **dict.fromkeys(("company_name", "email", "family_name", "given_name", "language", "phone_number"), "text"),
    "danish_identity_number": "text",
    "swedish_identity_number": "text",
}
_BANK: Final[Shape] = {
    **dict.fromkeys(
        ("account_number", "account_type", "bank_code", "branch_code", "country_code", "currency", "iban", "pay_id"),
        "text",
    ),
    "account_holder_name": "text!",
    "metadata": "metadata",
}
CUSTOMER: Final[Shape] = {**PERSON, "metadata": "metadata"}
CUSTOMER_DETAILS: Final[Shape] = {
    "customer": CUSTOMER,
    "customer_billing_detail": {
        **_ADDRESS,
        "ip_address": "text",
        "danish_identity_number": "text",
        "swedish_identity_number": "text",
    },
}
BANK_ACCOUNT: Final[Shape] = _BANK
BILLING_REQUEST: Final[Shape] = {
    "fallback_enabled": "flag",
    "links": {"creditor": "text", "customer": "text", "customer_bank_account": "text"},
    "mandate_request": {
        "authorisation_source": "text",
        "constraints": "any",
        "currency": "text",
        "description": "text",
        "funds_settlement": "text",
        "metadata": "metadata",
        "payer_requested_dual_signature": "flag",
        "reference": "text",
        "scheme": "text",
        "sweeping": "flag",
        "verify": "text",
    },
    "metadata": "metadata",
    "payment_context_code": "text",
    "payment_purpose_code": "text",
    "payment_request": {
        "amount": "amount!",
        "app_fee": "whole",
        "currency": "text!",
        "description": "text!",
        "funds_settlement": "text",
        "metadata": "metadata",
        "reference": "text",
        "retry_if_possible": "flag",
        "scheme": "text",
    },
    "purpose_code": "text",
}
FLAGS: Final = (
    "auto_fulfil",
    "customer_details_captured",
    "lock_bank_account",
    "lock_currency",
    "lock_customer_details",
    "show_redirect_buttons",
    "show_success_redirect_button",
    "skip_success_screen",
)
"""What a flow is asked to do or not."""

FLOW: Final[Shape] = {
    **dict.fromkeys(FLAGS, "flag"),
    "exit_uri": "text",
    "language": "text",
    "links": {"billing_request": "text!"},
    "prefilled_bank_account": {"account_type": "text"},
    "prefilled_customer": PERSON,
    "redirect_uri": "text",
}
PAYMENT: Final[Shape] = {
    "amount": "amount!",
    "app_fee": "whole",
    "charge_date": "day",
    "currency": "text!",
    "description": "text",
    "faster_ach": "flag",
    "links": {"mandate": "text!"},
    "metadata": "metadata",
    "psu_interaction_type": "text",
    "reference": "text",
    "retry_if_possible": "flag",
}
REFUND: Final[Shape] = {
    "amount": "amount!",
    "links": {"payment": "text", "mandate": "text"},
    "metadata": "metadata",
    "reference": "text",
    "total_amount_confirmation": "whole",
}
METADATA_ONLY: Final[Shape] = {"metadata": "metadata"}
PAYMENT_UPDATE: Final[Shape] = {"metadata": "metadata", "retry_if_possible": "flag"}
PAYER_DETAILS: Final[Shape] = {"metadata": "metadata", "payer_requested_dual_signature": "flag"}
SCENARIO: Final[Shape] = {"links": {"resource": "text!"}}
NOTHING: Final[Shape] = {}


def read(body: object, envelope: str, shape: Shape, resource: str) -> Json:
    """The fields inside a body's envelope, each as its shape says; Refusal for what GoCardless would not take.

    `resource` is what request pointers begin with. An amount may be a whole number or a text of digits, as GoCardless's
    own libraries differ; a float never is one.
    """
    if not isinstance(body, dict):
        raise misused(400, "invalid_document_structure", "Root element must be an object.")
    if not body and not _needs(shape):
        return {}
    if set(body) != {envelope} or not isinstance(body[envelope], dict):
        raise misused(400, "invalid_document_structure", f"The root element must have one object, '{envelope}'.")
    faults: dict[str, str] = {}
    fields = _fields(body[envelope], shape, "", faults)
    if faults:
        raise invalid(resource, faults)
    return fields


def _needs(shape: Shape) -> bool:
    """Whether something must be given: what is inside an optional part only if the part is, except for links."""
    return any(
        name == "links" and _needs(kind) if isinstance(kind, Mapping) else kind.endswith("!")
        for name, kind in shape.items()
    )


def _fields(given: Json, shape: Shape, path: str, faults: dict[str, str]) -> Json:
    unknown = sorted(set(given) - set(shape))
    if unknown:
        raise misused(
            400, "invalid_document_structure", f"Unknown parameters: {', '.join(path + each for each in unknown)}"
        )
    found: Json = {}
    for name, kind in shape.items():
        value, at = given.get(name), path + name
        if isinstance(kind, Mapping):
            if value is None and not (name == "links" and _needs(kind)):
                continue
            if value is not None and not isinstance(value, dict):
                faults[at] = "must be an object"
                continue
            found[name] = _fields(value or {}, kind, at + "/", faults)
        elif value is None:
            if kind.endswith("!"):
                faults[at] = "can't be blank"
        else:
            found[name] = _value(value, kind.rstrip("!"), at, faults)
            if kind == "text!" and not str(found[name] or "").strip():
                faults[at] = "can't be blank"
    return found


def _value(value: object, kind: str, at: str, faults: dict[str, str]) -> object:
    if kind in ("amount", "whole"):
        return _whole(value, kind, at, faults)
    if kind == "metadata":
        return _metadata(value, at, faults)
    if kind == "flag" and not isinstance(value, bool):
        faults[at] = "must be true or false"
    elif kind == "text" and not isinstance(value, str):
        faults[at] = "must be a string"
    elif kind == "day" and not _is_day(value):
        faults[at] = "is not a valid date"
    return value


def _whole(value: object, kind: str, at: str, faults: dict[str, str]) -> int:
    if isinstance(value, str) and re.fullmatch(r"\d{1,12}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        faults[at] = "must be a number"
        return 0
    if value < 0 or (kind == "amount" and value == 0):
        faults[at] = "must be greater than 0"
    return value


def _metadata(value: object, at: str, faults: dict[str, str]) -> Json:
    if not isinstance(value, dict):
        faults[at] = "must be an object"
        return {}
    if len(value) > 3:
        faults[at] = "cannot have more than 3 keys"
    for name, text in value.items():
        if len(name) > 50:
            faults[f"{at}/{name}"] = "key is too long (maximum is 50 characters)"
        elif not isinstance(text, str):
            faults[f"{at}/{name}"] = "must be a string"
        elif len(text) > 500:
            faults[f"{at}/{name}"] = "is too long (maximum is 500 characters)"
    return dict(value)


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False
