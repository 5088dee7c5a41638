"""RFC 3261 §20: header values, good and bad."""

import pytest

from registrar.sip import grammar, headers
from registrar.sip.errors import ParseError


def test_via() -> None:
    via = headers.parse_via(
        "SIP / 2.0 / udp first.example.com: 4000;ttl=16 ;branch=z9hG4bK.x;rport"
    )
    assert (via.transport, via.host, via.port) == ("UDP", "first.example.com", 4000)
    assert via.parameter("branch") == "z9hG4bK.x"
    assert via.parameter("rport") == ""
    assert via.parameter("received") is None
    assert via.sent_by == "first.example.com:4000"


@pytest.mark.parametrize(
    "text", ["", "SIP/2.0/UDP", "SIP/1.0/UDP a", "HTTP/2.0/UDP a", "SIP/2.0/UDP a:0", "a:b;c"]
)
def test_bad_via(text: str) -> None:
    with pytest.raises(ParseError, match="Via"):
        headers.parse_via(text)


@pytest.mark.parametrize(
    ("text", "name", "uri", "tag"),
    [
        ("sip:1002@office", "", "sip:1002@office", None),
        ("sip:1002@office;tag=a1", "", "sip:1002@office", "a1"),
        ("<sip:1002@office;transport=tcp>;tag=a1", "", "sip:1002@office;transport=tcp", "a1"),
        ('"Ann \\"A\\" <b>" <sip:1002@office>;tag=x', 'Ann "A" <b>', "sip:1002@office", "x"),
        ("Ann of the Office <sip:1002@office>", "Ann of the Office", "sip:1002@office", None),
        ('"Анна"<sip:1002@office> ; tag = x ', "Анна", "sip:1002@office", "x"),
        ("<tel:+99871>", "", "tel:+99871", None),
    ],
)
def test_address(text: str, name: str, uri: str, tag: str | None) -> None:
    address = headers.parse_address(text, "From")
    assert (address.name, address.uri, address.parameter("tag")) == (name, uri, tag)


@pytest.mark.parametrize(
    "text", ["", "1002", "<sip:a@b", "sip:a@b>", '"Ann <sip:a@b>', "<sip:a@b> junk", "<>;tag=x"]
)
def test_bad_address(text: str) -> None:
    with pytest.raises(ParseError, match="Bad From header"):
        headers.parse_address(text, "From")


def test_long_runs_of_blanks_are_refused_at_once() -> None:
    """Would take minutes if a pattern tried every way of dividing the blanks."""
    for text in ("a" + " " * 60_000 + "b", "a " * 30_000 + '"', '"' + "\\" * 60_000):
        with pytest.raises(ParseError):
            headers.parse_address(text, "Contact")


def test_cseq() -> None:
    assert headers.parse_cseq(" 4294967295  REGISTER") == headers.CSeq(4294967295, "REGISTER")
    for text in ("", "1", "REGISTER 1", "-1 REGISTER", "4294967296 REGISTER", "1 RE GISTER"):
        with pytest.raises(ParseError):
            headers.parse_cseq(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("300", 300), ("4294967295", 2**32 - 1), ("4294967296", 2**32 - 1),
     ("9" * 50, 2**32 - 1),
     ("0" * 5000 + "300", 300), ("9" * 5000, 2**32 - 1),
     ("", None), ("-1", None), ("ten", None), ("1.5", None), ("٣", None)],
)  # fmt: skip
def test_expires(text: str, seconds: int | None) -> None:
    assert headers.parse_expires(text) == seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("0.5", 0.5), ("0.", 0.0), ("1.000", 1.0),
     ("1.1", None), ("0.1234", None), ("2", None), ("", None)],
)  # fmt: skip
def test_qvalue(text: str, value: float | None) -> None:
    assert headers.parse_qvalue(text) == value


def test_list_is_split_outside_quotes_and_brackets() -> None:
    text = '"a, \\" b" <sip:x,y@z>;q=1, sip:c@d ,, <sip:e@f>'
    assert grammar.split_list(text) == ['"a, \\" b" <sip:x,y@z>;q=1', "sip:c@d", "<sip:e@f>"]


def test_unquoting() -> None:
    assert grammar.unquote(r'"a \"b\" \\c"') == 'a "b" \\c'
    assert grammar.unquote('"') == '"'
    assert grammar.unquote("a") == "a"
