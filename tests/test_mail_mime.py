"""The bytes of an e-mail: what comes out of a parser is what went in, and the same e-mail is always the same bytes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from invoicecore.errors import MailRefused
from invoicecore.ports import Attachment
from invoicecore_adapters.mail.headers import ascii_address, one_line, parameter, unstructured
from invoicecore_adapters.mail.mime import message_bytes
from mails import SENDER, a_mail, body, parsed

ANYTHING = st.text(max_size=300)
NO_HALVES = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
LATIN = st.text("abc éàç'\"\\()<>,;:=?_-.€\N{NO-BREAK SPACE}日本\N{PARTY POPPER}", max_size=200)


def message(**changes: object) -> EmailMessage:
    return parsed(message_bytes(a_mail(**changes), SENDER))


def name_in(header: str, got: EmailMessage) -> str:
    """The display name as RFC 2047 has it: some versions of the library's own parser put a space between two words."""
    raw = next(value for name, value in got.raw_items() if name.lower() == header)
    name, _ = parseaddr(" ".join(str(raw).split()))
    return str(make_header(decode_header(name)))


# --- headers ----------------------------------------------------------------------------------------------------------


def test_the_headers_are_those_of_a_letter_from_a_machine() -> None:
    got = message()
    assert dict(got.items()) | {"Content-Type": ""} == {
        "From": "Les Pins <billing@example.com>",
        "To": "Alice Martin <alice@example.org>",
        "Reply-To": "office@les-pins.example",
        "Subject": "Invoice INV-000012 from Les Pins",
        "Date": "Fri, 24 Apr 2026 09:30:00 +0000",
        "Message-ID": "<msg-0001@example.com>",
        "Content-Language": "en",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": "",
    }


def test_the_parts_are_nested_as_every_mail_program_expects() -> None:
    assert [part.get_content_type() for part in message().walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/pdf",
    ]
    assert [part.get_content_type() for part in message(attachments=()).walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_the_same_e_mail_is_the_same_bytes() -> None:
    assert message_bytes(a_mail(), SENDER) == message_bytes(a_mail(), SENDER)


def test_another_e_mail_has_other_boundaries() -> None:
    assert message().get_boundary() != message(id="msg-0002").get_boundary()


def test_the_message_id_is_made_of_the_id_and_the_senders_domain_only() -> None:
    later = {"date": datetime(2027, 1, 1, tzinfo=UTC), "subject": "Other", "to": "bob@example.net"}
    assert message()["message-id"] == message(**later)["message-id"] == "<msg-0001@example.com>"
    assert parsed(message_bytes(a_mail(), "billing@täst.example"))["message-id"] == "<msg-0001@xn--tst-qla.example>"


def test_the_date_is_the_e_mails_own_in_its_own_zone() -> None:
    summer = datetime(2026, 7, 1, 8, 0, tzinfo=timezone(timedelta(hours=2)))
    assert message(date=summer)["date"] == "Wed, 01 Jul 2026 08:00:00 +0200"


@settings(max_examples=300, deadline=None)
@given(text=ANYTHING | LATIN)
@example(text="=?utf-8?q?=41?=")
@example(text="x" * 3000)
@example(text="word " * 300)
@example(text="\N{PARTY POPPER}" * 100)
@example(text="a\N{NO-BREAK SPACE}: b")
def test_a_subject_comes_back_in_one_line(text: str) -> None:
    got = message(subject=text)
    assert str(got["subject"]) == one_line(text)
    assert len(got.keys()) == 10


@settings(max_examples=300, deadline=None)
@given(name=ANYTHING | LATIN)
@example(name="Résidence Les Jardins de la Forêt Boréale de Montréal-Nord, 2ᵉ étage")
@example(name='Smith, John "Jack" \\ (boss) <x@y.example>')
@example(name="=?utf-8?q?=41?=")
@example(name="a" * 400)
def test_names_come_back_and_addresses_stay_what_they_are(name: str) -> None:
    got = message(to_name=name, sender=name)
    assert name_in("to", got) == name_in("from", got) == one_line(name)
    assert [one.addr_spec for one in got["to"].addresses] == ["alice@example.org"]
    assert [one.addr_spec for one in got["from"].addresses] == [SENDER]


@pytest.mark.parametrize(
    "name", ["Les Pins", "O'Brien & Söhne", "Camping « Les Pins »", "Élodie Tremblay-Côté", "日本旅館"]
)
def test_the_librarys_own_parser_reads_usual_names(name: str) -> None:
    assert message(sender=name)["from"].addresses[0].display_name == name


@settings(max_examples=300, deadline=None)
@given(name=ANYTHING | LATIN)
@example(name="../../etc/passwd")
@example(name="Facture n° 12 — été.pdf")
@example(name="=?utf-8?q?=41?=.pdf")
@example(name="\N{PARTY POPPER}" * 140 + ".pdf")
def test_a_file_keeps_its_name_but_for_what_leads_elsewhere(name: str) -> None:
    (file,) = message(attachments=(Attachment(filename=name, media_type="a/b", content=b"x"),)).iter_attachments()
    got = file.get_filename() or ""
    wanted = re.sub(r'[<>:"/\\|?*]', "-", one_line(name)).strip() or "attachment"
    assert got == wanted or (len(wanted) > 150 and len(got) <= 150)


def test_a_long_file_name_keeps_its_ending() -> None:
    (file,) = message(
        attachments=(Attachment(filename="x" * 500 + ".pdf", media_type="application/pdf", content=b""),)
    ).iter_attachments()
    assert re.fullmatch(r"x{146}\.pdf", file.get_filename() or "")


@pytest.mark.parametrize(
    "given, kind",
    [
        ("application/pdf", "application/pdf"),
        ("Text/CSV", "text/csv"),
        ("text/plain; charset=x\r\nX: y", "application/octet-stream"),
        ("message/rfc822", "application/octet-stream"),
        ("multipart/mixed", "application/octet-stream"),
        ("pdf", "application/octet-stream"),
    ],
)
def test_a_media_type_is_one_or_is_bytes(given: str, kind: str) -> None:
    (file,) = message(attachments=(Attachment(filename="x", media_type=given, content=b"x"),)).iter_attachments()
    assert file.get_content_type() == kind


def test_a_language_that_is_none_is_left_out() -> None:
    assert message(language="fr-CA")["content-language"] == "fr-CA"
    assert "content-language" not in message(language="fr\r\nX: y")


# --- contents ---------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(text=NO_HALVES, html=NO_HALVES, content=st.binary(max_size=500))
@example(text=".\n..\nFrom \n--=_a_x\n" + " " * 100, html="=\n=2E\n \n", content=b"")
@example(text="é" * 2000, html="\t\n \t \n", content=b"\0" * 57)
def test_texts_and_files_come_back(text: str, html: str, content: bytes) -> None:
    got = message(text=text, html=html, attachments=(Attachment(filename="x", media_type="a/b", content=content),))
    for kind, given_ in (("plain", text), ("html", html)):
        plain_ends = given_.replace("\r\n", "\n").replace("\r", "\n")
        assert body(got, kind) == re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", plain_ends)
    (file,) = got.iter_attachments()
    assert file.get_payload(decode=True) == content


@settings(max_examples=100, deadline=None)
@given(subject=ANYTHING, name=ANYTHING, text=ANYTHING, filename=ANYTHING)
@example(subject="x" * 1200, name="y" * 1200, text="z" * 1200, filename="w" * 1200)
def test_every_line_is_one_that_every_server_takes(subject: str, name: str, text: str, filename: str) -> None:
    raw = message_bytes(
        a_mail(
            subject=subject,
            to_name=name,
            text=text,
            attachments=(Attachment(filename=filename, media_type="application/pdf", content=b"x" * 1000),),
        ),
        SENDER,
    )
    assert raw.isascii()
    assert b"\0" not in raw
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= (78 if len(subject) < 1000 else 998)
    head = lines[: lines.index(b"")]
    assert all(line.strip() for line in head), "a header line is empty"


def test_lines_of_encoded_words_are_as_short_as_they_must_be() -> None:
    for line in unstructured("Subject", "é" * 500).split("\r\n"):
        assert len(line) <= 76
        assert re.fullmatch(r"(Subject:)? =\?utf-8\?[bq]\?[!->@-~]+\?=", line)


@given(st.text("aé日\N{PARTY POPPER}", min_size=60, max_size=100))
def test_an_encoded_word_never_has_half_a_character(text: str) -> None:
    words = unstructured("Subject", text).removeprefix("Subject: ").split("\r\n ")
    assert "".join(str(make_header(decode_header(word))) for word in words) == text


def test_a_file_name_in_pieces_never_cuts_a_letter() -> None:
    pieces = re.findall(r"\*\d+\*=(.*?)(?:;|$)", parameter("filename", "é" * 100).replace("\r\n", ""))
    assert len(pieces) > 1
    assert all(re.fullmatch(r"(utf-8'')?(%[0-9A-F]{2})+", piece) for piece in pieces)


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written, wire",
    [
        ("alice@example.org", "alice@example.org"),
        ("a.b+c@sub.example.org", "a.b+c@sub.example.org"),
        ("billing@localhost", "billing@localhost"),
        ("élu@example.org".replace("é", "e"), "elu@example.org"),
        ("info@münchen.example", "info@xn--mnchen-3ya.example"),
        ("info@MÜNCHEN.example", "info@xn--mnchen-3ya.example"),
        ("info@xn--mnchen-3ya.example", "info@xn--mnchen-3ya.example"),
    ],
)
def test_a_domain_is_written_in_ascii(written: str, wire: str) -> None:
    assert ascii_address(written) == wire


@pytest.mark.parametrize(
    "address, why",
    [
        ("", "has no @"),
        ("alice", "has no @"),
        ("élodie@example.org", "letters beyond ASCII before the @"),
        ("a@b@example.org", "not a mailbox's name"),
        (".a@example.org", "not a mailbox's name"),
        ("a" * 65 + "@example.org", "not a mailbox's name"),
        ("alice@example.org\n", "not a domain's name"),
        ("alice@exa mple.org", "not a domain's name"),
        ("alice@example..org", "not a domain's name"),
        ("alice@" + "a" * 64 + ".org", "not a domain's name"),
        ("alice@é\u2028.org", "not a domain's name"),
        ("alice@" + "é" * 64 + ".org", "not a domain's name"),
        ("alice@straße.example", "ambiguous"),
        ("alice@" + "a." * 130 + "org", "longer than an address can be"),
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(address: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ascii_address(address)
    with pytest.raises(MailRefused, match=why):
        message_bytes(a_mail(to=address), SENDER)


@settings(max_examples=300, deadline=None)
@given(address=ANYTHING | st.emails() | st.from_regex(r".+@.+\..+", fullmatch=True))
def test_an_address_is_plain_or_refused(address: str) -> None:
    try:
        wire = ascii_address(address)
    except ValueError:
        return
    assert re.fullmatch(r"[!-;=?-~]+@[A-Za-z0-9._-]+", wire)
    got = message(to=address)["to"].addresses
    assert [one.addr_spec for one in got] == [wire]


@pytest.mark.parametrize("id", ["", "../x", "a b", "a\r\nb", "a>b", ".x", "a..b", "x" * 201, "é", "a@b"])
def test_an_id_that_no_message_id_can_be_made_of_is_refused(id: str) -> None:
    with pytest.raises(MailRefused, match="no Message-ID can be made"):
        message_bytes(a_mail(id=id), SENDER)


def test_a_refusal_shows_no_line_ends_and_not_all_of_a_long_text() -> None:
    with pytest.raises(MailRefused) as caught:
        message_bytes(a_mail(to="x\r\ny" * 10_000), SENDER)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_parameter_that_could_be_read_as_something_else_is_encoded() -> None:
    assert parameter("name", 'a "b" \\c') == ';\r\n name="a \\"b\\" \\\\c"'
    assert parameter("name", "=?utf-8?q?=41?=") == ";\r\n name*=utf-8''%3D%3Futf-8%3Fq%3F%3D41%3F%3D"
