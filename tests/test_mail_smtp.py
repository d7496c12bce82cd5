"""The SMTP mailer against a real server: what it insists on, and under which name each failure comes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme

from invoicecore.errors import InvalidValue, MailDeferred, MailError, MailRefused, MailUnavailable
from invoicecore.plugins import Plugins
from invoicecore_adapters import mail
from invoicecore_adapters.mail.smtp import SmtpMailer
from mails import SENDER, a_mail, parsed
from smtp_server import (  # noqa: F401  # fixtures
    Act,
    SmtpServer,
    authority,
    ca_file,
    certificate,
    port_where_nobody_answers,
    running,
)

PASSWORD = "s3cret-Pa/ss:w@rd?"
QUOTED = "s3cret-Pa%2Fss%3Aw%40rd%3F"

Making = Callable[..., SmtpMailer]


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with running() as server:
        yield server


@pytest.fixture
def mailer(server: SmtpServer) -> Iterator[SmtpMailer]:
    with closing(to(server)) as mailer:
        yield mailer


def to(server: SmtpServer, **given: Any) -> SmtpMailer:
    return SmtpMailer("127.0.0.1", server.port, **{"sender": SENDER, "security": "none", "timeout": 10, **given})


def ids(server: SmtpServer) -> list[str]:
    return [str(parsed(message)["message-id"]).partition("@")[0].strip("<") for message in server.messages]


# --- the way there ----------------------------------------------------------------------------------------------------


def test_a_message_arrives_byte_for_byte(server: SmtpServer, mailer: SmtpMailer) -> None:
    from invoicecore_adapters.mail.mime import message_bytes

    sent = a_mail(text=".\n..\n...x\n")
    mailer.send(sent)
    assert server.messages == [message_bytes(sent, SENDER)]
    assert (server.envelopes[0].mail_from, server.envelopes[0].rcpt_tos) == (SENDER, ["alice@example.org"])


def test_a_domain_goes_over_the_wire_in_ascii(server: SmtpServer, mailer: SmtpMailer) -> None:
    mailer.send(a_mail(to="info@münchen.example"))
    assert server.envelopes[0].rcpt_tos == ["info@xn--mnchen-3ya.example"]


def test_it_says_who_it_is_by_its_address(server: SmtpServer, mailer: SmtpMailer) -> None:
    named: list[str] = []

    async def handle_EHLO(wire: Any, session: Any, envelope: Any, hostname: str, answers: list[str]) -> list[str]:
        session.host_name = hostname
        named.append(hostname)
        return answers

    server.handle_EHLO = handle_EHLO  # type: ignore[attr-defined]  # aiosmtpd looks for hooks by name, once per wire
    mailer.send(a_mail())
    assert named == ["[127.0.0.1]"]


def test_one_connection_serves_many_messages(server: SmtpServer, mailer: SmtpMailer) -> None:
    for n in range(5):
        mailer.send(a_mail(id=f"m{n}"))
    assert ids(server) == ["m0", "m1", "m2", "m3", "m4"]
    assert server.connections == 1


def test_starttls_is_used_before_anything_is_said(
    certificate: trustme.LeafCert,  # noqa: F811  # the fixture
    ca_file: Path,  # noqa: F811  # the fixture
) -> None:
    with running(tls="starttls", certificate=certificate, password=PASSWORD) as server:
        url = f"smtp://park:{QUOTED}@127.0.0.1:{server.port}?sender={SENDER}&ca={ca_file}"
        with closing(Plugins.of(mail.plugin).mailer(url)) as mailer:
            mailer.send(a_mail())
        assert server.steps == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "END", "QUIT"]


def test_tls_from_the_first_byte(
    certificate: trustme.LeafCert,  # noqa: F811  # the fixture
    ca_file: Path,  # noqa: F811  # the fixture
) -> None:
    with running(tls="tls", certificate=certificate, password=PASSWORD) as server:
        url = f"smtps://park:{QUOTED}@localhost:{server.port}?sender={SENDER}&ca={ca_file}"
        with closing(Plugins.of(mail.plugin).mailer(url)) as mailer:
            mailer.send(a_mail())
        assert server.steps == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "END", "QUIT"]


def test_ports_follow_from_the_kind_of_connection() -> None:
    url = f"?sender={SENDER}"
    assert "'mx.example.org', 587" in repr(SmtpMailer.from_url(f"smtp://mx.example.org{url}"))
    assert "'mx.example.org', 465" in repr(SmtpMailer.from_url(f"smtps://mx.example.org{url}"))
    assert "'mx.example.org', 25" in repr(SmtpMailer.from_url(f"smtp://mx.example.org{url}&tls=none"))


# --- what it insists on -----------------------------------------------------------------------------------------------


def test_a_server_without_encryption_gets_nothing(server: SmtpServer) -> None:
    with (
        closing(to(server, security="starttls", username="park", password=PASSWORD)) as mailer,
        pytest.raises(MailUnavailable, match="does not offer STARTTLS"),
    ):
        mailer.send(a_mail())
    assert server.steps == ["EHLO"]


@pytest.mark.parametrize("security, tls", [("starttls", "starttls"), ("tls", "tls")])
def test_a_certificate_that_nobody_vouches_for_is_not_taken(
    security: str,
    tls: Any,
    certificate: trustme.LeafCert,  # noqa: F811  # the fixture
) -> None:
    with (
        running(tls=tls, certificate=certificate) as server,
        closing(to(server, security=security)) as mailer,
        pytest.raises(MailUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        mailer.send(a_mail())


def test_a_certificate_for_another_host_is_not_taken(
    authority: trustme.CA,  # noqa: F811  # the fixture
    ca_file: Path,  # noqa: F811  # the fixture
) -> None:
    other = authority.issue_cert("mx.example.org")
    with (
        running(tls="starttls", certificate=other) as server,
        closing(to(server, security="starttls", ca=ca_file)) as mailer,
        pytest.raises(MailUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        mailer.send(a_mail())


def test_a_server_that_does_not_go_on_to_encrypt_gets_nothing(
    certificate: trustme.LeafCert,  # noqa: F811  # the fixture
    ca_file: Path,  # noqa: F811  # the fixture
) -> None:
    with running(tls="starttls", certificate=certificate) as server:
        server.script["STARTTLS"].append("454 4.7.0 not now")
        with (
            closing(to(server, security="starttls", ca=ca_file)) as mailer,
            pytest.raises(MailUnavailable, match=r"454 4\.7\.0 not now"),
        ):
            mailer.send(a_mail())
        assert "MAIL" not in server.steps


def test_a_password_goes_nowhere_where_nobody_asks_for_it(server: SmtpServer) -> None:
    with (
        closing(to(server, username="park", password=PASSWORD)) as mailer,
        pytest.raises(MailUnavailable, match="does not offer to sign in"),
    ):
        mailer.send(a_mail())


def test_a_wrong_password_is_nobodys_refusal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "invoicecore_adapters")
    with running(password="another") as server:
        with closing(to(server, username="park", password=PASSWORD)) as mailer:
            with pytest.raises(MailUnavailable, match="does not let us in: 535") as caught:
                mailer.send(a_mail())
            shown = f"{caught.value} {caught.value!r} {mailer!r} {mailer}"
        assert PASSWORD not in shown
        assert "MAIL" not in server.steps


def test_a_server_that_repeats_the_password_does_not_make_us_repeat_it() -> None:
    from base64 import b64encode

    told = b64encode(f"\0park\0{PASSWORD}".encode()).decode()
    with running(password=PASSWORD) as server:
        server.script["AUTH"] += [f"535 5.7.8 not {told} nor {PASSWORD}"] * 2
        with closing(to(server, username="park", password=PASSWORD)) as mailer, pytest.raises(MailError) as caught:
            mailer.send(a_mail())
    shown: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        shown.append(f"{error} {error!r}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert PASSWORD not in " ".join(shown)
    assert told not in " ".join(shown)


# --- what each answer means -------------------------------------------------------------------------------------------

ANSWERS: list[tuple[str, str, type[MailError]]] = [
    ("EHLO", "550 5.7.1 go away", MailUnavailable),
    ("EHLO", "421 4.3.2 shutting down", MailUnavailable),
    ("MAIL", "550 5.7.1 not your address", MailUnavailable),
    ("MAIL", "530 5.7.0 sign in first", MailUnavailable),
    ("MAIL", "421 4.3.2 shutting down", MailUnavailable),
    ("MAIL", "451 4.3.0 later", MailDeferred),
    ("MAIL", "452 4.3.1 full", MailDeferred),
    ("RCPT", "550 5.1.1 no such user", MailRefused),
    ("RCPT", "554 5.7.1 not wanted", MailRefused),
    ("RCPT", "450 4.2.1 greylisted", MailDeferred),
    ("RCPT", "452 4.2.2 mailbox full", MailDeferred),
    ("RCPT", "421 4.3.2 shutting down", MailDeferred),
    ("RCPT", "530 5.7.0 sign in first", MailUnavailable),
    ("DATA", "554 5.5.1 no", MailRefused),
    ("DATA", "451 4.3.0 later", MailDeferred),
    ("DATA", "421 4.3.2 shutting down", MailDeferred),
    ("END", "552 5.3.4 too big", MailRefused),
    ("END", "554 5.7.1 looks like spam", MailRefused),
    ("END", "451 4.7.1 later", MailDeferred),
    ("END", "421 4.3.2 shutting down", MailDeferred),
]


@pytest.mark.parametrize("step, answer, failure", ANSWERS, ids=[f"{step}-{answer[:3]}" for step, answer, _ in ANSWERS])
def test_an_answer_has_its_failure_and_the_next_message_goes_through(
    step: str, answer: str, failure: type[MailError], server: SmtpServer, mailer: SmtpMailer
) -> None:
    server.script[step].append(answer)
    with pytest.raises(MailError) as caught:
        mailer.send(a_mail(id="first"))
    assert type(caught.value) is failure
    assert answer in caught.value.why
    assert "may have arrived" not in caught.value.why
    mailer.send(a_mail(id="second"))
    assert ids(server) == ["second"]
    assert server.connections == (2 if failure is MailUnavailable or answer.startswith("421") else 1)


def test_a_message_that_was_deferred_goes_through_later(server: SmtpServer, mailer: SmtpMailer) -> None:
    server.script["RCPT"] += ["450 4.2.1 greylisted"]
    with pytest.raises(MailDeferred):
        mailer.send(a_mail())
    mailer.send(a_mail())
    assert ids(server) == ["msg-0001"]


def test_what_is_not_an_answer_is_not_a_yes(server: SmtpServer, mailer: SmtpMailer) -> None:
    server.script["RCPT"].append("hello")
    with pytest.raises(MailUnavailable):
        mailer.send(a_mail())
    server.script["END"].append("hello")
    with pytest.raises(MailDeferred, match="may have arrived"):
        mailer.send(a_mail())


def test_a_servers_answer_comes_in_one_short_line(server: SmtpServer, mailer: SmtpMailer) -> None:
    server.script["RCPT"].append("550-5.1.1 no\r\n550-such\x1b[31m user\r\n550 " + "really " * 60)
    with pytest.raises(MailRefused) as caught:
        mailer.send(a_mail())
    assert caught.value.why.startswith("the server refused the recipient: 550 5.1.1 no such [31m user really")
    assert len(caught.value.why) < 350


def test_a_message_too_big_for_the_server_is_not_sent() -> None:
    with running(size=1000) as server, closing(to(server)) as mailer:
        with pytest.raises(MailRefused, match=r"\d+ bytes and the server takes 1000 at most"):
            mailer.send(a_mail())
        assert "RCPT" not in server.steps


def test_a_connection_that_cannot_take_a_message_back_is_made_again(server: SmtpServer, mailer: SmtpMailer) -> None:
    server.script["RCPT"].append("550 5.1.1 no such user")
    server.script["RSET"].append("500 what?")
    with pytest.raises(MailRefused):
        mailer.send(a_mail(id="first"))
    mailer.send(a_mail(id="second"))
    assert (ids(server), server.connections) == (["second"], 2)


# --- lost on the way --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last_words", [b"", b"421 4.4.2 idle for too long\r\n"], ids=["silently", "with a word"])
def test_a_connection_that_the_server_closed_is_made_again(
    last_words: bytes, server: SmtpServer, mailer: SmtpMailer
) -> None:
    mailer.send(a_mail(id="first"))
    server.hang_up(last_words)
    mailer.send(a_mail(id="second"))
    assert ids(server) == ["first", "second"]
    assert server.connections == 2


def test_an_encrypted_connection_that_the_server_closed_is_made_again(
    certificate: trustme.LeafCert,  # noqa: F811  # the fixture
    ca_file: Path,  # noqa: F811  # the fixture
) -> None:
    with (
        running(tls="starttls", certificate=certificate) as server,
        closing(to(server, security="starttls", ca=ca_file)) as mailer,
    ):
        mailer.send(a_mail(id="first"))
        server.hang_up()
        mailer.send(a_mail(id="second"))
        assert ids(server) == ["first", "second"]


def test_it_is_made_again_once_and_not_for_ever(server: SmtpServer, mailer: SmtpMailer) -> None:
    mailer.send(a_mail(id="first"))
    server.script["MAIL"] += [Act.DROP, Act.DROP, Act.DROP]
    with pytest.raises(MailUnavailable, match="closed the connection"):
        mailer.send(a_mail(id="second"))
    assert server.connections == 2


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_connection_lost_before_the_message_leaves_no_doubt(
    step: str, server: SmtpServer, mailer: SmtpMailer
) -> None:
    server.script[step].append(Act.DROP)
    with pytest.raises(MailDeferred, match="before the message was handed over") as caught:
        mailer.send(a_mail())
    assert type(caught.value) is MailDeferred
    assert (server.messages, server.connections) == ([], 1)


@pytest.mark.parametrize("step, arrived", [("MIDDLE", 0), ("END", 1)])
def test_a_connection_lost_after_the_message_leaves_a_doubt_and_it_is_not_sent_again(
    step: str, arrived: int, server: SmtpServer, mailer: SmtpMailer
) -> None:
    server.script[step].append(Act.DROP)
    with pytest.raises(MailDeferred, match="may have arrived") as caught:
        mailer.send(a_mail())
    assert type(caught.value) is MailDeferred
    assert (len(server.messages), server.connections) == (arrived, 1)
    mailer.send(a_mail())
    assert len(server.messages) == arrived + 1
    assert len(set(ids(server))) == 1, "the repeat can be told by its Message-ID"


@pytest.mark.parametrize("step, doubt", [("EHLO", False), ("RCPT", False), ("END", True)])
def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_told(
    step: str, doubt: bool, server: SmtpServer
) -> None:
    server.script[step].append(Act.HANG)
    with closing(to(server, timeout=0.2)) as mailer:
        with pytest.raises(MailDeferred, match=r"no answer within 0\.2 seconds") as caught:
            mailer.send(a_mail())
        assert ("may have arrived" in caught.value.why) is doubt
        mailer.send(a_mail(id="next"))
    assert ids(server)[-1] == "next"


@pytest.mark.parametrize("listening, why", [(False, "refused"), (True, "no answer within 0.2 seconds")])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_is_not_there_is_unavailable(listening: bool, why: str, security: Any) -> None:
    with port_where_nobody_answers(listening=listening) as port:
        mailer = SmtpMailer("127.0.0.1", port, sender=SENDER, security=security, timeout=0.2)
        with pytest.raises(MailUnavailable, match=why):
            mailer.send(a_mail())


def test_an_interrupt_leaves_no_half_conversation_behind(
    server: SmtpServer, mailer: SmtpMailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import smtplib

    def interrupted(self: smtplib.SMTP) -> tuple[int, bytes]:
        raise KeyboardInterrupt

    mailer.send(a_mail(id="first"))
    with monkeypatch.context() as patch:
        patch.setattr(smtplib.SMTP, "getreply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            mailer.send(a_mail(id="second"))
    mailer.send(a_mail(id="third"))
    assert ids(server) == ["first", "third"]


def test_closing_says_goodbye_and_leaves_nothing_open(server: SmtpServer) -> None:
    mailer = to(server)
    mailer.close()
    mailer.send(a_mail())
    mailer.close()
    mailer.close()
    server.wait_until_nobody_is_there()
    assert (server.connections, server.steps[-1]) == (1, "QUIT")


def test_closing_a_connection_that_is_gone_is_no_error(server: SmtpServer) -> None:
    mailer = to(server)
    mailer.send(a_mail())
    server.hang_up()
    mailer.close()


# --- how it is wired --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field, given",
    [
        ("host", {"host": ""}),
        ("host", {"host": "mx.example.org/x"}),
        ("host", {"host": "mx\r\n.example.org"}),
        ("port", {"port": 65_536}),
        ("sender", {"sender": "Les Pins <a@example.org>"}),
        ("sender", {"sender": ""}),
        ("sender", {"sender": "a@example.org\r\nX: y"}),
        ("timeout", {"timeout": 0}),
        ("timeout", {"timeout": float("nan")}),
        ("timeout", {"timeout": 601}),
        ("username", {"password": PASSWORD}),
        ("password", {"username": "park"}),
        ("password", {"username": "park", "password": "pässword"}),
        ("security", {"security": "ssl"}),
        ("security", {"security": "none", "username": "park", "password": PASSWORD}),
        ("ca", {"ca": "/nowhere/ca.pem"}),
        ("ca", {"ca": __file__}),
    ],
)
def test_a_wrong_setting_is_refused_by_name(field: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as caught:
        SmtpMailer(**{"host": "mx.example.org", "sender": SENDER, **given})
    assert caught.value.field == field
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_a_password_may_go_unencrypted_to_this_machine(host: str) -> None:
    SmtpMailer(host, sender=SENDER, username="park", password=PASSWORD, security="none")


URLS: list[tuple[str, str]] = [
    ("url", "smtp://mx.example.org:port?sender=a@b.example"),
    ("url", f"smtp://park:{PASSWORD}@mx.example.org?sender=a@b.example"),
    ("url", "smtp://park:s3cret#x@mx.example.org?sender=a@b.example"),
    ("url", "smtp://park:12#s3cret@mx.example.org?sender=a@b.example"),
    ("url", "smtp://mx.example.org?sender=a@b.example#x"),
    ("url", "smtp://park:s3cret/x@mx.example.org?sender=a@b.example"),
    ("url", "smtp://park:s3cret?x@mx.example.org?sender=a@b.example"),
    ("url", "smtp://park:s3cret[x@mx.example.org?sender=a@b.example"),
    ("url", "smtp://park:s3cret%ff@mx.example.org?sender=a@b.example"),
    ("url", "smtp://park:s3cret@mx.example.org/path?sender=a@b.example"),
    ("url", "smtp://park:s3cret@mx.example.org?sender=a@b.example&s3cret=1"),
    ("url", "smtp://park:s3cret@mx.example.org?sender=a@b.example&sender=c@d.example"),
    ("url", "smtp://park:s3cret@mx.example.org?sender=a@b.example&s3cret"),
    ("host", "smtp://park:s3cret@?sender=a@b.example"),
    ("host", "smtp://?sender=a@b.example"),
    ("port", "smtp://park:s3cret@mx.example.org:0?sender=a@b.example"),
    ("sender", "smtp://park:s3cret@mx.example.org"),
    ("sender", "smtp://park:s3cret@mx.example.org?sender=nobody"),
    ("timeout", "smtp://park:s3cret@mx.example.org?sender=a@b.example&timeout=soon"),
    ("timeout", "smtp://park:s3cret@mx.example.org?sender=a@b.example&timeout=-1"),
    ("timeout", "smtp://park:s3cret@mx.example.org?sender=a@b.example&timeout=nan"),
    ("tls", "smtp://park:s3cret@mx.example.org?sender=a@b.example&tls=maybe"),
    ("tls", "smtps://park:s3cret@mx.example.org?sender=a@b.example&tls=none"),
    ("security", "smtp://park:s3cret@mx.example.org?sender=a@b.example&tls=none"),
    ("ca", "smtp://park:s3cret@mx.example.org?sender=a@b.example&ca=/nowhere.pem"),
    ("password", "smtp://park@mx.example.org?sender=a@b.example"),
]


@pytest.mark.parametrize("field, url", URLS)
def test_a_wrong_url_is_refused_by_the_field_and_never_shows_the_password(field: str, url: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Plugins.of(mail.plugin).mailer(url)
    error: BaseException | None = caught.value
    assert caught.value.field == field
    while error is not None:
        assert "s3cret" not in f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_what_it_looks_like_never_has_the_password_in_it() -> None:
    mailer = SmtpMailer.from_url(f"smtp://park:{QUOTED}@mx.example.org?sender={SENDER}")
    shown = f"{mailer} {mailer!r}"
    assert shown.count("SmtpMailer('mx.example.org', 587, sender='billing@example.com', username='park'") == 2
    assert PASSWORD not in shown
    assert QUOTED not in shown


def test_no_thread_of_a_test_server_is_left(server: SmtpServer) -> None:
    names = [thread.name for thread in threading.enumerate() if "run_forever" in thread.name]
    assert len(names) == 1
