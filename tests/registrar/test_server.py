"""The registrar's life as its own process: start, watch, refuse, kill, stop."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.registrar.conversation import Phone, status
from tests.registrar.process import (
    DEADLINE,
    RegistrarProcess,
    Wire,
    credential,
    eventually,
    registrar_process,
)


@pytest.fixture
def registrar() -> Iterator[RegistrarProcess]:
    with registrar_process() as process:
        yield process


@pytest.fixture
def wire(registrar: RegistrarProcess) -> Iterator[Wire]:
    wire = Wire(registrar.port)
    yield wire
    wire.close()


def phone_on(wire: Any, **values: Any) -> Phone:
    return Phone(wire, **values)


def running(registrar: RegistrarProcess) -> RegistrarProcess:
    registrar.publish(credential())
    registrar.start()
    return registrar.ready()


class TestStory:
    def test_a_phone_outlives_a_kill(self, registrar: RegistrarProcess, wire: Wire) -> None:
        running(registrar)
        assert status(phone_on(wire).register()) == 200
        registrar.kill()
        registrar.start()
        registrar.ready()
        found = registrar.rpc("ul.lookup", "location", "1002")["result"]
        assert found["AoR"] == "1002"
        (contact,) = (one["Contact"] for one in found["Contacts"])
        assert contact["Address"] == "sip:1002@192.168.1.7:49152;ob"
        assert contact["User-Agent"] == "MicroSIP/3.22.3"
        assert 290 <= contact["Expires"] <= 300
        assert contact["Received"] == f"sip:127.0.0.1:{wire.socket.getsockname()[1]}"
        assert status(phone_on(wire, call_id="c2").register()) == 200

    def test_without_the_published_file_the_last_good_one_serves(
        self, registrar: RegistrarProcess, wire: Wire
    ) -> None:
        running(registrar)
        serial = registrar.change(credential("1003"))
        registrar.in_force(serial)
        registrar.kill()
        registrar.snapshot.path.unlink()
        registrar.start()
        registrar.ready()
        assert registrar.rpc("qayd.snapshot")["result"]["serial"] == serial
        for username in ("1002", "1003"):
            assert status(phone_on(wire, username=username, call_id=username).register()) == 200

    def test_silent_until_there_are_credentials(
        self, registrar: RegistrarProcess, wire: Wire
    ) -> None:
        registrar.start()
        registrar.says("no snapshot is in force, phones get no answer")
        wire.patience = 0.3
        phone = phone_on(wire)
        request = phone.request()
        assert wire.receive(request, None) is None
        wire.patience = DEADLINE
        registrar.publish(credential())
        wire.socket.settimeout(DEADLINE)
        assert status(wire.socket.recv(65_535)) == 401, "what waited in the socket is answered"
        assert status(phone.register()) == 200


class TestSnapshot:
    def test_changes_come_into_force(self, registrar: RegistrarProcess, wire: Wire) -> None:
        running(registrar)
        phone = phone_on(wire, username="1003", call_id="c3")
        assert status(phone.register()) == 401
        registrar.in_force(registrar.change(credential("1003")))
        assert status(phone.register()) == 200
        registrar.in_force(registrar.change(credential("1003", "other")))
        assert status(phone.register()) == 401
        registrar.in_force(registrar.publish(credential("1003")))
        assert status(phone.register()) == 200

    def test_disabling_and_deleting_unbinds(self, registrar: RegistrarProcess, wire: Wire) -> None:
        running(registrar)
        registrar.in_force(registrar.change(credential("1003")))
        for username in ("1002", "1003"):
            assert status(phone_on(wire, username=username, call_id=username).register()) == 200
        registrar.in_force(
            registrar.change(credential("1002", enabled=False), credential("1003", deleted=1.0))
        )
        for username in ("1002", "1003"):
            answer = registrar.rpc("ul.lookup", "location", username)
            assert answer["error"]["code"] == 404
        assert status(phone_on(wire, call_id="c4").register()) == 403
        deleted = phone_on(wire, username="1003", call_id="c5")
        assert status(deleted.register()) == 401
        registrar.kill()
        registrar.start()
        registrar.ready()
        assert "error" in registrar.rpc("ul.lookup", "location", "1002")

    @pytest.mark.parametrize(
        "fault", ["older", "corrupt", "truncated", "exposed", "foreign", "gone"]
    )
    def test_a_bad_file_leaves_the_last_good_in_force(
        self, registrar: RegistrarProcess, wire: Wire, fault: str
    ) -> None:
        running(registrar)
        serial = registrar.change(credential("1003"))
        registrar.in_force(serial)
        path = registrar.snapshot.path
        data = path.read_bytes()
        sentences = {
            "older": "serial 1 is older than 2",
            "corrupt": "was altered or damaged",
            "truncated": "the base is incomplete",
            "exposed": "every user of this machine may use this file",
            "foreign": "this is not a credential snapshot",
            "gone": "No such file",
        }
        if fault == "older":
            registrar.publish(credential(), serial=1)
        elif fault == "corrupt":
            replace(path, data[:-1] + bytes([data[-1] ^ 1]))
        elif fault == "truncated":
            replace(path, data[:100])
        elif fault == "exposed":
            path.chmod(0o644)
        elif fault == "foreign":
            replace(path, b"x" * 1000)
        else:
            path.unlink()
        line = registrar.says(sentences[fault])
        assert f"serial {serial} stays in force" in line
        told = registrar.rpc("qayd.snapshot")["result"]
        assert sentences[fault] in told["refused"]
        assert told["serial"] == serial
        assert status(phone_on(wire, username="1003").register()) == 200
        good = registrar.publish(credential(), credential("1003"), serial=serial + 1)
        assert registrar.in_force(good)["refused"] == ""

    def test_torn_change_is_waited_for(self, registrar: RegistrarProcess) -> None:
        running(registrar)
        path = registrar.snapshot.path
        before = path.read_bytes()
        serial = registrar.change(credential("1003"))
        whole = path.read_bytes()
        registrar.in_force(serial)
        registrar.kill()
        torn = path.with_name("torn")
        torn.write_bytes(whole[:-5])
        torn.chmod(0o640)
        torn.rename(path)
        assert len(before) < len(whole)
        (registrar.state / "last-good.snapshot").unlink()
        registrar.start()
        registrar.ready()
        told = registrar.rpc("qayd.snapshot")["result"]
        assert told["serial"] == serial - 1
        assert "incomplete" in told["refused"]
        with open(path, "ab") as file:
            file.write(whole[-5:])
        registrar.in_force(serial)

    def test_lost_record_is_a_500_across_a_restart_too(
        self, registrar: RegistrarProcess, wire: Wire
    ) -> None:
        running(registrar)
        registrar.in_force(registrar.change(credential("1003")))
        registrar.in_force(registrar.publish(credential()))
        for run in range(2):
            told = registrar.rpc("qayd.snapshot")["result"]
            assert told["faults"] == ["1003: vanished from the snapshot"]
            phone = phone_on(wire, username="1003", call_id=f"c{run}")
            assert status(phone.register()) == 500
            registrar.kill()
            registrar.start()
            registrar.ready()
            assert told["serial"] == registrar.in_force(told["serial"])["serial"]
        registrar.in_force(registrar.publish(credential(), credential("1003")))
        assert status(phone_on(wire, username="1003", call_id="c9").register()) == 200

    def test_file_that_could_not_be_opened_is_tried_again(
        self, registrar: RegistrarProcess
    ) -> None:
        running(registrar)
        path = registrar.snapshot.path
        path.rename(path.with_name("away"))
        registrar.says("No such file")
        serial = 2
        registrar.publish(credential("1003"), serial=serial)
        registrar.in_force(serial)

    def test_show_snapshot(self, registrar: RegistrarProcess) -> None:
        registrar.publish(credential(), credential("1003", enabled=False), serial=7)
        shown = registrar.run("--show-snapshot")
        assert shown.returncode == 0
        assert "serial    7\n" in shown.stdout
        assert "count     2 extensions, 1 of them disabled\n" in shown.stdout
        assert re.search(r"^age       \d+ seconds$", shown.stdout, re.MULTILINE)
        secret = credential().current
        assert secret is not None
        assert str(secret.ha1("MD5")) not in shown.stdout

    def test_show_snapshot_that_is_not_there(self, registrar: RegistrarProcess) -> None:
        shown = registrar.run("--show-snapshot")
        assert shown.returncode == 1
        assert shown.stderr == f"registrar: {registrar.snapshot.path}: No such file or directory\n"


def replace(path: Path, data: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(data)
    new.chmod(0o640)
    new.rename(path)


class TestLife:
    def test_stops_cleanly_and_forgets_nothing(
        self, registrar: RegistrarProcess, wire: Wire
    ) -> None:
        running(registrar)
        phone_on(wire).register()
        assert registrar.stop() == 0
        assert not (registrar.home / "rpc.sock").exists()
        registrar.start()
        registrar.ready()
        assert "result" in registrar.rpc("ul.lookup", "location", "1002")

    def test_port_in_use_is_one_sentence(self, registrar: RegistrarProcess) -> None:
        registrar.publish(credential())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", registrar.port))
            refused = registrar.run()
        assert refused.returncode == 1
        assert refused.stderr == (
            f"registrar: cannot listen on udp:127.0.0.1:{registrar.port}: Address already in use\n"
        )

    def test_second_registrar_on_one_journal_is_refused(self, registrar: RegistrarProcess) -> None:
        running(registrar)
        port, registrar.port = registrar.port, 0
        refused = registrar.run()
        registrar.port = port
        assert refused.returncode == 1
        assert "another registrar is using this journal" in refused.stderr

    def test_check_says_what_is_wrong_and_where(
        self, registrar: RegistrarProcess, tmp_path: Path
    ) -> None:
        assert "the configuration is good" in registrar.run("-c").stdout
        bad = tmp_path / "bad.cfg"
        bad.write_text('loadmodule "sl.so"\nrequest_route {\n    sl_send_replay("200", "OK");\n}\n')
        command = registrar.command("-c")
        command[command.index("-f") + 1] = str(bad)
        checked = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
        assert checked.returncode == 1
        assert f"{bad}:3:5: " in checked.stderr
        assert "did you mean sl_send_reply()?" in checked.stderr
        assert "Traceback" not in checked.stderr

    def test_files_are_private(self, registrar: RegistrarProcess, wire: Wire) -> None:
        running(registrar)
        phone_on(wire).register()
        modes = {path.name: path.stat().st_mode & 0o777 for path in registrar.state.iterdir()}
        assert set(modes.values()) == {0o600}, modes
        assert registrar.state.stat().st_mode & 0o777 == 0o700
        assert (registrar.home / "rpc.sock").stat().st_mode & 0o777 == 0o660

    def test_large_datagram_is_answered(self, registrar: RegistrarProcess, wire: Wire) -> None:
        running(registrar)
        data = phone_on(wire).request("OPTIONS", extra="X: " + "x" * 60_000 + "\r\n")
        assert status(wire.receive(data, None)) == 200


class TestRpc:
    def test_lookup_dump_remove(self, registrar: RegistrarProcess, wire: Wire) -> None:
        running(registrar)
        phone_on(wire).register()
        dumped = registrar.rpc("ul.dump")["result"]["Domains"][0]["Domain"]
        assert dumped["AoRs"][0]["Info"]["AoR"] == "1002"
        assert dumped["Stats"]["Records"] == 1
        assert registrar.rpc("ul.rm", "location", "1002")["result"] == {"removed": 1}
        assert registrar.rpc("ul.rm", "location", "1002")["error"]["code"] == 404
        registrar.kill()
        registrar.start()
        registrar.ready()
        assert registrar.rpc("ul.dump")["result"]["Domains"][0]["Domain"]["AoRs"] == []

    def test_what_phones_send_is_readable(self, registrar: RegistrarProcess, wire: Wire) -> None:
        running(registrar)
        phone = phone_on(wire)
        phone.challenged()
        data = phone.request(extra=phone.authorization() + "Expires: 300\r\n")
        data = data.replace(b"User-Agent: MicroSIP", b"User-Agent: \xff\x1b[31m\xd0\x90")
        assert status(wire.receive(data, None)) == 200
        (found,) = registrar.rpc("ul.lookup", "location", "1002")["result"]["Contacts"]
        assert found["Contact"]["User-Agent"] == "\ufffd\ufffd[31m\u0410/3.22.3"

    def test_socket_of_somebody_else_is_left_alone(self, registrar: RegistrarProcess) -> None:
        registrar.publish(credential())
        path = registrar.home / "rpc.sock"
        path.write_text("mine")
        refused = registrar.run()
        assert refused.returncode == 1
        assert "there is something else at this path" in refused.stderr
        assert path.read_text() == "mine"
        path.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(str(path))
            other.listen()
            assert "another process answers there" in registrar.run().stderr

    def test_core(self, registrar: RegistrarProcess) -> None:
        running(registrar)
        assert registrar.rpc("core.version")["result"].startswith("qayd ")
        assert registrar.rpc("core.uptime")["result"]["uptime"] >= 0
        assert registrar.rpc("core.reboot")["error"]["code"] == -32601
        assert registrar.rpc("ul.lookup", "subscriber", "1002")["error"]["code"] == -32602
        assert registrar.rpc("ul.lookup")["error"]["code"] == -32602

    def test_batch_notification_and_rubbish(self, registrar: RegistrarProcess) -> None:
        running(registrar)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(str(registrar.home / "rpc.sock"))
            connection.sendall(
                b'{"jsonrpc":"2.0","method":"core.version"}\n'
                b"not json\n"
                b'[{"jsonrpc":"2.0","method":"core.version","id":1},{"jsonrpc":"2.0","id":2}]\n'
            )
            with connection.makefile("rb") as lines:
                assert b"-32700" in lines.readline()
                batch = lines.readline()
                assert b"qayd" in batch
                assert b"-32600" in batch

    def test_snapshot_is_never_secret(self, registrar: RegistrarProcess) -> None:
        running(registrar)
        told = registrar.rpc("qayd.snapshot")["result"]
        assert told.keys() == {
            "serial", "highest", "count", "age", "faults", "refused", "ready"
        }  # fmt: skip
        assert (told["serial"], told["count"], told["ready"]) == (1, 1, True)


def test_journal_is_compacted_while_phones_register(
    registrar: RegistrarProcess, wire: Wire
) -> None:
    """A journal of superseded records becomes small at the next round, and is still whole."""
    running(registrar)
    assert status(phone_on(wire).register()) == 200
    registrar.stop()
    journal = registrar.state / "location.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    put = next(line for line in lines if b'"put"' in line)
    journal.write_bytes(b"".join(lines) + put * 12_000)
    journal.chmod(0o600)
    before = journal.stat().st_size
    registrar.start()
    registrar.ready()
    eventually(lambda: journal.stat().st_size < before / 100, "a smaller journal")
    assert status(phone_on(wire, call_id="c2", contact="<sip:second@b>").register()) == 200
    registrar.kill()
    registrar.start()
    registrar.ready()
    found = registrar.rpc("ul.lookup", "location", "1002")["result"]["Contacts"]
    assert len(found) == 2
