"""RFC 3261 §17.2: the same request gets the same answer, for as long and as much as is kept."""

from registrar.sip.message import Request, parse
from registrar.sip.transaction import TIMER_J, Key, ServerTransactions, key

SOURCE = ("192.0.2.9", 49152)


def data(branch: str = "z9hG4bK1", cseq: int = 1) -> bytes:
    return (
        f"REGISTER sip:office SIP/2.0\r\nVia: SIP/2.0/UDP h;branch={branch}\r\n"
        f"From: <sip:1@o>;tag=a\r\nTo: <sip:1@o>\r\nCall-ID: c\r\nCSeq: {cseq} REGISTER\r\n\r\n"
    ).encode()


def key_of(raw: bytes, source: tuple[str, int] = SOURCE) -> Key:
    request = parse(raw)
    assert isinstance(request, Request)
    return key(request, source)


def test_retransmission_gets_the_stored_answer() -> None:
    transactions = ServerTransactions()
    transactions.complete(key_of(data()), data(), b"200", SOURCE, now=0.0)
    assert transactions.response(key_of(data()), data()) == (b"200", SOURCE)


def test_other_request_source_or_bytes_get_none() -> None:
    transactions = ServerTransactions()
    transactions.complete(key_of(data()), data(), b"200", SOURCE, now=0.0)
    other_source = key_of(data(), ("192.0.2.9", 49153))
    assert transactions.response(other_source, data()) is None
    assert transactions.response(key_of(data(cseq=2)), data(cseq=2)) is None
    assert transactions.response(key_of(data()), data() + b" ") is None


def test_timer_j_and_the_bound_forget_the_oldest() -> None:
    transactions = ServerTransactions(max_bytes=30)
    for number in range(4):
        raw = data(f"z9hG4bK{number}")
        transactions.complete(key_of(raw), raw, bytes(10), SOURCE, now=float(number))
    assert len(transactions) == 3
    assert transactions.response(key_of(data("z9hG4bK0")), data("z9hG4bK0")) is None
    raw = data("z9hG4bKlast")
    transactions.complete(key_of(raw), raw, bytes(10), SOURCE, now=2 + TIMER_J)
    assert len(transactions) == 2
