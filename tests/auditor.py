"""The auditor: everything a store holds, worked out a second time from leases, ledgers and what the provider did.

It reads the tables with plain SQL and imports nothing of the library: no period, no amount, no status and no balance
is asked of the code that wrote it. What it answers is a list of findings; none is a clean bill of health.

It is given what the world outside knows: the provider's append-only ledger (`Moved`), which payments the banks have
still to decide on, what the business did with its own hands (`Order`), and the e-mails that really went out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import auditor_invoices
import auditor_leases
import auditor_money
import auditor_notes
import auditor_outside
import auditor_owed
import auditor_story
import auditor_work
from auditor_books import Books, Finding, Moved, Order, read

__all__ = ["Finding", "Moved", "Order", "audit"]


def audit(
    url: str,
    *,
    at: datetime,
    ledger: Iterable[Moved] = (),
    waiting: Collection[str] = (),
    orders: Sequence[Order] | None = None,
    posted: Mapping[str, int] | None = None,
    repeats: int = 0,
    apart: timedelta = timedelta(0),
    by_hand: Collection[str] = (),
) -> list[Finding]:
    """What is wrong in a store when everything has come to rest at an instant, the last run being of that day.

    `waiting` are the keys of payments the banks have still to decide on, `posted` the ids of messages a mail server
    accepted and how often, of which `repeats` may be twice because a deliverer died. `apart` is how far the clocks of
    those who issued invoices were apart. `by_hand` are lease invoices that somebody asked for without a key, perhaps
    ahead of their time; what was asked for under one is known. What is None is not looked at.
    """
    books = Books(read(url), at, apart, by_hand)
    if not auditor_invoices.whose(books):
        return books.found
    auditor_invoices.made(books)
    auditor_leases.leases(books)
    auditor_invoices.invoices(books)
    auditor_invoices.numbers(books)
    auditor_money.money(books)
    auditor_story.stories(books)
    auditor_money.credit(books)
    auditor_notes.notes(books)
    auditor_owed.charges(books)
    auditor_owed.fees(books)
    auditor_owed.bookings(books)
    auditor_outside.provider(books, list(ledger), set(waiting))
    auditor_work.messages(books, posted, repeats)
    auditor_work.alerts(books)
    auditor_work.collecting(books)
    auditor_work.work(books)
    if orders is not None:
        auditor_outside.by_hand(books, orders)
    return books.found
