"""Lists as GoCardless answers them: newest first, filtered, a page at a time behind a cursor."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from invoicecore_adapters.simulators.gocardless.account import Account
from invoicecore_adapters.simulators.gocardless.records import Event, Record
from invoicecore_adapters.simulators.gocardless.refusals import Json, Refusal, misused

_DEFAULT, _MOST = 50, 500
_TIMES: Final = ("created_at[gt]", "created_at[gte]", "created_at[lt]", "created_at[lte]")
_PAGING: Final = ("after", "before", "limit")

EVENTS_KEPT: Final = timedelta(days=548)
"""Events older than 18 months are told no more."""


class Filters:
    """A request's query, with the filters that this list knows; Refusal for any other."""

    def __init__(self, query: str, known: Collection[str]) -> None:
        pairs = parse_qsl(query, keep_blank_values=True)
        self.given = dict(pairs)
        unknown = sorted(set(self.given) - {*known, *_TIMES, *_PAGING})
        if unknown or len(pairs) != len(self.given):
            raise _bad(f"Unknown or repeated filters: {', '.join(unknown) or 'see the query'}")
        self._times = {name: _moment(self.given[name]) for name in _TIMES if name in self.given}
        limit = self.given.get("limit", str(_DEFAULT))
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
            raise _bad(f"limit must be between 1 and {_MOST}")
        self.limit = int(limit)
        self.after, self.before = self.given.get("after"), self.given.get("before")

    def text(self, name: str) -> str | None:
        """A filter's value."""
        return self.given.get(name)

    def in_time(self, moment: datetime) -> bool:
        """Whether something of that moment is asked for."""
        # What is shown has milliseconds: a moment that was read from it must find itself.
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        times = self._times
        return (
            ("created_at[gt]" not in times or moment > times["created_at[gt]"])
            and ("created_at[gte]" not in times or moment >= times["created_at[gte]"])
            and ("created_at[lt]" not in times or moment < times["created_at[lt]"])
            and ("created_at[lte]" not in times or moment <= times["created_at[lte]"])
        )


def paged(envelope: str, records: Sequence[tuple[Record, Json]], filters: Filters) -> Json:
    """One page of records in the order of creation, each beside how it is shown; newest first."""
    newest = [each for each in reversed(records) if filters.in_time(each[0].created_at)]
    ids = [record.id for record, _ in newest]
    start, end = 0, len(newest)
    if filters.after is not None:
        start = _place(ids, filters.after) + 1
    if filters.before is not None:
        end = _place(ids, filters.before)
        start = max(start, end - filters.limit)
    page = newest[start : min(end, start + filters.limit)]
    more = start + len(page) < len(newest)
    cursors = {"before": page[0][0].id if page and start else None, "after": page[-1][0].id if page and more else None}
    return {envelope: [shown for _, shown in page], "meta": {"cursors": cursors, "limit": filters.limit}}


def events(account: Account, query: str) -> Json:
    """Events by what they are about, what happened and when; none older than GoCardless keeps them."""
    links = ("billing_request", "mandate", "parent_event", "payment", "payout", "refund")
    filters = Filters(query, ("action", "include", "resource_type", *links))
    oldest = account.now() - EVENTS_KEPT

    def asked(event: Event) -> bool:
        return (
            event.created_at >= oldest
            and filters.text("action") in (None, event.action)
            and filters.text("resource_type") in (None, event.resource_type)
            and all(filters.text(name) in (None, event.links.get(name)) for name in links)
        )

    return paged("events", [(each, each.shown()) for each in account.events.values() if asked(each)], filters)


def _place(ids: Sequence[str], cursor: str) -> int:
    if cursor not in ids:
        raise _bad("The cursor is not of this list")
    return ids.index(cursor)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise _bad(f"{text!r} is no ISO 8601 time") from wrong
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bad(message: str) -> Refusal:
    return misused(400, "invalid_filters", message)
