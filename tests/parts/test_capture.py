"""The judge is tested too: what never_seen() must find, and what it must let pass."""

import hashlib
from collections.abc import Sequence

import pytest

from tests.parts.capture import Message, never_seen, parse_message

PHONE, SERVER = "192.0.2.7:40000", "192.0.2.1:5060"
PASSWORDS = {"1002": ["right"]}


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def request(cseq: int, password: str = "") -> Message:
    """A REGISTER; with digest credentials if there is a password."""
    authorization = ""
    if password:
        ha1, ha2 = md5(f"1002:office:{password}"), md5("REGISTER:sip:192.0.2.1")
        response = md5(f"{ha1}:n0nce:00000001:cn:auth:{ha2}")
        authorization = (
            'Authorization: Digest username="1002", realm="office", nonce="n0nce",'
            f' uri="sip:192.0.2.1", response="{response}", cnonce="cn", nc=00000001, qop=auth\r\n'
        )
    return message("REGISTER sip:192.0.2.1 SIP/2.0", cseq, authorization, PHONE, SERVER)


def answer(cseq: int, status: str, more: str = "") -> Message:
    return message(f"SIP/2.0 {status}", cseq, more, SERVER, PHONE)


def message(start_line: str, cseq: int, more: str, source: str, destination: str) -> Message:
    headers = f"t: <sip:1002@192.0.2.1>\r\nCall-ID: c1\r\nCSeq: {cseq} REGISTER\r\n{more}"
    text = f"{start_line}\r\n{headers}\r\n"
    parsed = parse_message(text.encode(), float(cseq), source, destination)
    assert parsed is not None
    return parsed


CHALLENGE = 'WWW-Authenticate: Digest realm="office", nonce="n0nce"\r\n'
STALE = 'WWW-Authenticate: Digest realm="office", nonce="n2", stale=TRUE\r\n'


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([request(1), answer(1, "401 Unauthorized", CHALLENGE)], id="a challenge"),
        pytest.param([request(1, "right"), answer(1, "200 OK")], id="a success"),
        pytest.param(
            [
                request(1, "right"),
                answer(1, "401 Unauthorized", STALE),
                request(2, "right"),
                answer(2, "200 OK"),
            ],
            id="a stale nonce that leads to success",
        ),
    ],
)
def test_it_lets_pass(seen: Sequence[Message]) -> None:
    assert never_seen(seen, PASSWORDS) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        pytest.param([request(1), answer(1, "403 Forbidden")], "403 Forbidden", id="403"),
        pytest.param([request(1, "right"), answer(1, "503 Busy")], "503 Busy", id="503"),
        pytest.param([request(1, "right"), answer(1, "500 Oops")], "500 Oops", id="500"),
        pytest.param(
            [request(1, "right"), answer(1, "401 Unauthorized", CHALLENGE)],
            "the credentials were right",
            id="401 to valid credentials",
        ),
        pytest.param(
            [request(1, "right"), answer(1, "401 Unauthorized", STALE)],
            "no success came after it",
            id="stale without success",
        ),
        pytest.param(
            [request(1, "old"), answer(1, "401 Unauthorized", CHALLENGE)],
            "the credentials were wrong",
            id="401 to wrong credentials",
        ),
        pytest.param(
            [answer(1, "401 Unauthorized", CHALLENGE)], "not in the capture", id="a stray 401"
        ),
    ],
)
def test_it_finds(seen: Sequence[Message], said: str) -> None:
    (found,) = never_seen(seen, PASSWORDS)
    assert said in found


def test_wrong_credentials_may_be_tried_on_purpose() -> None:
    seen = [request(1, "old"), answer(1, "401 Unauthorized", CHALLENGE)]
    assert never_seen(seen, PASSWORDS, wrong_passwords_were_tried=True) == []
