"""RFC 3261 §19.1: parsing, and the comparison of §19.1.4 with that section's own examples."""

import pytest

from registrar.sip.errors import ParseError
from registrar.sip.uri import is_absolute_uri, parse_uri


def test_all_parts() -> None:
    uri = parse_uri("SIPS:j%40ne;x=1:pa%3ass@[2001:DB8::9]:5071;Transport=TCP;ob?Subject=a&b=c")
    assert (uri.scheme, uri.user, uri.password) == ("sips", "j%40ne;x=1", "pa%3ass")
    assert (uri.host, uri.port) == ("[2001:db8::9]", 5071)
    assert uri.parameter("transport") == "TCP"
    assert uri.parameter("ob") == ""
    assert uri.parameter("lr") is None
    assert uri.headers == "Subject=a&b=c"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("sip:", 400),
        ("sip:a b@host", 400),
        ("sip:1002@", 400),
        ("sip:1002@host:99999", 400),
        ("sip:1002@host:", 400),
        ("sip:1002@host;a=1;A=2", 400),
        ("sip:1002@ho\u0455t", 400),
        ("1002@host", 400),
        ("tel:+998712345678", 416),
        ("http://example.org/", 416),
    ],
)
def test_refused(text: str, status: int) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_uri(text)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:1002@10.0.0.5:5062;ob", "sip:1002@10.0.0.5:5062"),
    ],
)
def test_equal(left: str, right: str) -> None:
    assert parse_uri(left).matches(parse_uri(right))
    assert parse_uri(right).matches(parse_uri(left))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:carol@chicago.com", "sips:carol@chicago.com"),
        ("sip:carol:one@chicago.com", "sip:carol:two@chicago.com"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;maddr=192.0.2.1"),
    ],
)
def test_not_equal(left: str, right: str) -> None:
    assert not parse_uri(left).matches(parse_uri(right))
    assert not parse_uri(right).matches(parse_uri(left))


def test_address_of_record() -> None:
    uri = parse_uri("sip:%31002@Office.Example:5060;transport=tcp;x")
    assert uri.address_of_record(use_domain=False) == "1002"
    assert uri.address_of_record(use_domain=True) == "1002@office.example"
    ann = parse_uri("sip:Ann@office")
    assert ann.address_of_record(use_domain=False) == "Ann"
    assert ann.address_of_record(use_domain=False, case_sensitive=False) == "ann"


def test_absolute_uris() -> None:
    assert is_absolute_uri("mailto:a@b")
    assert not is_absolute_uri("a@b")
