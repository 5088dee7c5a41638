"""Talking with the registrar, and what it means when it does not talk back."""

import socket
import threading
from pathlib import Path

import pytest

from tests.webadmin.conftest import Site
from tests.webadmin.registrar_stub import RegistrarStub, contact
from webadmin.registrar_client import RegistrarClient, RegistrarError


def test_it_asks_for_many_extensions_at_once(light: Site, registrar: RegistrarStub) -> None:
    registrar.bound["1001"] = [contact("1001")]
    client = light.services.registrar
    found = client.devices(["1001", "1002"])
    assert found["1002"] == []
    (device,) = found["1001"]
    assert device.address == "203.0.113.9:49152"
    assert device.contact == "sip:1001@10.0.0.5:49152;ob"
    assert (device.user_agent, device.expires) == ("MicroSIP/3.22.3", 287)
    assert client.devices([]) == {}
    assert client.devices(["1001"])["1001"] == [device]


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"Received": "[not set]"}, "10.0.0.5:49152"),
        ({"Received": ""}, "10.0.0.5:49152"),
        ({"Received": "sip:[2001:db8::1]:5060;transport=tcp"}, "[2001:db8::1]:5060"),
        ({"Received": "[not set]", "Address": "sip:10.0.0.9"}, "10.0.0.9"),
    ],
)
def test_it_shows_where_a_phone_is_reached(
    light: Site, registrar: RegistrarStub, fields: dict[str, str], address: str
) -> None:
    registrar.bound["1001"] = [contact("1001") | fields]
    (device,) = light.services.registrar.devices(["1001"])["1001"]
    assert device.address == address


def test_it_survives_odd_fields(light: Site, registrar: RegistrarStub) -> None:
    odd = {"Address": "sip:x", "Expires": "permanent", "User-Agent": "[not set]", "More": {}}
    registrar.bound["1001"] = [odd]
    (device,) = light.services.registrar.devices(["1001"])["1001"]
    assert (device.expires, device.user_agent, device.registered) == (0, "", 0.0)
    registrar.bound["1001"] = [{}]
    with pytest.raises(RegistrarError, match="not understood"):
        light.services.registrar.devices(["1001"])


def test_it_passes_on_what_the_registrar_refuses(light: Site, registrar: RegistrarStub) -> None:
    with pytest.raises(RegistrarError, match="Method not found") as caught:
        light.services.registrar.call("no.such")
    assert caught.value.code == -32601


def test_it_says_that_nobody_is_there(tmp_path: Path) -> None:
    client = RegistrarClient(tmp_path / "s")
    with pytest.raises(RegistrarError, match="does not answer: No such file"):
        client.in_force()
    (tmp_path / "s").write_text("")
    with pytest.raises(RegistrarError, match="does not answer: Connection refused"):
        client.in_force()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"", "closed the connection"),
        (b"nonsense\n", "without an answer"),
        (b'{"id": 99, "result": 1}\n', "left this call unanswered"),
        (b'{"id": 1, "result": {"serial": "x"}}\n', "not understood"),
        (b'{"id": 1, "result": null}\n', "not understood"),
        (b'{"id": 1, "error": "no"}\n', "refused: no"),
        (None, "did not answer in 0.1 s"),
    ],
)
def test_it_puts_up_with_any_answer(tmp_path: Path, answer: bytes | None, complaint: str) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                if answer is None:
                    connection.recv(1)  # until the client gives up
                else:
                    connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        with pytest.raises(RegistrarError, match=complaint):
            RegistrarClient(tmp_path / "s", timeout=0.1 if answer is None else 5.0).in_force()
        serving.join()
