"""Who bills whom: billers, units, customers, and the policy a biller bills by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, TypeVar

import attrs

from invoicecore.errors import InvalidValue

E = TypeVar("E", bound=Enum)
T = TypeVar("T")


class InvoiceMethod(StrEnum):
    """How a lease's invoices reach the tenant (S4, S9)."""

    EMAIL_PDF = "email_pdf"
    DIRECT_DEBIT = "direct_debit"
    MANUAL = "manual"


_DECIMAL: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,10})?")


def _decimal(field: str, value: object) -> Decimal | None:
    """A field of LateFee: an exact number above zero with at most ten decimals, or None."""
    if value is None:
        return None
    exact = isinstance(value, (Decimal, int, str)) and not isinstance(value, bool)
    written = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if not exact or not _DECIMAL.fullmatch(written) or Decimal(written) == 0:
        way_out = "write it as Decimal('5.00') or '5.00', with at most ten decimals"
        raise InvalidValue(f"late_fee.{field}", value, "is no exact number above zero", way_out)
    return Decimal(written)


def _amount(value: object) -> Decimal | None:
    return _decimal("amount", value)


def _percent(value: object) -> Decimal | None:
    return _decimal("percent", value)


def _cap(value: object) -> Decimal | None:
    return _decimal("cap", value)


def _steps(value: object) -> tuple[int, ...]:
    steps = tuple(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else (value,)
    wrong = any(type(step) is not int or not -366 <= step <= 3660 for step in steps)
    if wrong or len(set(steps)) != len(steps) or len(steps) > 30:
        raise InvalidValue(
            "policy.reminders", value, "are no different whole days from -366 to 3660", "give such as (-3, 0, 7, 21)"
        )
    return tuple(sorted(steps))


def _retries(value: object) -> tuple[int, ...]:
    days = tuple(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else (value,)
    if any(type(day) is not int or not 1 <= day <= 60 for day in days) or len(days) > 10:
        way_out = "give such as (3, 7), up to ten"
        raise InvalidValue("policy.collection_retries", value, "are no whole days from 1 to 60", way_out)
    return days


def _late_fee(value: object) -> LateFee | None:
    if value is None or isinstance(value, LateFee):
        return value
    if not isinstance(value, Mapping):
        raise InvalidValue("policy.late_fee", value, "is no late fee", "give LateFee(amount=…), its fields, or None")
    known_fields(value, [field.name for field in attrs.fields(LateFee)], "late_fee.")
    return LateFee(**value)


class BillingCycle(StrEnum):
    """Whether a client's open charges are invoiced by the run (C9)."""

    NONE = "none"
    MONTHLY = "monthly"


@attrs.frozen(kw_only=True)
class LateFee:
    """What a late invoice costs beside itself, always on something new and never on the invoice (P3).

    Either `amount`, in the biller's currency, or `percent` of the balance. `after_days` counts from the later of due
    and issue date (S5); `every_days` repeats it, None charges it once; all fees of one invoice stay within `cap`.
    `bill_as` makes it a charge for the customer's next invoice, or an invoice of its own, published at once. Raises
    InvalidValue.
    """

    amount: Decimal | None = attrs.field(default=None, converter=_amount)
    percent: Decimal | None = attrs.field(default=None, converter=_percent)
    after_days: int = 1
    every_days: int | None = None
    cap: Decimal | None = attrs.field(default=None, converter=_cap)
    bill_as: str = "charge"

    def __attrs_post_init__(self) -> None:
        if (self.amount is None) == (self.percent is None):
            given = "neither is there" if self.amount is None else "both are there"
            raise InvalidValue("late_fee", "amount and percent", given, "give one of the two")
        if self.percent is not None and self.percent > 1000:
            raise InvalidValue("late_fee.percent", self.percent, "is above 1000", "give 5 for five per cent")
        for field in ("after_days", *(["every_days"] if self.every_days is not None else [])):
            days = getattr(self, field)
            if type(days) is not int or not 1 <= days <= 3660:
                raise InvalidValue(f"late_fee.{field}", days, "is out of range", "give whole days from 1 to 3660")
        if self.bill_as not in ("charge", "invoice"):
            raise InvalidValue("late_fee.bill_as", self.bill_as, "is not known", "give 'charge' or 'invoice'")


_PRESETS: Final = ("residents", "clients", "stays")


@attrs.frozen(kw_only=True)
class Policy:
    """How one biller bills: plain data, started from a preset and changed field by field (D4, R14, R15, C5, S4, S5).

    Days are whole days; `due_offset_days` counts from the first day of the billed period (-1 = the day before).
    `notify_on_publish=None` follows the draft's own wish (R7). `labels` names a preset's label set,
    `own_labels` replaces it. `reminders` are days from the later of due and issue date, such as (-3, 0, 7, 21); none
    and no `late_fee` by default (P3). `notify_on_payment` e-mails receipts and refunds. `collect_saved` charges a
    customer's saved method when an invoice is due, `collect_late` also late ones of leases by Direct Debit (S7).
    After a collection failed it is tried again after each of `collection_retries` days, such as (3, 7); after the last
    one the customer gets a link to pay by, with `link_on_failure`. `notify_collections` announces debits, and tells of
    those that were taken back. Raises InvalidValue for a value outside its range.
    """

    preset: str = "residents"
    labels: str = "residents"
    own_labels: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None
    run_issues: bool = False
    notify_on_publish: bool | None = None
    void_drafts: bool = True
    delete_drafts: bool = True
    advance_days_email_pdf: int = 7
    advance_days_direct_debit: int = 5
    due_offset_days: int = -1
    terms_days: int = 30
    apply_credit: bool = False
    number_prefix: str = "INV-"
    number_digits: int = 6
    yearly_numbers: bool = False
    chronological: bool = False
    catch_up_warning: int = 3
    notify_on_payment: bool = False
    reminders: tuple[int, ...] = attrs.field(default=(), converter=_steps)
    late_fee: LateFee | None = attrs.field(default=None, converter=_late_fee)
    collect_saved: bool = False
    collect_late: bool = False
    collection_retries: tuple[int, ...] = attrs.field(default=(), converter=_retries)
    link_on_failure: bool = True
    notify_collections: bool = True
    credit_note_prefix: str = "CN-"

    def __attrs_post_init__(self) -> None:
        if self.preset not in _PRESETS:
            raise InvalidValue("policy.preset", self.preset, "is not a preset", f"choose one of {', '.join(_PRESETS)}")
        for field, low, high in (
            ("advance_days_email_pdf", 0, 366),
            ("advance_days_direct_debit", 0, 366),
            ("due_offset_days", -366, 366),
            ("terms_days", 0, 3660),
            ("number_digits", 1, 12),
            ("catch_up_warning", 1, 10_000),
        ):
            value = getattr(self, field)
            if type(value) is not int or not low <= value <= high:
                reason = "is out of range" if type(value) is int else "is not a whole number"
                raise InvalidValue(f"policy.{field}", value, reason, f"give one from {low} to {high}")
        for field in (
            "run_issues", "void_drafts", "delete_drafts", "apply_credit", "yearly_numbers", "chronological",
            "notify_on_payment", "collect_saved", "collect_late", "link_on_failure", "notify_collections",
        ):  # fmt: skip
            if not isinstance(getattr(self, field), bool):
                raise InvalidValue(f"policy.{field}", getattr(self, field), "is not a yes or no", "give True or False")
        if self.notify_on_publish is not None:
            yes_or_no(self.notify_on_publish, "policy.notify_on_publish")
        for field in ("number_prefix", "credit_note_prefix"):
            prefix: object = getattr(self, field)
            if not isinstance(prefix, str) or len(prefix) > 20 or not prefix.isprintable():
                raise InvalidValue(f"policy.{field}", prefix, "is no printable text", "use up to 20 characters")
            if prefix[-1:].isdigit():
                # "INV-1" and 2 would read like "INV-" and 12: two series must never print the same number (N1).
                raise InvalidValue(f"policy.{field}", prefix, "ends in a digit", "end it with a letter or a mark")
        if self.credit_note_prefix == self.number_prefix:
            way_out = "give credit notes a prefix of their own"
            raise InvalidValue("policy.credit_note_prefix", self.credit_note_prefix, "is the invoices' too", way_out)

    def advance_days(self, method: InvoiceMethod) -> int:
        """Days before the billed period at which a lease's invoice is made (S4)."""
        return self.advance_days_direct_debit if method is InvoiceMethod.DIRECT_DEBIT else self.advance_days_email_pdf


PRESETS: Mapping[str, Policy] = {
    "residents": Policy(preset="residents", labels="residents", delete_drafts=False),
    "clients": Policy(preset="clients", labels="clients", void_drafts=False),
    "stays": Policy(preset="stays", labels="stays", run_issues=True),
}


def policy_for(preset: str, changes: Policy | Mapping[str, object] | None = None) -> Policy:
    """The preset's policy with some fields changed, or a whole Policy; InvalidValue names an unknown preset or field."""
    given: object = preset
    if not isinstance(given, str) or given not in PRESETS:
        raise InvalidValue("preset", preset, "is not a preset", f"choose one of {', '.join(PRESETS)}")
    if isinstance(changes, Policy) and preset not in (_PRESETS[0], changes.preset):
        raise InvalidValue("preset", preset, f"is not that of the policy, {changes.preset}", "give one of the two")
    return changed_policy(PRESETS[preset], changes or {})


def changed_policy(policy: Policy, changes: Policy | Mapping[str, object]) -> Policy:
    """`policy` with some fields changed, or the whole Policy given; InvalidValue names a field that does not exist."""
    if isinstance(changes, Policy):
        return changes
    known = {field.name for field in attrs.fields(Policy)}
    if not isinstance(changes, Mapping):
        raise InvalidValue("policy", changes, "is not a mapping", "give the fields to change, as a dict")
    for name in changes:
        if name not in known:
            raise InvalidValue("policy", name, "is not a policy field", f"choose from {', '.join(sorted(known))}")
    return attrs.evolve(policy, **changes)  # type: ignore[arg-type]  # names are checked above, values by Policy itself


@attrs.frozen(kw_only=True)
class Biller:
    """A property, practice or campground that bills in one currency and lives in one time zone (R1, M1)."""

    id: str
    name: str
    currency: str
    timezone: str
    locale: str
    policy: Policy
    payments: bool = True
    address: str = ""
    email: str | None = None
    version: int = 1


@attrs.frozen(kw_only=True)
class Unit:
    """A dwelling, pitch or site of a biller; `resident` is the primary resident's customer id, or None (R2, R3)."""

    id: str
    biller: str
    number: str
    resident: str | None = None
    version: int = 1


@attrs.frozen(kw_only=True)
class Customer:
    """Who pays: resident, client, guest or tenant of one biller.

    `notify=None` leaves "ready for payment" to the biller's policy (C4). `next_cycle_on` is the next billing day
    of a monthly client, None without a cycle (C9).
    """

    id: str
    biller: str
    name: str
    email: str | None = None
    address: str = ""
    locale: str | None = None
    billing_cycle: BillingCycle = BillingCycle.NONE
    billing_day: int = 1
    notify: bool | None = None
    next_cycle_on: date | None = None
    version: int = 1


@attrs.frozen(kw_only=True)
class BillTo:
    """The payer as frozen on an invoice at publish (R19)."""

    name: str
    email: str | None = None
    address: str = ""
    locale: str | None = None


def locale_of_payer(who: BillTo | None, biller: Biller) -> str:
    """The locale to write to a payer in: their own, else the biller's (R19)."""
    return (who.locale if who is not None else None) or biller.locale


def bill_to(customer: Customer, biller: Biller) -> BillTo:
    """The customer as an invoice will remember it; the locale is the biller's for one without its own (R19)."""
    locale = customer.locale or biller.locale
    return BillTo(name=customer.name, email=customer.email, address=customer.address, locale=locale)


_DIGITS = re.compile(r"(\d+)")
# One mailbox, no header can be smuggled in: neither white space nor control characters pass.
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+\.[^\s@<>,;:\"()\[\]\\]+")


def natural_key(number: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key that puts unit 2 before unit 10 (R2)."""
    # isdecimal digits only: "²".isdigit() is true and int("²") raises.
    parts = _DIGITS.split(number)
    return tuple((0, int(part)) if i % 2 else (1, part.casefold()) for i, part in enumerate(parts) if part)


def text(value: object, field: str, *, required: bool = True, longest: int = 500, lines: bool = False) -> str:
    """`value` as clean text: trimmed, not blank when required, no control characters (line breaks if `lines`).

    Raises InvalidValue naming the field (R4).
    """
    if not isinstance(value, str):
        raise InvalidValue(field, value, "is not text", "give a string")
    clean = value.strip()
    if required and not clean:
        raise InvalidValue(field, value, "is blank", "give it some text")
    if len(clean) > longest:
        raise InvalidValue(field, clean[:40] + "…", f"is longer than {longest} characters", "shorten it")
    if any((ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF) and not (lines and c in "\n\t") for c in clean):
        raise InvalidValue(field, value, "has control characters", "remove them")
    return clean


def email_address(value: object, field: str = "email") -> str | None:
    """`value` as one e-mail address, or None for None and blank; InvalidValue otherwise (R3)."""
    if value is None or value == "":
        return None
    clean = text(value, field, longest=254)
    if not _EMAIL.fullmatch(clean):
        raise InvalidValue(field, value, "is not one e-mail address", "write it as name@example.org, or leave it empty")
    return clean


def member(kind: type[E], value: object, field: str) -> E:
    """`value` as a member of an enum, by member or by value; InvalidValue lists what there is."""
    try:
        return kind(value)
    except ValueError as error:
        raise InvalidValue(
            field, value, "is not known", f"choose from {', '.join(str(one.value) for one in kind)}"
        ) from error


def yes_or_no(value: object, field: str) -> bool:
    """`value` as a bool; InvalidValue for anything else."""
    if not isinstance(value, bool):
        raise InvalidValue(field, value, "is not a yes or no", "give True or False")
    return value


def listed(value: Iterable[T], field: str, of: str) -> list[T]:
    """`value` as a list of what `of` names; InvalidValue for one thing alone, whose parts would be taken for things."""
    if not isinstance(value, str | bytes | Mapping):
        with suppress(TypeError):
            return list(value)
    raise InvalidValue(field, value, f"is not a list of {of}", f"give a list, also of one of the {of}")


def known_fields(row: Mapping[str, object], names: Sequence[str], at: str = "") -> None:
    """Refuse a row with a field that does not exist, naming those that do (InvalidValue)."""
    for name in row:
        if name not in names:
            raise InvalidValue(at + str(name), row[name], "is not a field here", f"choose from {', '.join(names)}")
