"""What every mailer must do: adopt this class, pass, and notices, reminders and receipts arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.errors import MailRefused, MailUnavailable
from invoicecore.ports import Attachment, Composed, Mail, Mailer
from invoicecore.testing.checks import all_at_once, examples, rule

Received = Callable[[], Sequence[bytes | EmailMessage]]
"""What has arrived so far: each message as bytes, or as the standard library parses it with `policy.default`."""

HEADERS = frozenset(
    "from to reply-to subject date message-id content-language auto-submitted mime-version content-type "
    "content-transfer-encoding".split()
)
"""The headers an e-mail has of itself; what arrives may have more, added on the way, but none of a person's making."""

SMUGGLED = "x-smuggled"
"""The header that hostile texts try to add."""

HOSTILE = {
    "a header": f"Hello\r\n{SMUGGLED}: yes",
    "a header after a bare line feed": f"Hello\n{SMUGGLED}: yes",
    "a header after a bare return": f"Hello\r{SMUGGLED}: yes",
    "a header in a folded line": f"Hello\r\n {SMUGGLED}: yes\r\n{SMUGGLED}: yes",
    "a body": f"Hello\r\n\r\n{SMUGGLED}: yes",
    "line ends of Unicode": f"Hello\u2028{SMUGGLED}: yes\u2029{SMUGGLED}: yes\x85{SMUGGLED}: yes",
    "an encoded line end": f"=?utf-8?q?Hello=0D=0A{SMUGGLED}:_yes?=",
    "NUL": f"Hello\0\r\n{SMUGGLED}: yes\0",
    "the end of a message": f"Hello\r\n.\r\n{SMUGGLED}: yes",
    "text that turns around": "invoice\u202efdp.exe\u2066",
    "quotes and brackets": f'"Hello" <x@example.org>, \\" {SMUGGLED}: yes',
    "emoji": "Hello \N{PARTY POPPER}\N{FAMILY}\N{ZERO WIDTH JOINER}\N{WOMAN}",
    "half a character": "Hello \ud83d",
    "10 kB": f"Hello {SMUGGLED}: yes " * 440,
    "10 kB in one word": "Hello" * 2048,
}
"""Texts that a person may have entered, or somebody who means harm."""

SMALL_TEXT = st.lists(
    st.sampled_from(
        [f"\r\n{SMUGGLED}: yes", f"\n{SMUGGLED}: yes", "\r\n\r\n", "\r", "\0", '"', "<", ">", "\\", "=?", "é"]
    )
    | st.characters(exclude_categories=["Cs"]),
    max_size=60,
).map("".join)


def mail(id: str = "contract-1", **changes: object) -> Mail:
    """An e-mail as the desk makes them; the changes are Mail's fields."""
    whole = Mail(
        id=id,
        to_name="Élodie Tremblay-Côté",
        to="elodie@example.org",
        sender="Camping « Les Pins »",
        reply_to="office@example.net",
        language="fr-CA",
        date=datetime(2026, 4, 24, 9, 30, tzinfo=UTC),
        content=Composed(
            subject="Votre facture INV-000012 : 1\N{NARROW NO-BREAK SPACE}620,00\N{NO-BREAK SPACE}$ à payer",
            text="Bonjour Élodie,\n\n.\n..deux points\nFrom here on\n" + "long " * 400 + "\n\nÀ bientôt\n",
            html='<!DOCTYPE html>\n<html lang="fr"><body><p>Bonjour <bdi>Élodie</bdi> &amp; Cie\n.\n</p></body></html>\n',
        ),
        attachments=(
            Attachment(filename="INV-000012.pdf", media_type="application/pdf", content=bytes(range(256)) * 160),
            Attachment(filename="Reçu n° 7.csv", media_type="text/csv", content=b"a;b\r\n.\r\n1;2\n"),
        ),
    )
    return attrs.evolve(whole, **changes)  # type: ignore[arg-type]  # Mail's own fields


class MailerContract:
    """The contract of `invoicecore.ports.Mailer`, as tests to inherit.

    Give two fixtures: `mailer`, which sends to something of the test's own, and `received`, a function that returns
    what has arrived there so far, in any order:

        class TestMyMailer(MailerContract):
            @pytest.fixture
            def mailer(self, sandbox):
                return MyMailer(sandbox.url, sender="billing@example.com")

            @pytest.fixture
            def received(self, sandbox):
                return sandbox.messages

    What arrives late may be waited for in `received`. A mailer is closed after its test. A third fixture,
    `unreachable`, is a mailer whose server is down: one test is skipped without it.
    """

    @pytest.fixture
    def unreachable(self) -> Mailer:
        pytest.skip("no fixture `unreachable`: give a mailer whose server is down")

    @pytest.fixture(autouse=True)
    def _closed(self, mailer: Mailer) -> Iterator[None]:
        yield
        mailer.close()

    @rule("R12")
    def test_an_e_mail_arrives_whole(self, mailer: Mailer, received: Received) -> None:
        sent = mail()
        mailer.send(sent)
        got = arrived(received, sent)
        assert str(got["subject"]) == sent.content.subject
        assert _name_and_address(got, "to") == (sent.to_name, sent.to)
        assert _name_and_address(got, "from")[0] == sent.sender
        assert _name_and_address(got, "reply-to")[1] == sent.reply_to
        assert parsedate_to_datetime(str(got["date"])) == sent.date
        assert _text(got, "plain") == sent.content.text.rstrip()
        assert _text(got, "html") == sent.content.html.rstrip()
        files = [(one.get_filename(), one.get_content_type(), _bytes(one)) for one in got.iter_attachments()]
        assert files == [(one.filename, one.media_type, one.content) for one in sent.attachments]

    @rule("R12")
    def test_an_e_mail_without_attachments_or_reply_address_arrives(self, mailer: Mailer, received: Received) -> None:
        sent = mail(attachments=(), reply_to=None)
        mailer.send(sent)
        got = arrived(received, sent)
        assert _text(got, "plain") == sent.content.text.rstrip()
        assert _text(got, "html") == sent.content.html.rstrip()
        assert list(got.iter_attachments()) == []

    @rule("R7")
    def test_a_repeat_has_the_message_id_of_the_first(self, mailer: Mailer, received: Received) -> None:
        mailer.send(mail("repeat-1"))
        mailer.send(mail("repeat-1", date=datetime(2026, 4, 25, 9, 30, tzinfo=UTC)))
        mailer.send(mail("repeat-2"))
        ids = {str(got["message-id"]) for got in _parsed(received)}
        assert len(ids) == 2, f"two e-mails, one of them sent twice, have the Message-IDs {sorted(ids)}"
        assert all(one.endswith(">") and "@" in one for one in ids)
        assert sorted(one.partition("@")[0] for one in ids) == ["<repeat-1", "<repeat-2"]

    def test_it_answers_no_machine(self, mailer: Mailer, received: Received) -> None:
        sent = mail()
        mailer.send(sent)
        assert arrived(received, sent)["auto-submitted"] == "auto-generated", "absence notices would come back to it"

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    @pytest.mark.parametrize("field", ["subject", "to_name", "sender", "filename", "language", "media_type"])
    def test_no_text_adds_a_header(self, mailer: Mailer, received: Received, field: str, text: str) -> None:
        sent = _with(field, text)
        mailer.send(sent)
        got = arrived(received, sent)
        _is_sound(got)
        assert _text(got, "plain") == sent.content.text.rstrip()
        assert [_bytes(file) for file in got.iter_attachments()] == [file.content for file in sent.attachments]
        shown = {"subject": got["subject"], "to_name": _name(got, "to"), "sender": _name(got, "from")}.get(field)
        if shown is not None and text.startswith("Hello"):
            assert "Hello" in str(shown), f"nothing of the {field} arrived: {shown!r}"

    def test_no_text_of_a_person_adds_a_header_or_a_part(self, mailer: Mailer, received: Received) -> None:
        numbers = iter(range(1_000_000))

        @examples(25)
        @given(subject=SMALL_TEXT, to_name=SMALL_TEXT, sender=SMALL_TEXT, text=SMALL_TEXT, filename=SMALL_TEXT)
        def check(subject: str, to_name: str, sender: str, text: str, filename: str) -> None:
            sent = mail(
                f"any-{next(numbers)}",
                to_name=to_name,
                sender=sender,
                content=Composed(subject=subject, text=text, html="<p>x</p>"),
                attachments=(Attachment(filename=filename, media_type="application/pdf", content=b"x"),),
            )
            mailer.send(sent)
            got = arrived(received, sent)
            _is_sound(got)
            assert len(list(got.iter_attachments())) == 1
            assert _name_and_address(got, "to")[1] == sent.to

        check()

    @pytest.mark.parametrize(
        "address",
        [
            "a@example.org\r\nX-Smuggled: yes",
            "a@example.org\nRCPT TO:<b@example.org>",
            "a@example.org, b@example.org",
            "a@example.org>, <b@example.org",
            "a b@example.org",
            "example.org",
            "@example.org",
            "a@",
            "",
        ],
    )
    @pytest.mark.parametrize("field", ["to", "reply_to"])
    def test_what_is_not_one_address_is_refused(
        self, mailer: Mailer, received: Received, field: str, address: str
    ) -> None:
        if field == "reply_to" and not address:
            return  # there is none
        before = len(received())
        with pytest.raises(MailRefused):
            mailer.send(mail(**{field: address}))
        assert len(received()) == before

    def test_a_refused_e_mail_does_not_spoil_the_next_one(self, mailer: Mailer, received: Received) -> None:
        with pytest.raises(MailRefused):
            mailer.send(mail("bad", to="nobody"))
        sent = mail("good")
        mailer.send(sent)
        arrived(received, sent)

    def test_a_server_that_is_down_is_told_as_such(self, unreachable: Mailer) -> None:
        """The e-mail is kept and tried again; no answer at all would say that it was sent."""
        with pytest.raises(MailUnavailable):
            unreachable.send(mail())
        unreachable.close()

    def test_many_e_mails_go_through_one_mailer(self, mailer: Mailer, received: Received) -> None:
        for n in range(30):
            mailer.send(mail(f"many-{n}", to=f"n{n}@example.org"))
        got = {str(one["message-id"]).partition("@")[0]: _name_and_address(one, "to")[1] for one in _parsed(received)}
        assert got == {f"<many-{n}": f"n{n}@example.org" for n in range(30)}

    @rule("R7")
    def test_threads_that_send_at_once_never_mix_two_letters(self, mailer: Mailer, received: Received) -> None:
        """Nobody gets what was meant for somebody else."""

        def send(thread: int) -> None:
            for n in range(8):
                name = f"t{thread}-{n}"
                mailer.send(
                    mail(name, to=f"{name}@example.org", content=attrs.evolve(mail().content, text=f"for {name}"))
                )

        all_at_once(4, send)  # raises what one of them raised
        got = {_name_and_address(one, "to")[1]: _text(one, "plain") for one in _parsed(received)}
        assert got == {f"t{i}-{n}@example.org": f"for t{i}-{n}" for i in range(4) for n in range(8)}

    def test_it_sends_again_after_it_was_closed(self, mailer: Mailer, received: Received) -> None:
        mailer.close()
        mailer.send(mail("first"))
        mailer.close()
        mailer.close()
        mailer.send(mail("second"))
        ids = sorted(str(got["message-id"]).partition("@")[0] for got in _parsed(received))
        assert ids == ["<first", "<second"]


def arrived(received: Received, sent: Mail) -> EmailMessage:
    """The one message that arrived for `sent`."""
    found = [got for got in _parsed(received) if str(got["message-id"]).startswith(f"<{sent.id}@")]
    assert len(found) == 1, f"{len(found)} messages with the id {sent.id!r} arrived"
    return found[0]


def _parsed(received: Received) -> list[EmailMessage]:
    return [message_from_bytes(one, policy=policy.default) if isinstance(one, bytes) else one for one in received()]


def _with(field: str, text: str) -> Mail:
    sent = mail("hostile-1")
    if field == "subject":
        return attrs.evolve(sent, content=attrs.evolve(sent.content, subject=text))
    if field in ("filename", "media_type"):
        first, *rest = sent.attachments
        changed = attrs.evolve(first, **{field: text})  # type: ignore[arg-type]  # both fields are texts
        return attrs.evolve(sent, attachments=(changed, *rest))
    return attrs.evolve(sent, **{field: text})  # type: ignore[arg-type]  # the other fields are texts


def _is_sound(got: EmailMessage) -> None:
    """One of each header, none that a text has made, and the parts a Mail has."""
    names = [name.lower() for part in got.walk() for name in part.keys()]  # noqa: SIM118  # a message yields no keys
    assert SMUGGLED not in names, "a person's text became a header"
    top = [name.lower() for name in got.keys() if name.lower() in HEADERS]  # noqa: SIM118  # as above
    assert len(top) == len(set(top)), f"a header is there twice: {sorted(top)}"
    kinds = [part.get_content_type() for part in got.walk() if not part.is_multipart()]
    assert kinds[:2] == ["text/plain", "text/html"]
    for part in got.walk():
        assert not part.defects, f"{part.get_content_type()}: {part.defects}"
    for name in (got.get_filename() or "" for got in got.iter_attachments()):
        assert not set(name) & set("\r\n\0/\u202e"), f"a file is named {name!r}"


def _text(got: EmailMessage, kind: str) -> str:
    part = got.get_body((kind,))
    assert part is not None, f"there is no {kind} text"
    return str(part.get_content()).replace("\r\n", "\n").rstrip()


def _bytes(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def _name_and_address(got: EmailMessage, header: str) -> tuple[str, str]:
    # As it was written: not every version of the library joins two encoded words of a name without a space.
    raw = next(value for name, value in got.raw_items() if name.lower() == header)
    name, address = parseaddr(" ".join(str(raw).split()))
    return str(make_header(decode_header(name))), address


def _name(got: EmailMessage, header: str) -> str:
    return _name_and_address(got, header)[0]
