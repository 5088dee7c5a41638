"""Conversations with the shipped configuration: what phones send, and what they get."""

import dataclasses
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrar.context import Source
from tests.registrar.conversation import (
    NOW,
    PHONE,
    REALM,
    Phone,
    Registrar,
    credential,
    header,
    status,
)


@pytest.fixture
def registrar() -> Registrar:
    return Registrar()


@pytest.fixture
def phone(registrar: Registrar) -> Phone:
    return Phone(registrar)


class TestRegistering:
    def test_challenge_then_200(self, phone: Phone) -> None:
        challenge = phone.challenged()
        assert re.fullmatch(
            r'Digest realm="office", nonce="[0-9a-f]{44}", algorithm=MD5, qop="auth"',
            header(challenge, "WWW-Authenticate")[0],
        )
        answer = phone.send(phone.request(extra=phone.authorization() + "Expires: 300\r\n"))
        assert status(answer) == 200
        assert header(answer, "Contact") == ["<sip:1002@192.168.1.7:49152;ob>;expires=300"]
        assert header(answer, "Date") == ["Fri, 15 Jan 2027 08:00:00 GMT"]
        binding = phone.registrar.location.lookup("1002", NOW)[0]
        assert binding.received == "sip:192.0.2.9:49152"
        assert binding.socket == "udp:192.0.2.1:5060"
        assert binding.user_agent == "MicroSIP/3.22.3"

    def test_refresh_counts_down(self, phone: Phone) -> None:
        phone.register()
        phone.registrar.now += 100.5
        answer = phone.register(contact="", extra="")
        assert header(answer, "Contact") == ["<sip:1002@192.168.1.7:49152;ob>;expires=200"]
        assert header(phone.register(), "Contact")[0].endswith(";expires=300")

    def test_contact_parameters_come_back_byte_for_byte(self, phone: Phone) -> None:
        contact = '"Ann" <sip:1002@10.0.0.1;ob>;q=0.50;+sip.instance="<urn:uuid:1>";Expires=120; x'
        answer = phone.register(contact=contact)
        assert header(answer, "Contact") == [
            '<sip:1002@10.0.0.1;ob>;q=0.50;+sip.instance="<urn:uuid:1>"; x;expires=120'
        ]

    def test_unregister(self, phone: Phone) -> None:
        phone.register()
        answer = phone.register(extra="Expires: 0\r\n")
        assert (status(answer), header(answer, "Contact")) == (200, [])
        assert phone.registrar.bound() == []

    def test_star(self, phone: Phone) -> None:
        phone.register()
        assert status(phone.register(contact="*", extra="Expires: 60\r\n")) == 400
        assert status(phone.register(contact="*", extra="")) == 400
        both = phone.register(contact="*, <sip:a@b>", extra="Expires: 0\r\n")
        assert status(both) == 400
        assert len(phone.registrar.bound()) == 1
        assert status(phone.register(contact="*", extra="Expires: 0\r\n")) == 200
        assert phone.registrar.bound() == []

    def test_two_phones_of_one_extension(self, phone: Phone) -> None:
        other = dataclasses.replace(phone, call_id="c2", contact="<sip:1002@10.0.0.2>", sent=[])
        phone.register()
        assert len(header(other.register(), "Contact")) == 2

    @pytest.mark.parametrize(
        ("contact", "extra", "granted"),
        [
            ("<sip:a@b>", "", 3600),
            ("<sip:a@b>;expires=120", "Expires: 300\r\n", 120),
            ("<sip:a@b>", "Expires: 9999\r\n", 3600),
            ("<sip:a@b>", "Expires: 4294967296\r\n", 3600),
            ("<sip:a@b>;expires=soon", "Expires: 300\r\n", 3600),
            ("<sip:a@b>", "Expires: soon\r\n", 3600),
        ],
    )
    def test_expires(self, phone: Phone, contact: str, extra: str, granted: int) -> None:
        answer = phone.register(contact=contact, extra=extra)
        assert header(answer, "Contact") == [f"<sip:a@b>;expires={granted}"]

    def test_too_brief(self, phone: Phone) -> None:
        answer = phone.register(extra="Expires: 59\r\n")
        assert (status(answer), header(answer, "Min-Expires")) == (423, ["60"])
        assert phone.registrar.bound() == []

    def test_required_extension(self, phone: Phone) -> None:
        answer = phone.register(extra="Require: gruu, x\r\n")
        assert (status(answer), header(answer, "Unsupported")) == (420, ["gruu, x"])

    def test_answers_go_where_the_request_came_from(self, phone: Phone) -> None:
        data = phone.request().replace(b";rport", b"")
        (answer,) = phone.registrar.engine.receive(data, PHONE, NOW)
        assert answer.destination == ("192.0.2.9", 49152)
        via = header(answer.data, "Via")[0]
        assert ";received=192.0.2.9" in via
        assert ";rport=49152" in via

    def test_too_many_contacts_in_one_request(self, phone: Phone) -> None:
        many = ", ".join(f"<sip:a{number}@b>" for number in range(33))
        assert status(phone.register(contact=many)) == 400
        assert phone.registrar.bound() == []

    def test_ghosts_make_place(self, phone: Phone) -> None:
        for number in range(25):
            phone.registrar.now += 1
            assert status(phone.register(contact=f"<sip:1002@10.0.0.1:{5000 + number}>")) == 200
        assert phone.registrar.bound()[-1] == "sip:1002@10.0.0.1:5024"
        assert len(phone.registrar.bound()) == 20

    def test_malformed_request_is_answered_to_its_source_port(self, phone: Phone) -> None:
        data = phone.request().replace(b";rport", b"").replace(b"To: ", b"To: <")
        (answer,) = phone.registrar.engine.receive(data, PHONE, NOW)
        assert status(answer.data) == 400
        assert answer.destination == ("192.0.2.9", 49152)

    def test_maddr_is_not_followed(self, phone: Phone) -> None:
        data = phone.request().replace(b";rport", b";maddr=198.51.100.1")
        (answer,) = phone.registrar.engine.receive(data, PHONE, NOW)
        assert answer.destination[0] == "192.0.2.9"


class TestCredentials:
    def test_wrong_password_repeats_the_nonce_and_is_not_stale(self, phone: Phone) -> None:
        phone.password = "wrong"
        answer = phone.register()
        assert status(answer) == 401
        challenge = header(answer, "WWW-Authenticate")[0]
        assert f'nonce="{phone.nonce}"' in challenge
        assert "stale" not in challenge
        assert phone.registrar.bound() == []

    def test_unknown_disabled_and_wrong_look_alike(self) -> None:
        registrar = Registrar(
            credential("1002"), credential("1003", enabled=False), credential("1004")
        )
        registrar.publish(credential("1002"), credential("1003", enabled=False))  # 1004 is lost
        shapes = set()
        for username in ("1002", "1003", "1004", "9999"):
            phone = Phone(registrar, username, "wrong", call_id="same")
            for answer in (phone.challenged(), phone.register()):
                assert answer is not None
                text = answer.decode().replace(username, "NAME")
                shapes.add(re.sub(r"[0-9a-f]{16,}|CSeq: \d|same\d", "", text))
        assert len(shapes) == 1, shapes

    def test_disabled_is_told_to_the_right_password_only(self) -> None:
        registrar = Registrar(credential("1002", enabled=False))
        assert status(Phone(registrar).register()) == 403

    def test_another_extension_is_forbidden(self) -> None:
        registrar = Registrar(credential("1002"), credential("1003"))
        phone = Phone(registrar, "1002", user="1003")
        assert status(phone.register()) == 403
        assert registrar.bound("1003") == []

    def test_user_at_domain_as_username(self, phone: Phone) -> None:
        phone.username, phone.user = f"1002@{REALM}", "1002"
        assert status(phone.register()) == 200
        assert len(phone.registrar.bound()) == 1

    @pytest.mark.parametrize("algorithm", ["SHA-256", "SHA-512-256"])
    def test_other_algorithms_when_they_are_offered(self, algorithm: str) -> None:
        registrar = Registrar(algorithms=(algorithm, "MD5"))
        phone = Phone(registrar, algorithm=algorithm)
        challenges = header(phone.challenged(), "WWW-Authenticate")
        assert [f"algorithm={name}" in text for name, text in
                zip((algorithm, "MD5"), challenges, strict=True)] == [True, True]  # fmt: skip
        assert status(phone.register()) == 200
        assert status(Phone(registrar, call_id="c2").register()) == 200

    def test_algorithm_that_was_not_offered(self, phone: Phone) -> None:
        phone.challenged()
        phone.algorithm = "SHA-256"
        assert status(phone.send(phone.request(extra=phone.authorization()))) == 401

    def test_without_qop_a_nonce_serves_once(self, phone: Phone) -> None:
        phone.challenged()
        without = {"qop": "", "nc": "", "cnonce": ""}
        assert status(phone.send(phone.request(extra=phone.authorization(**without)))) == 200
        again = phone.send(phone.request(extra=phone.authorization(**without)))
        assert status(again) == 401
        assert "stale=true" in header(again, "WWW-Authenticate")[0]

    def test_nonce_may_be_used_again_with_a_higher_count(self, phone: Phone) -> None:
        phone.register()
        for _ in range(3):
            assert status(phone.send(phone.request(extra=phone.authorization()))) == 200

    def test_replay_is_challenged_and_changes_nothing(self, phone: Phone) -> None:
        phone.register()
        authorization = next(line for line in phone.sent[-1].split(b"\r\n") if b"Digest" in line)
        stolen = authorization.decode() + "\r\n"
        answer = phone.send(phone.request(extra=stolen, contact="<sip:evil@198.51.100.1>"))
        assert status(answer) == 401
        assert phone.registrar.bound() == ["sip:1002@192.168.1.7:49152;ob"]

    def test_old_nonce_is_stale(self, phone: Phone) -> None:
        phone.challenged()
        phone.registrar.now += 301
        answer = phone.send(phone.request(extra=phone.authorization()))
        assert "stale=true" in header(answer, "WWW-Authenticate")[0]
        assert answer is not None
        phone.take_nonce(answer)
        assert status(phone.send(phone.request(extra=phone.authorization()))) == 200

    def test_nonce_of_somebody_else_is_stale_if_all_else_is_right(self, phone: Phone) -> None:
        for password, stale in (("wrong", False), ("secret", True)):
            phone.nonce, phone.password = "of another server", password
            answer = phone.send(phone.request(extra=phone.authorization()))
            assert status(answer) == 401
            assert ("stale=true" in header(answer, "WWW-Authenticate")[0]) is stale
        assert phone.registrar.bound() == []

    def test_qop_is_hashed_as_it_came(self, phone: Phone) -> None:
        phone.challenged()
        assert status(phone.send(phone.request(extra=phone.authorization(qop="AUTH")))) == 200

    def test_refreshes_go_on_while_the_clock_is_set_back(self, phone: Phone) -> None:
        phone.register()
        phone.registrar.now -= 3600
        for _ in range(20):
            phone.registrar.now += 60
            assert status(phone.register()) == 200

    def test_digest_uri_of_another_server(self, phone: Phone) -> None:
        phone.challenged()
        assert status(phone.send(phone.request(extra=phone.authorization(uri="sip:other")))) == 400
        written = f"sip:{REALM.upper()}:5060;transport=udp"
        assert status(phone.send(phone.request(extra=phone.authorization(uri=written)))) == 200

    def test_malformed_credentials(self, phone: Phone) -> None:
        assert status(phone.send(phone.request(extra="Authorization: Digest x\r\n"))) == 400

    def test_credentials_for_another_realm_are_passed_over(self, phone: Phone) -> None:
        phone.challenged()
        other = phone.authorization(realm="elsewhere")
        assert status(phone.send(phone.request(extra=other + phone.authorization()))) == 200

    def test_password_change_and_grace_period(self, phone: Phone) -> None:
        phone.register()
        new = credential("1002", "new")
        phone.registrar.publish(new)
        assert status(phone.register()) == 401
        old = credential("1002").current
        phone.registrar.publish(
            dataclasses.replace(new, previous=old, previous_until=phone.registrar.now + 60)
        )
        assert status(phone.register()) == 200
        phone.registrar.now += 60
        assert status(phone.register()) == 401
        phone.password = "new"
        assert status(phone.register()) == 200

    def test_record_lost_through_a_fault_is_a_500(self, phone: Phone) -> None:
        phone.register()
        phone.registrar.publish()
        assert status(phone.register()) == 500
        assert len(phone.registrar.bound()) == 1
        phone.password = "wrong"
        assert status(phone.register()) == 401


class TestKilled:
    """What phones see when the registrar is killed and started again."""

    def test_bindings_are_there_before_the_phone_comes_back(self, phone: Phone) -> None:
        phone.register()
        phone.registrar.restart()
        assert phone.registrar.bound() == ["sip:1002@192.168.1.7:49152;ob"]
        assert status(phone.register()) == 200

    def test_challenge_of_before_leads_to_success(self, phone: Phone) -> None:
        """Its count may have been used, for all that is known: stale, and then it works."""
        phone.challenged()
        phone.registrar.now += 1
        phone.registrar.restart()
        answer = phone.send(phone.request(extra=phone.authorization()))
        assert "stale=true" in header(answer, "WWW-Authenticate")[0]
        assert answer is not None
        phone.take_nonce(answer)
        assert status(phone.send(phone.request(extra=phone.authorization()))) == 200

    def test_known_count_goes_on(self, phone: Phone) -> None:
        phone.register()
        phone.registrar.restart()
        assert status(phone.send(phone.request(extra=phone.authorization()))) == 200

    def test_retransmission_gets_its_200_again(self, phone: Phone) -> None:
        phone.register()
        before = phone.registrar.bound()
        phone.registrar.restart()
        answer = phone.send(phone.sent[-1])
        assert status(answer) == 200
        assert len(header(answer, "Contact")) == 1
        assert phone.registrar.bound() == before

    def test_old_retransmission_brings_nothing_back(self, phone: Phone) -> None:
        phone.register()
        first = phone.sent[-1]
        phone.register(extra="Expires: 0\r\n")
        phone.registrar.restart()
        assert header(phone.send(first), "Contact") == []
        assert phone.registrar.bound() == []

    def test_nothing_is_acknowledged_that_is_not_durable(self, phone: Phone) -> None:
        phone.challenged()
        data = phone.request(extra=phone.authorization() + "Expires: 300\r\n")
        phone.registrar.file.full = True
        assert phone.send(data) is None
        phone.registrar.file.full = False
        assert status(phone.send(data)) == 200
        phone.registrar.restart()
        assert len(phone.registrar.bound()) == 1


class TestRetransmission:
    def test_same_answer_and_processed_once(self, phone: Phone) -> None:
        answer = phone.register()
        commits = phone.registrar.engine.journal.commits
        assert phone.send(phone.sent[-1]) == answer
        assert phone.registrar.engine.journal.commits == commits

    def test_goes_to_the_source_port_too(self, phone: Phone) -> None:
        phone.challenged()
        data = phone.request(extra=phone.authorization()).replace(b";rport", b"")
        for _ in range(2):
            (answer,) = phone.registrar.engine.receive(data, PHONE, NOW)
            assert answer.destination == ("192.0.2.9", 49152)


class TestOtherRequests:
    def test_options(self, phone: Phone) -> None:
        answer = phone.send(phone.request("OPTIONS"))
        assert (status(answer), header(answer, "Allow")) == (200, ["REGISTER, OPTIONS"])

    @pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "MESSAGE", "PUBLISH", "BYE", "NEW"])
    def test_not_allowed(self, phone: Phone, method: str) -> None:
        answer = phone.send(phone.request(method))
        assert (status(answer), header(answer, "Allow")) == (405, ["REGISTER, OPTIONS"])

    def test_cancel(self, phone: Phone) -> None:
        assert status(phone.send(phone.request("CANCEL"))) == 481

    def test_ack_is_dropped(self, phone: Phone) -> None:
        assert phone.send(phone.request("ACK")) is None
        assert phone.send(phone.request("ACK").replace(b"CSeq: ", b"CSeq: x")) is None

    @pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"\xff" * 50,
                                      b"SIP/2.0 200 OK\r\nCall-ID: c\r\n\r\n"])  # fmt: skip
    def test_noise_is_dropped_silently(self, registrar: Registrar, data: bytes) -> None:
        assert registrar.receive(data) is None
        assert registrar.log == []

    def test_too_many_hops(self, phone: Phone) -> None:
        data = phone.request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
        assert status(phone.send(data)) == 483

    def test_unsupported_scheme(self, phone: Phone) -> None:
        data = phone.request("OPTIONS").replace(b"sip:office SIP", b"tel:+1 SIP")
        assert status(phone.send(data)) == 416

    def test_proxy_require_is_for_proxies(self, phone: Phone) -> None:
        assert status(phone.register(extra="Proxy-Require: x\r\n")) == 200

    def test_malformed_request_is_answered(self, phone: Phone) -> None:
        data = phone.request().replace(b"Call-ID: c1\r\n", b"")
        assert status(phone.send(data)) == 400

    def test_unreadable_cseq_is_answered_too(self, phone: Phone) -> None:
        data = phone.request().replace(b"CSeq: 1 REGISTER", b"CSeq: one REGISTER")
        assert status(phone.send(data)) == 400

    def test_our_own_mistake_costs_one_message(self, phone: Phone) -> None:
        """Nobody can send this: a store that is broken stands for a mistake of ours."""
        phone.challenged()
        location = phone.registrar.location
        phone.registrar.location._bindings = None  # type: ignore[assignment]
        assert status(phone.send(phone.request(extra=phone.authorization()))) == 500
        assert "registrar.cfg" in phone.registrar.log[-1]
        location._bindings = {}
        assert status(phone.register()) == 200

    def test_ipv6(self, registrar: Registrar) -> None:
        phone = Phone(registrar, source=Source("2001:db8::9", 49152, "2001:db8::1", 5060))
        assert status(phone.register()) == 200
        binding = registrar.location.lookup("1002", NOW)[0]
        assert binding.received == "sip:[2001:db8::9]:49152"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_mutation_of_a_request_hurts(data: st.DataObject) -> None:
    """A changed byte or two, or a long run of one, is answered or dropped, and never our error."""
    registrar = Registrar()
    phone = Phone(registrar)
    phone.challenged()
    request = bytearray(phone.request(extra=phone.authorization() + "Expires: 300\r\n"))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(request) - 1))
        put = data.draw(st.binary(max_size=2) | st.sampled_from([b",", b"0" * 5000, b"\r\n"]))
        request[at : at + data.draw(st.integers(0, 2))] = put
    registrar.receive(bytes(request))
    statistics = registrar.engine.statistics
    assert statistics["script_errors"] == statistics["internal_errors"] == 0, registrar.log


PIECES = [
    "a;", ";aa{}=b", " ", ",", "%41", "<", '"', "\\", ":", "\r\n ", "0", "sip:a@b,", ";x{}",
    "=", "\t",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "place",
    ["R-URI", "Via", "From", "To", "Contact", "Authorization", "Expires", "X", "Max-Forwards"],
)
def test_no_crafted_message_takes_long(phone: Phone, place: str, piece: str) -> None:
    """Sixty thousand bytes of anything, anywhere: far under a second, of processor time."""
    phone.challenged()
    count = 60_000 // len(piece.format(10_000))
    long = "".join(piece.format(number) for number in range(count))
    extra = phone.authorization() if place != "Authorization" else ""
    data = phone.request(extra=extra + f"Expires: 300\r\n{place}: 1{long}\r\n").decode()
    if place == "R-URI":
        data = data.replace("sip:office", "sip:office;" + long, 1)
    elif place in ("Via", "From", "To", "Contact"):
        data = data.replace("@office", "@office;" + long).replace(";rport", ";" + long)
    started = time.process_time()
    phone.send(data.encode())
    assert time.process_time() - started < 0.5
