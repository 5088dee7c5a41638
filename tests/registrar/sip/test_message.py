"""RFC 3261 §7, §8.2, §18: messages parsed, refused and answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.sip.errors import ParseError
from registrar.sip.message import BadMessage, Request, Response, parse, respond

REGISTER = (
    b"REGISTER sip:office SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.168.1.7:49152;rport;branch=z9hG4bK1\r\n"
    b'From: "Ann" <sip:1002@office>;tag=a1\r\n'
    b"To: <sip:1002@office>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 7 REGISTER\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def with_header(line: bytes) -> bytes:
    return REGISTER.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")


def without(name: bytes) -> bytes:
    return b"\r\n".join(line for line in REGISTER.split(b"\r\n") if not line.startswith(name))


def test_parts() -> None:
    message = request(REGISTER)
    assert (message.method, message.uri, message.call_id) == ("REGISTER", "sip:office", "c1")
    assert message.cseq.number == 7
    assert message.from_.name == "Ann"
    assert message.contacts == []


def test_compact_folded_and_oddly_cased() -> None:
    message = request(
        b"\r\nREGISTER sip:office SIP/2.0\r\n"
        b"v: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
        b"f : sip:1002@office;tag=a1\r\n"
        b"TO:\r\n  sip:1002@office\r\n"
        b"i: c1\r\n"
        b"cseq: 7\r\n\tREGISTER\r\n"
        b"m: <sip:a@b>;q=0.5,\r\n  <sip:c@d>\r\n"
        b"m: sip:e@f\r\n"
        b"l: 0\r\n\r\n"
    )
    assert message.to.uri == "sip:1002@office"
    assert message.contacts is not None
    assert [contact.uri for contact in message.contacts] == ["sip:a@b", "sip:c@d", "sip:e@f"]


def test_star() -> None:
    assert request(with_header(b"Contact: *")).contacts is None
    with pytest.raises(ParseError, match="beside other contacts"):
        _ = request(with_header(b"Contact: *, <sip:a@b>")).contacts


def test_body_is_cut_to_content_length() -> None:
    data = REGISTER.replace(b"Content-Length: 0", b"Content-Length: 4") + b"bodyjunk"
    assert request(data).body == b"body"


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (without(b"To"), 400, "Missing To"),
        (without(b"From"), 400, "Missing From"),
        (without(b"Call-ID"), 400, "Missing Call-Id"),
        (without(b"CSeq"), 400, "Missing Cseq"),
        (without(b"Via"), 400, "Missing Via"),
        (with_header(b"CSeq: 8 REGISTER"), 400, "Repeated Cseq"),
        (with_header(b"no colon"), 400, "Bad header line"),
        (with_header(b"X: a\rY: b"), 400, "Bad header line"),
        (with_header(b"X: a\0b"), 400, "Bad header line"),
        (REGISTER.replace(b"7 REGISTER", b"7 INVITE"), 400, "CSeq method"),
        (REGISTER.replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), 505, "Version Not Supported"),
        (REGISTER.replace(b"Length: 0", b"Length: 9"), 400, "larger than the body"),
        (REGISTER.replace(b"Length: 0", b"Length: -9"), 400, "Bad Content-Length"),
        (REGISTER.replace(b"<sip:1002@office>\r\n", b"<sip:1002@office\r\n"), 400, "Bad To"),
        (REGISTER.replace(b"c1", b"c 1"), 400, "Bad Call-Id"),
    ],
)
def test_bad_request_can_be_answered(data: bytes, status: int, reason: str) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse(data)
    assert refusal.value.status == status
    assert reason in refusal.value.reason
    assert refusal.value.request.method == "REGISTER"


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe" * 40, b"REGISTER\r\n\r\n"]
)
def test_what_is_no_request_cannot_be_answered(data: bytes) -> None:
    with pytest.raises(ParseError) as refusal:
        parse(data)
    assert not isinstance(refusal.value, BadMessage)


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\n", b"\n\r\n"])
def test_what_follows_a_blank_line_is_body(blank: bytes) -> None:
    message = request(REGISTER[:-4] + blank + b"Contact: <sip:evil@h>\r\n\r\n")
    assert message.contacts == []


def test_long_numbers_are_numbers() -> None:
    message = request(REGISTER.replace(b"Length: 0", b"Length: " + b"0" * 5000))
    assert message.body == b""


def test_empty_first_via_cannot_be_answered() -> None:
    with pytest.raises(BadMessage, match="Bad Via"):
        parse(REGISTER.replace(b"Via: SIP", b"Via: ,\r\nVia: SIP"))


def test_response_is_one() -> None:
    message = parse(b"SIP/2.0 200 OK\r\nCall-ID: c1\r\n\r\n")
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (200, "OK")


@given(
    st.binary(max_size=600)
    | st.builds(
        lambda at, more: REGISTER[:at] + more + REGISTER[at:],
        st.integers(0, len(REGISTER)),
        st.binary(max_size=9),
    )
)
def test_any_bytes_give_a_message_or_parse_error(data: bytes) -> None:
    try:
        message = parse(data)
    except ParseError:
        return
    assert isinstance(message, Request | Response)


class TestRespond:
    def test_copies_what_identifies_the_request(self) -> None:
        data = with_header(b"Via: SIP/2.0/UDP second;branch=z9hG4bK2;rport")
        answer = respond(
            request(data), 200, "OK", tag="t1", received=("192.0.2.9", 49152), fields=[("X", "y")]
        )
        assert answer == (
            b"SIP/2.0 200 OK\r\n"
            b"Via: SIP/2.0/UDP 192.168.1.7:49152;rport=49152;branch=z9hG4bK1;received=192.0.2.9\r\n"
            b"Via: SIP/2.0/UDP second;branch=z9hG4bK2;rport\r\n"
            b'From: "Ann" <sip:1002@office>;tag=a1\r\n'
            b"To: <sip:1002@office>;tag=t1\r\n"
            b"Call-ID: c1\r\n"
            b"CSeq: 7 REGISTER\r\n"
            b"X: y\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    def test_to_tag_is_kept(self) -> None:
        data = REGISTER.replace(b"To: <sip:1002@office>", b"To: <sip:1002@office>;tag=mine")
        assert b"To: <sip:1002@office>;tag=mine\r\n" in respond(request(data), 200, "OK", tag="t")

    def test_a_false_received_is_replaced(self) -> None:
        data = REGISTER.replace(b";rport", b";received=10.0.0.1")
        answer = respond(request(data), 200, "OK", tag="t", received=("192.0.2.9", None))
        assert (
            b"Via: SIP/2.0/UDP 192.168.1.7:49152;branch=z9hG4bK1;received=192.0.2.9\r\n" in answer
        )

    def test_values_go_back_byte_for_byte(self) -> None:
        data = REGISTER.replace(b'"Ann"', b'"\xd0\x90\xff"')
        assert b'From: "\xd0\x90\xff" <sip:1002@office>;tag=a1\r\n' in respond(
            request(data), 200, "OK", tag="t"
        )
