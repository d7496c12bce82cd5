"""The auditor on what is invoiced beside leases: charges, late fees, bookings and groups of bookings.

C1, C2, C9, M10, P3, S1, S5.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from auditor_books import Books, grouped, phase, rates
from auditor_sums import DAY, Rate, Row, minor_of, rounded


def charges(books: Books) -> None:
    """Each charge is on one invoice that stands at most, in the state that says so; none was left behind."""
    on: defaultdict[str, list[str]] = defaultdict(list)
    for ref, lines in books.lines_by.items():
        for row in lines:
            if row["charge"] is not None and ref in books.invoice and books.invoice[ref]["lifecycle"] != "void":
                on[row["charge"]].append(ref)
    known = {row["id"] for row in books.tables["charges"]}
    for ref in set(on) - known:
        books.says("charge", ref, "it is on an invoice and is not there")
    monthly = {row["id"]: row for row in books.tables["customers"] if row["billing_cycle"] == "monthly"}
    for charge in books.tables["charges"]:
        ref, live = charge["id"], on.get(charge["id"], [])
        if len(live) > 1:
            books.says("charge twice", ref, f"it is on {len(live)} invoices that stand")
        holder = books.invoice.get(charge["invoice"])
        state = "open" if holder is None else "drafted" if holder["lifecycle"] == "draft" else "invoiced"
        if charge["state"] != "cancelled":
            books.differ("charge", ref, "its state", charge["state"], state)
        if holder is not None and holder["lifecycle"] != "void" and live != [holder["id"]]:
            books.says("charge", ref, f"it says it is on {holder['id']}, and is on {live}")
        if holder is not None and holder["lifecycle"] != "void":
            _as_charged(books, charge, holder)
        payer = monthly.get(charge["customer"])
        if charge["state"] == "open" and payer is not None and charge["version"] == 1:
            _left(books, charge, payer)
    for payer in monthly.values():
        if payer["next_cycle_on"] <= books.today(payer["biller"]):
            books.says("stuck", payer["id"], f"its month has been due since {payer['next_cycle_on']}")


def _left(books: Books, charge: Row, payer: Row) -> None:
    """A charge that was there, and dated, before a billing day has been invoiced on it or after (C9)."""
    steps = books.timeline.get(charge["id"])
    if not steps:
        books.says("timeline", charge["id"], "nothing was ever written down of it")
        return
    added = steps[0]["counts_on"] + books.apart + DAY
    billing_day = payer["next_cycle_on"]
    before = (billing_day.replace(day=1) - DAY).replace(day=min(payer["billing_day"], 28))
    if max(added, charge["charged_on"]) < before:
        books.says("charge left", charge["id"], f"the month of {before} has gone by without it")


def _as_charged(books: Books, charge: Row, invoice: Row) -> None:
    """What is invoiced of a charge is the charge: its price, its quantity, its taxes, and to whom (C1)."""
    ref = charge["id"]
    books.differ("charge", ref, "the customer of its invoice", invoice["customer"], charge["customer"])
    wanted = (charge["unit_price_minor"], Decimal(charge["quantity"]), charge["description"], rates(charge["taxes"]))
    for row in books.lines_by.get(invoice["id"], ()):
        if row["charge"] == ref:
            have = (row["unit_price_minor"], Decimal(row["quantity"]), row["description"], rates(row["taxes"]))
            books.differ("charge", ref, "its line", have, wanted)
            cost = rounded(Fraction(wanted[1]) * wanted[0])
            books.differ("charge", ref, "what is invoiced of it", row["amount_minor"], cost)


# --- late fees (P3, S5) -----------------------------------------------------------------------------------------------


def fees(books: Books) -> None:
    """Each late fee is of an invoice that was late by then, of as much as the policy says, and here once; none is left out."""
    uses: dict[tuple[str, int], tuple[str, str]] = {}
    for row in books.tables["key_uses"]:
        if row["action"] == "remind" and row["id"].startswith("late fee/"):
            _, ref, n = row["id"].split("/")
            uses[ref, int(n)] = tuple(json.loads(row["results"]))
    made = [ref for ref, _ in uses.values()]
    for ref, times in Counter(made).items():
        if times > 1:
            books.says("fee", ref, f"it is {times} late fees at once")
    rows = [row for row in books.tables["charges"] if "_fee_" in row["id"]]
    rows += [row for row in books.tables["invoices"] if row["kind"] == "fee"]
    for row in rows:
        if row["id"] not in made:
            books.says("fee", row["id"], "no invoice was late for it")
    known = {row["id"]: row for row in rows}
    for ref, invoice in books.invoice.items():
        told = books.fees.get(ref, [])
        mine = [uses[ref, n] for n in range(1, len(told) + 1) if (ref, n) in uses]
        if len(mine) != len(told) or (ref, len(told) + 1) in uses:
            books.says("fee", ref, f"its timeline tells of {len(told)} late fees, and {len(mine)} are written down")
            continue
        for (step, _), (fee, amount) in zip(told, mine, strict=True):
            books.differ("fee", ref, "a late fee", amount, step["detail"])
            _fee(books, invoice, known.get(fee), fee, step)
        if invoice["number"] is not None:
            _right_fees(books, invoice, told)


def _fee(books: Books, invoice: Row, fee: Row | None, ref: str, step: Row) -> None:
    """A late fee is here as a charge or an invoice of its customer's, of so much."""
    if fee is None:
        books.says("fee", ref, f"it was charged for {invoice['id']} on {step['counts_on']}, and is not there")
        return
    amount = minor_of(step["detail"], invoice["currency"])
    books.differ("fee", ref, "its customer", fee["customer"], invoice["customer"])
    if "unit_price_minor" not in fee:
        books.differ("fee", ref, "what it comes to", fee["total_minor"], amount)
        books.differ("fee", ref, "its day", fee["drafted_on"], step["counts_on"])
    elif not books.steps(ref, "edited"):  # until it is invoiced, a charge may be another one (C1)
        have = (fee["unit_price_minor"], Decimal(fee["quantity"]), fee["charged_on"])
        books.differ("fee", ref, "its price and day", have, (amount, Decimal(1), step["counts_on"]))


def _right_fees(books: Books, invoice: Row, told: Sequence[tuple[Row, int]]) -> None:
    """How many fees there are, and of how much, is what the policy says by the days that have passed."""
    ref, biller, currency = invoice["id"], invoice["biller"], invoice["currency"]
    rule = books.policy[biller].get("late_fee")
    if books.steps(biller, "edited"):  # the policy of then is not known
        return
    if rule is None:
        if told:
            books.says("fee", ref, "a late fee was charged, and the policy has none")
        return
    charged = 0
    for n, (step, owed) in enumerate(told, 1):
        amount = minor_of(step["detail"], currency)
        books.differ("fee", ref, f"late fee {n}", amount, _cost(books, invoice, rule, owed, charged))
        charged += amount
        if _reached(books, invoice, rule, step["counts_on"]) < n:
            books.says("fee", ref, f"late fee {n} was charged on {step['counts_on']}, which is too early")
    owed = invoice["total_minor"] - invoice["paid_minor"] - invoice["credit_minor"] - invoice["noted_minor"]
    due = phase(invoice) == "due" and invoice["customer"] is not None and books.of_biller[biller]["payments"]
    missing = due and len(told) < _reached(books, invoice, rule, books.today(biller))
    if missing and (cost := _cost(books, invoice, rule, owed, charged)) > 0:
        books.says("fee missing", ref, f"it has {len(told)} late fees, and one of {cost} is due")


def _reached(books: Books, invoice: Row, rule: Any, on: date) -> int:
    """How many fees an invoice that was never paid has come to by a day; what is nothing but fees comes to none."""
    if invoice["total_minor"] <= _of_fees(books, invoice):
        return 0
    late = (on - max(invoice["due_on"], invoice["issued_on"])).days - rule["after_days"]
    if late < 0:
        return 0
    return 1 if rule.get("every_days") is None else 1 + late // rule.get("every_days")


def _cost(books: Books, invoice: Row, rule: Any, owed: int, charged: int) -> int:
    """The next fee: the amount, or the percentage of what is owed beside fees; all of them stay within the cap."""
    currency = invoice["currency"]
    if rule.get("amount") is not None:
        wanted = minor_of(str(rule.get("amount")), currency)
    else:
        base = max(0, owed - _of_fees(books, invoice))
        wanted = rounded(base * Fraction(Decimal(str(rule.get("percent")))) / 100)
    if rule.get("cap") is not None:
        wanted = min(wanted, minor_of(str(rule.get("cap")), currency) - charged)
    return max(wanted, 0)


def _of_fees(books: Books, invoice: Row) -> int:
    if invoice["kind"] == "fee":
        return int(invoice["total_minor"])
    lines = books.lines_by.get(invoice["id"], ())
    return sum(row["amount_minor"] for row in lines if row["charge"] is not None and "_fee_" in row["charge"])


# --- bookings and groups (S1, M3) -------------------------------------------------------------------------------------

Cost = tuple[str, str, tuple[Rate, ...]]  # of which site, for what, with which taxes


def bookings(books: Books) -> None:
    """Each booking is invoiced once, for what was booked; a group's invoices add up to all of its sites, each with its tax."""
    stays = {row["id"]: row for row in books.tables["bookings"]}
    live = [row for row in books.tables["invoices"] if row["lifecycle"] != "void"]
    by_booking, by_group = grouped(live, "booking"), grouped(live, "booking_group")
    for ref, stay in stays.items():
        if stay["departs"] <= stay["arrives"]:
            books.says("booking", ref, "it has not a single night")
        alone = by_booking.get(ref, [])
        beside = by_group.get(stay["booking_group"], []) if stay["booking_group"] else []
        lines = [row for invoice in beside for row in books.lines_by.get(invoice["id"], ())]
        if len(alone) > 1 or (alone and any(row["site"] == _site(books, stay) for row in lines)):
            books.says("booking twice", ref, "two invoices that stand are for it")
    for invoice in books.tables["invoices"]:
        booked = stays.get(invoice["booking"])
        if booked is None or books.steps(invoice["id"], "edited"):  # a draft may have got other lines
            continue
        books.differ("booking", invoice["id"], "its customer", invoice["customer"], booked["customer"])
        have = _invoiced(books.lines_by.get(invoice["id"], ()))
        books.differ("booking", invoice["id"], "what it asks for", dict(have), dict(_booked(books, booked, "")))
    whole = [row for row in books.tables["invoices"] if row["booking_group"] is not None]
    for group, some in grouped(whole, "booking_group").items():
        _group(books, group, [stay for stay in stays.values() if stay["booking_group"] == group], some)


def _group(books: Books, group: str, stays: Sequence[Row], invoices: Sequence[Row]) -> None:
    """The first invoices of a group are, together, all its sites that were booked by then; later ones whole sites."""
    made: defaultdict[Any, list[Row]] = defaultdict(list)
    for invoice in invoices:
        if invoice["id"] in books.timeline:
            made[books.timeline[invoice["id"]][0]["happened_at"]].append(invoice)
    first = min(made, default=None)
    for at, some in made.items():
        if any(books.steps(row["id"], "edited") for row in some) or _one_deleted(books, at):
            continue
        there = [stay for stay in stays if not _came_after(books, stay, at)]
        sites = {row["site"] for invoice in some for row in books.lines_by.get(invoice["id"], ())}
        wanted: Counter[Cost] = Counter()
        for stay in there:
            site = _site(books, stay)
            if at == first or site in sites:
                wanted += _booked(books, stay, site)
        have, live = Counter[Cost](), Counter[Cost]()
        for row in some:
            have += _invoiced(books.lines_by.get(row["id"], ()))
            live += _invoiced(books.lines_by.get(row["id"], ()) if row["lifecycle"] != "void" else ())
        for cost in {*wanted, *have}:
            # What was voided may have been invoiced anew at the same instant.
            anew = live != have and live[cost] in (0, wanted[cost])
            if not anew:
                books.differ("group", group, f"{cost[1]} of site {cost[0]} on its invoices", have[cost], wanted[cost])


def _site(books: Books, stay: Row) -> str:
    """What the lines of a booking are marked with on its group's invoices."""
    return str(books.unit[stay["unit"]]["number"] if stay["unit"] in books.unit else stay["id"])


def _came_after(books: Books, stay: Row, at: Any) -> bool:
    began = books.timeline.get(stay["id"])
    return bool(began) and began[0]["happened_at"] > at  # type: ignore[index]  # it is not empty


def _one_deleted(books: Books, at: Any) -> bool:
    """Whether a draft that was made at an instant is there no more: the others of its group do not add up any more."""
    gone = [steps for ref, steps in books.timeline.items() if steps[-1]["action"] == "deleted"]
    return any(steps[0]["happened_at"] == at for steps in gone)


def _booked(books: Books, stay: Row, site: str) -> Counter[Cost]:
    currency, found = books.of_biller[stay["biller"]]["currency"], Counter[Cost]()
    for item in json.loads(stay["items"]):
        price = minor_of(item["unit_price"]["amount"], currency)
        named = tuple((each["name"], each["percent"], each["category"]) for each in item["taxes"])
        cost = rounded(Fraction(Decimal(str(item["quantity"]))) * price)
        found[site, item["description"], named] += cost
    return found


def _invoiced(lines: Sequence[Row]) -> Counter[Cost]:
    found = Counter[Cost]()
    for row in lines:
        found[row["site"] or "", row["description"], tuple(rates(row["taxes"]))] += row["amount_minor"]
    return found
