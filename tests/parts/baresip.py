"""The second opinion: Debian's baresip as a phone, driven and heard through its ctrl_tcp module
(JSON in netstrings)."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.parts.program import Program, ProgramError

CONFIG = """\
sip_listen 127.0.0.1:0
module_path /usr/lib/baresip/modules
module_app account.so
module_app ctrl_tcp.so
module_app menu.so
ctrl_tcp_listen 127.0.0.1:{port}
"""
ACCOUNT = "<sip:{username}@{server}>;auth_user={username};auth_pass={password};regint={expires}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What baresip says of one registration: "REGISTER_OK" or "REGISTER_FAIL", and the reason."""

    type: str
    reason: str

    @property
    def is_registered(self) -> bool:
        return self.type == "REGISTER_OK"


class Baresip:
    """A running baresip with at most one account."""

    def __init__(self, directory: Path) -> None:
        """directory: an existing one, for its configuration."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (directory / "config").write_text(CONFIG.format(port=port))
        for name in ("accounts", "contacts"):
            (directory / name).write_text("")
        self._aor = ""
        self._program = Program("baresip", ["baresip", "-s", "-f", directory])
        self._program.wait_for_line("baresip is ready", timeout=20)
        self._control = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._received = b""
        self._registrations: list[Outcome] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._control.close()
        self._program.kill()

    def register(self, server: str, username: str, password: str, *, expires: int = 300) -> Outcome:
        """Make the account and wait for the outcome of its first REGISTER. It refreshes after nine
        tenths of `expires` seconds."""
        self._aor = f"sip:{username}@{server}"
        account = ACCOUNT.format(
            username=username, server=server, password=password, expires=expires
        )
        self._command("uanew", account)
        return self.wait_for_registration()

    def forget_account(self) -> None:
        """Remove the account; baresip unregisters it."""
        self._command("uadel", self._aor)

    def wait_for_registration(self, timeout: float = 40) -> Outcome:
        """The next outcome."""
        self._control.settimeout(timeout)
        while not self._registrations:
            self._read()
        return self._registrations.pop(0)

    def quit(self) -> None:
        """Close it as its user does: it unregisters first."""
        self._command("quit")
        self._program.wait(20)

    def _command(self, name: str, parameters: str = "") -> None:
        data = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self._control.sendall(b"%d:%s," % (len(data), data))
        while True:
            answer = self._read()
            if answer.get("response"):
                assert answer["ok"], f"baresip refused {name}: {answer}"
                return

    def _read(self) -> dict[str, Any]:
        """The next thing it says; an outcome of a registration is kept as well."""
        while True:
            length, colon, rest = self._received.partition(b":")
            if colon and len(rest) > int(length):
                self._received = rest[int(length) + 1 :]
                said: dict[str, Any] = json.loads(rest[: int(length)])
                break
            data = self._control.recv(65536)
            if not data:
                raise ProgramError(f"baresip is gone:\n{self._program.output}")
            self._received += data
        if said.get("type") in ("REGISTER_OK", "REGISTER_FAIL"):
            self._registrations.append(Outcome(said["type"], said.get("param", "")))
        return said
