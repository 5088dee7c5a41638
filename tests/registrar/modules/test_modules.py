"""Kamailio's modules through small configurations: what a request gets, and what -c refuses."""

import re

import pytest

from registrar.modules import CORE, MODULES
from registrar.script.compiler import compile_text
from registrar.script.errors import ScriptErrors
from tests.registrar.conversation import Phone, Registrar, header, status

LOADED = "".join(f'loadmodule "{name}.so"\n' for name in MODULES)


def phone_with(route: str, parameters: str = "") -> Phone:
    registrar = Registrar()
    text = f"{LOADED}{parameters}\nrequest_route {{\n{route}\n}}\n"
    registrar.program = compile_text(text, MODULES, CORE)
    registrar.start()
    return Phone(registrar)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ('sl_send_reply("404", "Not Found");', "404 Not Found"),
        ('send_reply("200", "Hello $fU at $si:$sp");', "200 Hello 1002 at 192.0.2.9:49152"),
        ("sl_reply_error();", "500 Server Internal Error"),
        ('if (is_method("INVITE|REGISTER")) sl_send_reply("200", "yes");', "200 yes"),
        ('if (has_totag()) { sl_send_reply("200", "in"); } else sl_send_reply("200", "out");',
         "200 out"),
        ('$var(a) = "x"; $var(a) = $var(a) + $rm; sl_send_reply("200", "$var(a)");',
         "200 xREGISTER"),
        ('if ($var(unset) == 0) sl_send_reply("200", "zero");', "200 zero"),
        ('sl_send_reply("200", "$ru|$rU|$rd|$fu|$tU|$td|$ft|$tt|$ci|$cs|$ua|$proto|$Ri|$Rp");',
         "200 sip:office|<null>|office|sip:1002@office|1002|office|a1|<null>|c1|1|MicroSIP/3.22.3"
         "|udp|192.0.2.1|5060"),
        ('sl_send_reply("200", "$hdr(max-forwards) $hdr(X-None) $ct");',
         "200 70 <null> <sip:1002@192.168.1.7:49152;ob>"),
        ('if ($ua =~ "microsip|linphone") sl_send_reply("200", "match");', "200 match"),
        ('if (!sanity_check("512", "7")) exit; sl_send_reply("200", "OK");', "420 Bad Extension"),
        ('if (!mf_process_maxfwd_header("10")) exit; sl_send_reply("200", "OK");', "200 OK"),
    ],
)  # fmt: skip
def test_answer(route: str, expected: str) -> None:
    phone = phone_with(route)
    answer = phone.send(phone.request(extra="Proxy-Require: x\r\n"))
    assert answer is not None, phone.registrar.log
    assert answer.split(b"\r\n")[0].decode() == f"SIP/2.0 {expected}"


def test_no_reply_is_silence_and_a_second_one_is_not_sent() -> None:
    phone = phone_with("exit;")
    assert phone.send(phone.request()) is None
    phone = phone_with('sl_send_reply("200", "OK"); sl_send_reply("404", "Not Found");')
    assert status(phone.send(phone.request())) == 200
    assert "404 Not Found, is not sent" in phone.registrar.log[0]


def test_headers_of_the_reply() -> None:
    phone = phone_with('append_to_reply("X-Who: $fU\\r\\n"); sl_send_reply("200", "OK");')
    assert header(phone.send(phone.request()), "X-Who") == ["1002"]


def test_a_header_cannot_be_smuggled_into_the_reply() -> None:
    """Neither by a lone CR nor by what folding makes of a line."""
    for route in ('append_to_reply("X: $hdr(X-In)\\r\\n");', ""):
        for value in ("a\rContact: <sip:evil@h>", "a\r\n Contact: <sip:evil@h>", "a\0b"):
            phone = phone_with(route + 'sl_send_reply("200", "$hdr(X-In)");')
            answer = phone.send(phone.request(extra=f"X-In: {value}\r\n"))
            assert header(answer, "Contact") == []
            assert answer is not None
            assert b"\r" not in answer.replace(b"\r\n", b"")
            assert b"\0" not in answer


def test_xlog() -> None:
    phone = phone_with('xlog("L_INFO", "from $fU\\n"); xlog("plain"); exit;')
    phone.send(phone.request())
    assert [line.strip() for line in phone.registrar.log] == ["2 from 1002", "-1 plain"]


def test_max_contacts() -> None:
    phone = phone_with(
        'if (auth_check("office", "subscriber", "1")) save("location");'
        ' else auth_challenge("office", "1");',
        'modparam("registrar", "max_contacts", 1)\nmodparam("registrar", "min_expires", 10)',
    )
    assert status(phone.register("Expires: 10\r\n")) == 200
    assert status(phone.register(contact="<sip:other@h>")) == 503
    assert len(phone.registrar.bound()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('modparam("registrar", "max_expires", 10)',
         "registrar: max_expires is smaller than min_expires or default_expires"),
        ('modparam("auth", "algorithm", "MD4")', "unknown algorithm 'MD4': there are MD5, SHA-256"),
        ('modparam("registrar", "max_contact", 1)', "did you mean max_contacts"),
        ("listen=tcp:1.2.3.4:5060", "udp is the only transport"),
        ("listen=udp:1.2.3.4:99999", "the port is 0 to 65535"),
        ('server_header="Qayd"', 'write the whole header: "Server: Name"'),
    ],
)  # fmt: skip
def test_bad_parameter_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ScriptErrors) as refusal:
        compile_text(f"{LOADED}{text}\nrequest_route {{ exit; }}\n", MODULES, CORE, file="x.cfg")
    line = LOADED.count("\n") + 1
    assert re.search(rf"x\.cfg:{line}:\d+: .*{re.escape(message)}", str(refusal.value))


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ('sl_send_reply("99", "Low");', "a status is 100 to 699"),
        ('is_method("RE GISTER");', 'write "REGISTER|OPTIONS"'),
        ('append_to_reply("no colon");', "write one header line"),
        ('xlog("L_LOUD", "x");', "the level is one of"),
        ('mf_process_maxfwd_header("0");', "the limit is 1 to 255"),
        ('save();', "save()"),
        ('$fu = "x";', "$fu"),
    ],
)  # fmt: skip
def test_bad_call_is_refused_with_its_place(route: str, message: str) -> None:
    with pytest.raises(ScriptErrors) as refusal:
        compile_text(f"{LOADED}request_route {{\n    {route}\n}}\n", MODULES, CORE, file="x.cfg")
    line = LOADED.count("\n") + 2
    assert re.search(rf"x\.cfg:{line}:\d+: ", str(refusal.value))
    assert message in str(refusal.value)


def test_every_declaration_is_documented() -> None:
    for module in (CORE, *MODULES.values()):
        assert module.help, module.name
        for one in (*module.functions, *module.variables):
            assert one.help, f"{module.name} {one.name}"
        for parameter in module.parameters:
            assert parameter.help or parameter.ignored, f"{module.name} {parameter.name}"
