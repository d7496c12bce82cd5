"""Messages as values: what becomes of each, and when one is tried again (R7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.messages import (
    LEASE,
    RETRIES,
    Message,
    MessageKind,
    MessageState,
    cancelled,
    deferred,
    given_back,
    given_up,
    refused,
    sent,
    taken,
    tried_again,
    uncounted,
)

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEW = Message(
    id="b_msg_1",
    biller="b",
    kind=MessageKind.REMINDER,
    invoice="b_inv_1",
    to="a@example.com",
    locale="fr_FR",
    queued_at=AT,
    about="+7",
    next_try_at=AT,
)
WHAT_IT_IS = ("id", "biller", "kind", "invoice", "about", "locale", "queued_at")


def identity(message: Message) -> list[object]:
    return [getattr(message, name) for name in WHAT_IT_IS]


@pytest.mark.rule("R7")
def test_a_taken_message_is_counted_and_out_of_reach_for_the_length_of_the_lease() -> None:
    mine = taken(NEW, AT)
    assert (mine.tries, mine.next_try_at, mine.state) == (1, AT + LEASE, MessageState.QUEUED)


@pytest.mark.rule("R7")
def test_a_message_is_tried_as_often_as_there_are_waits_and_once_more() -> None:
    message, at, waits = NEW, AT, []
    while message.state is MessageState.QUEUED:
        message = deferred(taken(message, at), at, "451 later")
        if message.next_try_at is not None:
            waits.append(message.next_try_at - at)
            at = message.next_try_at
    assert tuple(waits) == RETRIES
    assert (message.state, message.tries, message.error) == (MessageState.FAILED, len(RETRIES) + 1, "451 later")
    assert timedelta(days=2) < at - AT < timedelta(days=4), "about three days, as RFC 5321 advises"
    assert list(RETRIES) == sorted(RETRIES)
    assert RETRIES[0] < LEASE


@pytest.mark.rule("R7")
def test_a_message_that_is_never_answered_is_left_alone_longer_each_time_and_given_up_after_as_many_tries() -> None:
    message, waits = uncounted(taken(NEW, AT)), []
    assert (message.tries, message.unanswered) == (0, True), "taken among others: it may be of any of them"
    while given_up(message) is None:
        message = taken(message, AT)
        assert message.next_try_at is not None
        waits.append(message.next_try_at - AT)
    assert waits == [*(max(LEASE, wait) for wait in RETRIES), LEASE]
    failed = given_up(message)
    assert failed is not None
    assert (failed.state, failed.tries, failed.next_try_at) == (MessageState.FAILED, len(RETRIES) + 1, None)
    assert "9 tries" in failed.error
    assert "messages.retry" in failed.error


@pytest.mark.rule("R7")
@pytest.mark.parametrize("tries", [0, len(RETRIES)])
def test_what_was_answered_or_has_a_try_left_is_not_given_up(tries: int) -> None:
    message = attrs.evolve(NEW, tries=tries)
    assert given_up(uncounted(taken(message, AT))) is None, "what died may have died of another one of its page"
    assert not deferred(taken(message, AT), AT, "451").unanswered
    assert not given_back(taken(message, AT), AT, "down").unanswered
    assert not sent(taken(message, AT), AT).unanswered


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    "after, state, error",
    [
        (sent(taken(NEW, AT), AT), MessageState.SENT, ""),
        (refused(taken(NEW, AT), "550 no such user"), MessageState.FAILED, "550 no such user"),
        (cancelled(taken(NEW, AT), "void"), MessageState.CANCELLED, "void"),
    ],
    ids=["sent", "refused", "cancelled"],
)
def test_what_is_done_with_is_not_tried_again(after: Message, state: MessageState, error: str) -> None:
    assert (after.state, after.next_try_at, after.error) == (state, None, error)
    assert after.sent_at == (AT if state is MessageState.SENT else None)


@pytest.mark.rule("R7")
def test_what_could_not_be_tried_is_given_back_uncounted() -> None:
    back = given_back(taken(NEW, AT), AT, "the server is down")
    assert (back.tries, back.state, back.next_try_at) == (0, MessageState.QUEUED, AT + RETRIES[0])
    assert back.error == "the server is down"


@pytest.mark.rule("R7")
def test_a_failed_message_starts_over_with_its_identity() -> None:
    failed = refused(taken(taken(NEW, AT), AT), "550")
    again = tried_again(failed, AT + LEASE, "b@example.com")
    assert (again.to, again.tries, again.state, again.error) == ("b@example.com", 0, MessageState.QUEUED, "")
    assert again.next_try_at == AT + LEASE
    assert identity(again) == identity(NEW)


STEPS = {
    "sent": lambda message: sent(message, AT),
    "refused": lambda message: refused(message, "no"),
    "cancelled": lambda message: cancelled(message, "no"),
    "deferred": lambda message: deferred(message, AT, "later"),
    "given back": lambda message: given_back(message, AT, "down"),
    "again": lambda message: tried_again(message, AT, message.to),
}


@pytest.mark.rule("R7")
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_a_message_waits_exactly_while_it_is_queued_and_never_changes_what_it_is(steps: list[str]) -> None:
    message = NEW
    for step in steps:
        message = STEPS[step](taken(message, AT))
        assert (message.next_try_at is not None) == (message.state is MessageState.QUEUED)
        assert (message.sent_at is not None) == (message.state is MessageState.SENT) or step == "again"
        assert message.tries >= 0
        assert identity(message) == identity(NEW)
        message = attrs.evolve(message, state=MessageState.QUEUED, sent_at=None)
