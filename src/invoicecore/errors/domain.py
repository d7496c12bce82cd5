"""What goes wrong here: refused values, missing records, actions a status does not allow, parts that are not wired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal


def legible(told: str) -> str:
    """What somebody else's code or server told, as every store takes it: no controls, no half characters."""
    return "".join("\ufffd" if ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF else c for c in told)


class InvoicecoreError(Exception):
    """The root of every error this library raises on purpose."""

    code: ClassVar[str] = "error"


class InvalidValue(InvoicecoreError, ValueError):
    """A value was refused at the door: `field`, `value`, `reason` and the way out."""

    code = "invalid_value"

    def __init__(self, field: str, value: object, reason: str, way_out: str) -> None:
        self.field = field
        self.value = value
        self.reason = reason
        self.way_out = way_out
        super().__init__(f"{field}={value!r}: {reason}; {way_out}")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.field, self.value, self.reason, self.way_out))


class InvalidMoney(InvalidValue):
    """An amount that is not exact money (M8)."""

    code = "invalid_money"


class CurrencyMismatch(InvalidMoney):
    """Money in another currency than the one expected (R4, M8)."""

    code = "currency_mismatch"


class NotFound(InvoicecoreError, LookupError):
    """No such record, or none that this desk may see (T1)."""

    code = "not_found"

    def __init__(self, kind: str, key: object) -> None:
        self.kind = kind
        self.key = key
        checked = (
            "its name, and give it to Billing.open" if kind == "gateway" else "the id and the biller it was given by"
        )
        super().__init__(f"no {kind} {key!r} here; check {checked}")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.kind, self.key))


class NotAllowed(InvoicecoreError):
    """An action the record's status does not allow: `action`, `status`, `allowed` (what it does allow)."""

    code = "not_allowed"

    def __init__(self, action: str, status: str, allowed: Iterable[str], reason: str = "", way_out: str = "") -> None:
        self.action = action
        self.status = status
        self.allowed = tuple(allowed)
        self.reason = reason
        can = ", ".join(self.allowed) or "nothing"
        why = f": {reason}" if reason else ""
        super().__init__(
            f"cannot {action} while {status}{why}; allowed now: {can}" + (f". {way_out}" if way_out else "")
        )


class PaymentsOff(InvoicecoreError):
    """The biller's payments are switched off (R1)."""

    code = "payments_off"

    def __init__(self, biller: str, action: str) -> None:
        self.biller = biller
        self.action = action
        super().__init__(
            f"cannot {action}: payments are off for biller {biller!r}; switch them on with billers.edit(payments=True)"
        )


class NoSavedMethod(InvoicecoreError):
    """The customer has no saved card or mandate that can be charged (C6): `customer`, and the `method` asked for."""

    code = "no_saved_method"

    def __init__(self, customer: str | None, method: str | None = None) -> None:
        self.customer = customer
        self.method = method
        whose = f"customer {customer!r}" if customer is not None else "the invoice, which has no customer,"
        what = f"method {method!r} of {whose} cannot" if method is not None else f"{whose} has no saved method that can"
        super().__init__(f"{what} be charged; set one up with methods.setup, or send the link of payments.link")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.customer, self.method))


class MoneyHeld(NotAllowed):
    """Voiding an invoice that holds money or has a live collection (R14): `held` is the sum."""

    code = "money_held"

    def __init__(self, status: str, allowed: Iterable[str], held: object, reason: str) -> None:
        self.held = held
        flying = getattr(held, "amount", 1) == 0
        way_out = "Call it off with collections.cancel" if flying else "Refund it first, or settle it with the payer"
        super().__init__("void", status, allowed, reason, way_out)


def _sum(money: object) -> str:
    # str(Money) rounds to CLDR's decimals and follows the machine's locale (M11).
    return f"{getattr(money, 'amount', money)} {getattr(money, 'currency', '')}".strip()


class Overpayment(InvoicecoreError):
    """Money entered by hand beyond what can be recorded (D6): `amount`, `due`."""

    code = "overpayment"

    def __init__(self, amount: object, due: object) -> None:
        self.amount = amount
        self.due = due
        super().__init__(
            f"{_sum(amount)} is more than the {_sum(due)} that can be recorded; pay that, or ask for the rest to become credit (rest='credit')"
        )


class NotEnough(InvoicecoreError):
    """More asked for than is there: credit, or money to refund. `what`, `asked`, `available`."""

    code = "not_enough"

    def __init__(self, what: str, asked: object, available: object) -> None:
        self.what = what
        self.asked = asked
        self.available = available
        super().__init__(f"{_sum(asked)} of {what} asked for, {_sum(available)} available; ask for that or less")


class NothingToBill(InvoicecoreError):
    """There is nothing to draft: no open charge, or a total of zero or less (M10)."""

    code = "nothing_to_bill"

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f"nothing to bill for {what}: {reason}; add what is owed first")


class AlreadyBilled(InvoicecoreError):
    """The thing to bill is on a live invoice already: `what`, `invoice`."""

    code = "already_billed"

    def __init__(self, what: str, invoice: str) -> None:
        self.what = what
        self.invoice = invoice
        super().__init__(
            f"{what} is already on invoice {invoice}; void or delete that one first; of a void one, ask for a reissue or release the charge"
        )


class KeyReused(InvoicecoreError):
    """An idempotency key came back with other data under it (N3)."""

    code = "key_reused"

    def __init__(self, key: str, action: str) -> None:
        self.key = key
        self.action = action
        super().__init__(
            f"key {key!r} was used before for other data than this {action}; use a new key for a new request"
        )


class Conflict(InvoicecoreError):
    """Somebody else wrote first: a unique key is taken or a version is stale. `what` names it."""

    code = "conflict"

    def __init__(self, what: str, detail: str = "") -> None:
        self.what = what
        self.detail = detail
        super().__init__(
            f"{what} was changed or taken by another writer{': ' + detail if detail else ''}; read it again and retry"
        )


class Refused(InvoicecoreError):
    """A host's hook refused the action (R18): `action`, `actor`, `reason`."""

    code = "refused"

    def __init__(self, action: str, actor: str | None, reason: str) -> None:
        self.action = action
        self.actor = actor
        self.reason = reason
        super().__init__(f"{action} refused for {actor or 'no actor'}: {reason}; act as somebody who may")


class LeaseFrozen(InvoicecoreError):
    """A lease that has an invoice keeps its start, frequency and anchor, and an end it was billed or credited to (M9)."""

    code = "lease_frozen"

    def __init__(
        self, lease: str, field: str, way_out: str = "end it and add a successor from a period boundary"
    ) -> None:
        self.lease = lease
        self.field = field
        self.way_out = way_out
        super().__init__(f"lease {lease} has invoices, its {field} is frozen; {way_out}")


class StoreError(InvoicecoreError):
    """The store cannot be used as it is: foreign, newer, locked or broken."""

    code = "store"


class Busy(StoreError):
    """Another transaction had a biller's records for longer than the store waits for its turn: `biller`."""

    code = "busy"

    def __init__(self, biller: str) -> None:
        self.biller = biller
        super().__init__(
            f"another writer held the records of biller {biller} for too long; try again, and keep transactions short"
        )


class Interrupted(StoreError):
    """The store lost its connection, or undid one of two transactions that stood in each other's way: `reason`, `written`.

    `written` is False when nothing was, and the same may be done again; None when it was committing and nobody knows.
    """

    code = "interrupted"

    def __init__(self, reason: str, *, written: Literal[False] | None) -> None:
        self.reason = reason
        self.written = written
        told = (
            "nothing was written; do it again"
            if written is False
            else "it may be written or not; do it again under the same key, or look first"
        )
        super().__init__(f"the store was interrupted ({reason.strip()}): {told}")


class PluginError(InvoicecoreError):
    """A plugin is wrong, failed, or is not known: `plugin`, `known` names."""

    code = "plugin"

    def __init__(self, plugin: str, problem: str, known: Sequence[str] = ()) -> None:
        self.plugin = plugin
        self.problem = problem
        self.known = tuple(known)
        names = ", ".join(self.known) or "none"
        super().__init__(f"plugin {plugin!r}: {problem}; known names: {names}")


class ObserverFailed(PluginError):
    """A plugin failed while it was told of a change; the change itself is committed (R18)."""

    code = "observer_failed"


class NotWired(InvoicecoreError):
    """The host did not say how: no mailer, renderer, gateway or address of its pages was given to `Billing.open`."""

    code = "not_wired"

    def __init__(self, what: str, way_out: str) -> None:
        self.what = what
        self.way_out = way_out
        super().__init__(f"there is no {what} here; {way_out}")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.what, self.way_out))


class MailError(InvoicecoreError):
    """An e-mail did not go out: `why` is the server's answer or the fault."""

    code = "mail"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the e-mail was not sent: {why}; {self._way_out}")

    _way_out: ClassVar[str] = "look at the mailer's settings"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.why,))


class MailRefused(MailError):
    """The e-mail was refused for good: the address or the message will not be accepted (SMTP 5xx)."""

    code = "mail_refused"
    _way_out = "correct the address and queue it again"


class MailDeferred(MailError):
    """The e-mail was not accepted now and may be later (SMTP 4xx)."""

    code = "mail_deferred"
    _way_out = "it is tried again later"


class MailUnavailable(MailDeferred):
    """Nothing can be sent at present: the server is down, or does not let us in."""

    code = "mail_unavailable"
    _way_out = "check the server and the mailer's settings; it is tried again later"


class RenderFailed(InvoicecoreError):
    """A document or an e-mail cannot be laid out: `what` names it, `problem` says why and where."""

    code = "render"

    def __init__(self, what: str, problem: str) -> None:
        self.what = what
        self.problem = problem
        super().__init__(f"{what} cannot be laid out: {problem}; mend the template, font or picture it names")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.what, self.problem))


class MissingExtra(InvoicecoreError, ImportError):
    """A vendor library is absent: `extra` names what to install."""

    code = "missing_extra"

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        super().__init__(f"{feature} needs an extra: pip install 'invoicecore[{extra}]'")


class BadFile(InvoicecoreError, ValueError):
    """A file or document that cannot be read as our values: every fault, as (path, value, reason)."""

    code = "bad_file"

    def __init__(self, source: str, faults: Sequence[tuple[str, object, str]]) -> None:
        self.source = source
        self.faults = tuple(faults)
        lines = "\n".join(f"  {path}: {value!r}: {reason}" for path, value, reason in self.faults)
        super().__init__(
            f"{source}: {len(self.faults)} fault(s), nothing was loaded; mend them and load again:\n{lines}"
        )
