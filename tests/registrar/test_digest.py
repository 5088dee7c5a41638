"""RFC 7616: its own examples, and Authorization values good and bad."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar import digest
from registrar.secret import ha1

# RFC 7616 §3.9.1
EXAMPLE = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
    'algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
ANSWERS = [
    ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
]


@pytest.mark.parametrize(("algorithm", "response"), ANSWERS)
def test_examples_of_the_rfc(algorithm: str, response: str) -> None:
    given = digest.parse_authorization(EXAMPLE.format(algorithm=algorithm, response=response))
    assert given is not None
    secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert digest.verify(given, "GET", secret)
    assert not digest.verify(given, "PUT", secret)
    other = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of life")
    assert not digest.verify(given, "GET", other)
    assert not digest.verify(dataclasses.replace(given, nonce_count_text="00000002"), "GET", secret)


def test_example_of_rfc_2617_without_qop() -> None:
    text = (
        'Digest username="Mufasa",realm="testrealm@host.com",'
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",uri="/dir/index.html",'
        'response="670fd8c2df070c60b045671b8b24ff02"'
    )
    given = digest.parse_authorization(text)
    assert given is not None
    assert (given.qop, given.algorithm, given.nonce_count) == ("", "MD5", 0)
    assert digest.verify(given, "GET", ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life"))


def test_other_schemes_are_none() -> None:
    assert digest.parse_authorization("Basic dXNlcjpwYXNz") is None
    assert digest.parse_authorization("Bearer token") is None


def test_names_in_any_case_and_escapes() -> None:
    given = digest.parse_authorization(
        'digest  USERNAME="a\\"b" , Realm="o, f", nonce="n",uri="sip:o", response="ABCD", '
        'algorithm=sha-256, opaque=""'
    )
    assert given is not None
    assert (given.username, given.realm, given.response) == ('a"b', "o, f", "abcd")
    assert given.algorithm == "SHA-256"


BASE = 'Digest username="1", realm="o", nonce="n", uri="sip:o", response="r"'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('Digest username="1", realm="o", nonce="n", uri="sip:o"', "has no response"),
        ("Digest realm=", "malformed at character"),
        ('Digest username="1', "malformed"),
        (BASE + ', username="2"', "username stands twice"),
        (BASE + ', qop=auth, cnonce="c"', "qop needs"),
        (BASE + ', qop=auth, cnonce="c", nc=1', "qop needs"),
        (BASE + ", qop=auth, nc=00000001", "qop needs"),
    ],
)
def test_malformed(text: str, sentence: str) -> None:
    with pytest.raises(digest.DigestError, match=sentence):
        digest.parse_authorization(text)


@given(st.text(max_size=300))
def test_any_text_is_credentials_none_or_an_error(text: str) -> None:
    for prefix in ("", "Digest ", BASE + ", "):
        try:
            found = digest.parse_authorization(prefix + text)
        except digest.DigestError:
            continue
        assert found is None or found.username is not None


def test_challenge() -> None:
    assert digest.challenge('of"fice', "n1", "MD5", qop="auth", stale=False) == (
        'Digest realm="of\\"fice", nonce="n1", algorithm=MD5, qop="auth"'
    )
    assert digest.challenge("o", "n1", "SHA-256", qop="", stale=True) == (
        'Digest realm="o", nonce="n1", algorithm=SHA-256, stale=true'
    )
