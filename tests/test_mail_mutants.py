"""Mailers that are wrong in one way each: the contract notices every one of them, and each of its tests can fail."""

from __future__ import annotations

import inspect
import itertools
import re
import time
from contextlib import suppress

import attrs
import hypothesis
import pytest

from invoicecore.errors import InvoicecoreError, MailRefused, MailUnavailable
from invoicecore.testing.mailer_contract import MailerContract
from invoicecore_adapters.mail.memory import MemoryMailer
from invoicecore_adapters.mail.mime import message_bytes
from mails import SENDER

MUTANTS: dict[type[MemoryMailer], tuple[str, ...]] = {}  # a wrong mailer -> the tests of the contract that must notice


def noticed_by(*tests):
    def register(mutant):
        MUTANTS[mutant] = tests
        return mutant

    return register


class Changing(MemoryMailer):
    """Changes what arrives."""

    def change(self, message, mail):
        return message

    def send(self, mail):
        super().send(mail)
        self.messages[-1] = self.change(self.messages[-1], mail)


@noticed_by("test_an_e_mail_arrives_whole")
class LosesTheFiles(MemoryMailer):
    def send(self, mail):
        super().send(attrs.evolve(mail, attachments=()))


@noticed_by("test_an_e_mail_arrives_whole")
class SendsFromNobody(MemoryMailer):
    def send(self, mail):
        super().send(attrs.evolve(mail, sender=""))


@noticed_by("test_an_e_mail_arrives_whole", "test_an_e_mail_without_attachments_or_reply_address_arrives")
class LosesDotsThatBeginALine(Changing):
    def change(self, message, mail):
        return message.replace(b"\n..", b"\n.").replace(b"\n=2E", b"\n")


@noticed_by("test_a_repeat_has_the_message_id_of_the_first")
class MakesANewIdEachTime(Changing):
    def change(self, message, mail):
        return message.replace(b"Message-ID: <", b"Message-ID: <%d." % len(self.messages))


@noticed_by("test_a_repeat_has_the_message_id_of_the_first")
class PutsTheDateInTheId(Changing):
    def change(self, message, mail):
        return message.replace(f"<{mail.id}@".encode(), f"<{mail.id}@{mail.date:%d}.".encode())


@noticed_by("test_it_answers_no_machine")
class LooksLikeAPerson(Changing):
    def change(self, message, mail):
        return message.replace(b"Auto-Submitted: auto-generated\r\n", b"")


@noticed_by("test_no_text_adds_a_header", "test_no_text_of_a_person_adds_a_header_or_a_part")
class WritesTheSubjectAsItIs(Changing):
    def change(self, message, mail):
        subject = mail.content.subject.encode("utf-8", "replace")
        return re.sub(rb"Subject: (.|\r\n )*\r\n", lambda _: b"Subject: " + subject + b"\r\n", message, count=1)


@noticed_by("test_no_text_adds_a_header")
class WritesAFilesNameAsItIs(Changing):
    def change(self, message, mail):
        name = mail.attachments[0].filename.encode("utf-8", "replace") if mail.attachments else b""
        return re.sub(rb'filename(\*.*|=".*")\r\n', lambda _: b'filename="' + name + b'"\r\n', message, count=1)


@noticed_by("test_what_is_not_one_address_is_refused")
class TakesAnyAddress(MemoryMailer):
    def send(self, mail):
        try:
            super().send(mail)
        except MailRefused:
            self.messages.append(b"To: " + mail.to.encode() + b"\r\n\r\n")


@noticed_by("test_a_refused_e_mail_does_not_spoil_the_next_one")
class StaysBroken(MemoryMailer):
    broken = False

    def send(self, mail):
        if self.broken:
            raise ConnectionError("out of step")
        self.broken = True
        super().send(mail)
        self.broken = False


@noticed_by("test_many_e_mails_go_through_one_mailer")
class LosesTheTwentieth(Changing):
    def change(self, message, mail):
        return message_bytes(attrs.evolve(mail, id="other"), SENDER) if len(self.messages) == 20 else message


@noticed_by("test_threads_that_send_at_once_never_mix_two_letters")
class RemembersOneRecipientForAllThreads(MemoryMailer):
    def send(self, mail):
        self.to = mail.to  # as a connection remembers what was said on it
        time.sleep(0.001)  # and another thread comes between
        super().send(attrs.evolve(mail, to=self.to))


@noticed_by("test_it_sends_again_after_it_was_closed")
class IsClosedForGood(MemoryMailer):
    closed = False

    def close(self):
        self.closed = True

    def send(self, mail):
        if self.closed:
            raise ConnectionError("closed")
        super().send(mail)


class Reaching(MemoryMailer):
    """One that has a server, which may be down."""

    down = False

    def send(self, mail):
        if self.down:
            raise MailUnavailable("nobody answers")
        super().send(mail)


@noticed_by("test_a_server_that_is_down_is_told_as_such")
class SaysThatItWasSent(Reaching):
    def send(self, mail):
        with suppress(MailUnavailable):
            super().send(mail)


# --- the proof --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_shrinking():
    """That a property fails is enough here; the smallest way to make it fail is not worth the time."""
    quick = hypothesis.settings(
        phases=[hypothesis.Phase.generate], database=None, report_multiple_bugs=False, derandomize=True
    )
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.register_profile("mutants", quick)
    hypothesis.settings.load_profile("mutants")
    yield
    hypothesis.settings.load_profile(before)


def run(make, test):
    """One test of the contract on one mailer, with each of its parameters, outside of pytest's collection."""
    method = getattr(MailerContract(), test)
    marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(tuple(mark.args[1]) for mark in marks)):
        mailer = make(sender=SENDER)
        given = dict(zip((mark.args[0] for mark in marks), values, strict=True))
        if "unreachable" in inspect.signature(method).parameters:
            mailer.down = True
            method(unreachable=mailer)
        else:
            method(mailer=mailer, received=lambda mailer=mailer: mailer.messages, **given)


@pytest.mark.parametrize(
    "mutant, test",
    [pytest.param(mutant, test, id=f"{mutant.__name__}-{test}") for mutant, tests in MUTANTS.items() for test in tests],
)
def test_the_contract_notices(mutant, test):
    with pytest.raises((AssertionError, InvoicecoreError, ConnectionError, pytest.fail.Exception, BaseExceptionGroup)):
        run(mutant, test)


@pytest.mark.parametrize("test", sorted({test for tests in MUTANTS.values() for test in tests}))
def test_the_contract_finds_nothing_where_there_is_nothing(test):
    run(Reaching, test)


def test_every_test_of_the_contract_can_fail():
    tests = {name for name, _ in inspect.getmembers(MailerContract) if name.startswith("test_")}
    named = {test for tests in MUTANTS.values() for test in tests}
    assert named == tests, "give each new test a mutant that it notices"
