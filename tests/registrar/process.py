"""The registrar as its own process, with files of its own and a free port."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from registrar.snapshot import Credential, Secret, Snapshot, SnapshotFile, new_key_line, read_keys
from tests.registrar.conversation import REALM, SHIPPED

DEADLINE = 20.0  # seconds; only ever waited for in full when something is broken
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`; AssertionError after the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"never happened: {what}")


class RegistrarProcess:
    """start() waits for nothing; ready() does."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.state = home / "state"
        self.key = home / "snapshot.key"
        self.key.write_text(new_key_line())
        self.key.chmod(0o600)
        self.snapshot = SnapshotFile(home / "credentials.snapshot", read_keys(self.key))
        self.process: subprocess.Popen[str] | None = None
        self.lines: Queue[str] = Queue()
        self.log: list[str] = []

    def command(self, *more: str) -> list[str]:
        defines = {
            "LISTEN": f"udp:127.0.0.1:{self.port}",
            "REALM": f'"{REALM}"',
            "SNAPSHOT": f'"{self.snapshot.path}"',
            "SNAPSHOT_KEY": f'"{self.key}"',
            "STATE": f'"{self.state}"',
            "RPC_SOCKET": f'"{self.home / "rpc.sock"}"',
        }
        given = [word for name, value in defines.items() for word in ("-A", f"{name}={value}")]
        return [sys.executable, "-m", "registrar", "-f", SHIPPED, *given, *more]

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        """To its end, which must come by itself."""
        return subprocess.run(
            self.command(*more), cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(), cwd=ROOT, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.lines.put(line.rstrip())

    def says(self, text: str) -> str:
        """Waits for a log line with that text."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except Empty:
                break
            self.log.append(line)
            if text in line:
                return line
        raise AssertionError(f"never said {text!r}, but: " + "\n".join(self.log))

    def ready(self) -> "RegistrarProcess":
        self.says("ready:")
        return self

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE)

    def stop(self) -> int:
        """Asks it to stop; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def publish(self, *credentials: Credential, serial: int | None = None) -> int:
        before = self.snapshot.snapshot.serial if self.snapshot.snapshot else 0
        serial = before + 1 if serial is None else serial
        self.snapshot.write_base(
            Snapshot(serial, time.time(), serial, {one.key: one for one in credentials})
        )
        return serial

    def change(self, *credentials: Credential) -> int:
        """A change frame behind what is published."""
        assert self.snapshot.snapshot is not None
        serial = self.snapshot.snapshot.serial + 1
        self.snapshot.append(credentials, serial=serial, published=time.time(), revision=serial)
        return serial

    def rpc(self, method: str, *params: Any) -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(str(self.home / "rpc.sock"))
            request = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                return json.loads(lines.readline())

    def in_force(self, serial: int) -> dict[str, Any]:
        """Waits until that serial is in force."""

        def reached() -> Any:
            result = self.rpc("qayd.snapshot")["result"]
            return result if result["serial"] == serial else None

        found: dict[str, Any] = eventually(reached, f"serial {serial} in force")
        return found


class Wire:
    """A phone's socket, with the `receive` that tests.registrar.conversation.Phone wants."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.patience = DEADLINE

    def receive(self, data: bytes, _source: object) -> bytes | None:
        self.socket.settimeout(self.patience)
        self.socket.send(data)
        try:
            return self.socket.recv(65_535)
        except TimeoutError:
            return None

    def close(self) -> None:
        self.socket.close()


def credential(username: str = "1002", password: str = "secret", **values: Any) -> Credential:
    return Credential(username, REALM, Secret.derive(username, REALM, password), **values)


@contextmanager
def registrar_process() -> Iterator[RegistrarProcess]:
    """Its home has a short path, as Unix sockets want it."""
    home = Path(tempfile.mkdtemp(prefix="qayd-"))
    process = RegistrarProcess(home)
    try:
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.kill()
        shutil.rmtree(home, ignore_errors=True)
