"""A real phone: PJSIP, the library inside MicroSIP, in a process of its own (pjsip_phone.py)."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.parts.program import Program, ProgramError

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-phone" / "bin" / "python"
EVENT = '^{"event": '


@dataclass(frozen=True, slots=True)
class Registration:
    """The outcome of one REGISTER as the phone sees it: after digest and its own retries."""

    code: int
    reason: str
    expires: int
    active: bool

    @property
    def is_registered(self) -> bool:
        return self.code == 200 and self.active

    @property
    def shows_incorrect_password(self) -> bool:
        """What MicroSIP does with these: its password dialog, and no retry by itself."""
        return self.code in (401, 403)


class Phone:
    """One PJSIP phone with at most one account."""

    def __init__(self, directory: Path) -> None:
        """directory: an existing one, for PJSIP's log of every message."""
        if not PYTHON.exists():
            raise ProgramError(f"{PYTHON} is missing: run the tests through `make test`")
        script = Path(__file__).with_name("pjsip_phone.py")
        self._program = Program("the phone", [PYTHON, script, directory / "pjsip.log"])
        self._seen = 0
        self._account: dict[str, Any] = {}
        self._wait_for("ready", timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._program.kill()

    def register(
        self,
        server: str,
        username: str,
        password: str,
        *,
        domain: str | None = None,
        expires: int = 300,
        margin: int = 5,
        retry: int = 300,
    ) -> Registration:
        """Make the account, in place of another, and wait for the outcome of its first REGISTER.

        expires, margin (before the expiry comes the refresh) and retry are in seconds; the
        defaults are MicroSIP's.
        """
        self._account = {
            "server": server,
            "domain": domain or server,
            "username": username,
            "password": password,
            "expires": expires,
            "margin": margin,
            "retry": retry,
        }
        return self._register()

    def change_password(self, password: str) -> Registration:
        """Type another password into the account, as MicroSIP's dialog does: the account is made
        anew, and the outcome is that of its first REGISTER."""
        self._account["password"] = password
        return self._register()

    def refresh(self) -> Registration:
        """Register again now."""
        return self._act("refresh")

    def unregister(self) -> Registration:
        return self._act("unregister")

    def wait_for_registration(
        self,
        is_wanted: Callable[[Registration], bool] = lambda _: True,
        *,
        timeout: float = 40,
    ) -> Registration:
        """The next outcome that is wanted, of a REGISTER that the phone sends by itself."""
        deadline = time.monotonic() + timeout
        while True:
            event = self._wait_for("registration", timeout=deadline - time.monotonic())
            registration = Registration(
                event["code"], event["reason"], event["expires"], event["active"]
            )
            if is_wanted(registration):
                return registration

    def quit(self) -> None:
        """Close it as its user does: it unregisters first."""
        self._command("quit")
        self._wait_for("gone", timeout=10)
        self._program.wait(10)

    def _register(self) -> Registration:
        self._command("register", **self._account)
        # An account that was there before is unregistered, and that is told first: expires is 0.
        return self.wait_for_registration(lambda registration: registration.expires > 0)

    def _act(self, command: str, **values: Any) -> Registration:
        self._command(command, **values)
        return self.wait_for_registration()

    def _command(self, command: str, **values: Any) -> None:
        self._seen = len(self._program.lines)
        self._program.write(json.dumps({"command": command, **values}))

    def _wait_for(self, wanted: str, *, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while True:
            found = self._program.wait_for_line(
                EVENT, timeout=max(deadline - time.monotonic(), 0), after=self._seen
            )
            self._seen = self._program.lines.index(found.string, self._seen) + 1
            event: dict[str, Any] = json.loads(found.string)
            if event["event"] == "error":
                raise ProgramError(event["text"])
            if event["event"] == wanted:
                return event
