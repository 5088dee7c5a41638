"""Qayd itself as a test runs it: webadmin under gunicorn and the registrar, each its own process,
in a home with a short path, on free ports; killed and started one by one."""

import http.client
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.parts.ports import free_port
from tests.parts.program import Program
from tools.home import ROOT, Home, flask_command, webadmin_command

REALM = "story.test"
# What an operator would write to let phones register for seconds: the shipped logic, and one line.
BRIEF = """\
include_file "{root}/registrar/registrar.cfg"
modparam("registrar", "min_expires", 5)
"""


class Qayd:
    """Both programs on one home; neither is started yet."""

    def __init__(self, directory: Path, database_url: str) -> None:
        """directory: a new one with a short path."""
        self.home = Home(directory)
        self.home.make(REALM)
        self.http_port = free_port(socket.SOCK_STREAM)
        self.sip_port = free_port(socket.SOCK_DGRAM)
        self.environment = {
            **self.home.environment(REALM),
            "QAYD_DATABASE_URL": database_url,
            "QAYD_HTTP": f"127.0.0.1:{self.http_port}",
            "QAYD_SIP_ADDRESS": self.sip_server,
        }
        self._configuration = directory / "brief.cfg"
        self._configuration.write_text(BRIEF.format(root=ROOT))
        self._registrar: Program | None = None
        self._webadmin: Program | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill_registrar()
        self.kill_webadmin()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def sip_server(self) -> str:
        return f"127.0.0.1:{self.sip_port}"

    def flask(self, *arguments: str) -> str:
        """Run one of webadmin's commands; its standard output."""
        done = subprocess.run(
            flask_command(*arguments),
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"flask {arguments}: {done.stderr}"
        return done.stdout

    def start_registrar(self) -> None:
        """Start it and wait until it answers phones."""
        command = self.home.registrar_command(
            REALM, f"udp:127.0.0.1:{self.sip_port}", self._configuration
        )
        self._registrar = Program("the registrar", command, directory=ROOT)
        self._registrar.wait_for_line(r"\bready: ", timeout=20)

    def start_webadmin(self) -> None:
        """Start it and wait until it has shown its login page."""
        self._webadmin = Program(
            "webadmin", webadmin_command(), environment=self.environment, directory=ROOT
        )
        self._webadmin.wait_for_line("Listening at: ", timeout=20)
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        connection.request("GET", "/login")
        assert connection.getresponse().status == 200, self._webadmin.output
        connection.close()

    def kill_registrar(self) -> None:
        """kill -9."""
        if self._registrar is not None:
            self._registrar.kill()
        self._registrar = None

    def kill_webadmin(self) -> None:
        """kill -9: gunicorn and its workers."""
        if self._webadmin is not None:
            self._webadmin.kill()
        self._webadmin = None

    @property
    def logs(self) -> str:
        """What both have said, for a failed test's report."""
        running = [program for program in (self._registrar, self._webadmin) if program]
        return "\n\n".join(f"{program.name}:\n{program.output}" for program in running)

    def rpc(self, method: str, *parameters: Any) -> Any:
        """What the registrar answers to a JSON-RPC call: its `result`, or AssertionError."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.home.registrar_socket))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        assert "result" in answer, answer
        return answer["result"]

    def bindings(self, number: str) -> list[dict[str, Any]]:
        """The contacts that the registrar has for an extension."""
        contacts = self.rpc("ul.lookup", "location", number)["Contacts"]
        return [contact["Contact"] for contact in contacts]
