"""What `make run` starts: webadmin under gunicorn and the registrar, until Ctrl-C.

The first run makes QAYD_HOME with everything in it; later runs keep it. One sentence and exit
status 1 if something stands in the way, before anything has been started.
"""

import contextlib
import errno
import http
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, NoReturn

from tools.home import ROOT, Home, HomeError, flask_command, webadmin_command

READY_WITHIN = 60.0  # seconds
STOP_WITHIN = 10.0
ADMINISTRATOR = "admin"
DEFAULTS = {"QAYD_HTTP": "127.0.0.1:8080", "QAYD_SIP": "0.0.0.0:5060"}


class StartError(Exception):
    """Qayd cannot start; str() is one sentence that says why and what to do."""


class Stopped(Exception):
    """Somebody asked for the end: Ctrl-C, SIGTERM, or a terminal that was closed."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port from the environment variable `name`."""

    name: str
    host: str
    port: int

    @classmethod
    def parse(cls, name: str, text: str) -> "Address":
        host, colon, port = text.strip().rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        is_written_well = colon and bare and (":" not in bare or host == f"[{bare}]")
        if not is_written_well or not port.isascii() or not port.isdigit():
            raise StartError(
                f"{name} is {text!r}: an address and a port are expected, as in"
                f" {name}={DEFAULTS[name]} make run"
            )
        if not 0 < int(port) < 65536:
            raise StartError(f"{name} is {text!r}: a port is a number from 1 to 65535")
        return cls(name, bare, int(port))

    @property
    def is_any(self) -> bool:
        return self.host in ("0.0.0.0", "::")  # noqa: S104

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def for_a_phone(self) -> str:
        """What to type into a phone: SIP's own port goes without saying."""
        return str(self).removesuffix(":5060")

    def check(self, kind: socket.SocketKind) -> None:
        """A StartError if nobody can listen there."""
        what = "TCP" if kind == socket.SOCK_STREAM else "UDP"
        try:
            family, *_, target = socket.getaddrinfo(self.host, self.port, type=kind)[0]
            with socket.socket(family, kind) as probe:
                if kind == socket.SOCK_STREAM:  # as gunicorn does: a closed one is not in use
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(target)
        except socket.gaierror:
            raise StartError(
                f"{self.name} is {str(self)!r}: there is no host {self.host}"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                other = Address(self.name, self.host, self.port % 65535 + 1)
                raise StartError(
                    f"{what} port {self.port} is in use on {self.host}: stop what uses it, or"
                    f" choose another one, as in {self.name}={other} make run"
                ) from None
            raise StartError(f"{self.name} is {str(self)!r}: {error.strerror}") from None


class Child:
    """A program of ours. Its lines go to `tell` (stderr's to `tell_error`), its end to `news`;
    the descriptors `held` are its too.

    It has a session of its own, so that Ctrl-C in a terminal reaches us alone and we stop it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        news: "SimpleQueue[Child | None]",
        tell: Callable[[str], None],
        tell_error: Callable[[str], None],
        held: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=held,
        )
        streams = ((self.process.stdout, tell), (self.process.stderr, tell_error))
        self._readers = [
            threading.Thread(target=_read, args=(stream, listener), daemon=True)
            for stream, listener in streams
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._watch, args=(news,), daemon=True).start()

    def _watch(self, news: "SimpleQueue[Child | None]") -> None:
        self.process.wait()
        self._hear_the_rest()
        news.put(self)

    def _hear_the_rest(self) -> None:
        for reader in self._readers:
            reader.join(1)  # a grandchild may keep the stream open

    def stop(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic) for its end, then end it and all that it started."""
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            say(f"{self.name} does not stop, so it is killed")
        with contextlib.suppress(ProcessLookupError):  # nothing of it is left, as it should be
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._hear_the_rest()


class Launcher:
    """One run of both programs in one home."""

    def __init__(self, home: Home, http: Address, sip: Address, lock: int) -> None:
        self._home = home
        self._lock = lock
        self._http = http
        self._sip = sip
        self._news: SimpleQueue[Child | None] = SimpleQueue()  # None: somebody asks for the end
        self._children: list[Child] = []

    def run(self, realm: str) -> NoReturn:
        """Start everything, and end with Stopped or a StartError; nothing is left running."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._news.put(None))
        server = os.environ.get("QAYD_SIP_ADDRESS") or reachable(self._sip).for_a_phone()
        environment = {
            **self._home.environment(realm),
            "QAYD_HTTP": str(self._http),
            "QAYD_SIP_ADDRESS": server,
        }
        try:
            password = self._prepare_database(environment)
            registrar = self._home.registrar_command(realm, f"udp:{self._sip}")
            self._start("registrar", registrar, environment)
            self._start("webadmin", webadmin_command(), environment)
            self._wait_until_ready()
            say(instructions(reachable(self._http), server, password))
            while True:
                self._hear()
        finally:
            self._stop()

    def _prepare_database(self, environment: Mapping[str, str]) -> str:
        """Migrate the database, or make it with its first administrator, whose password it tells.

        A new database is made aside and put in its place complete, and the password is said at
        once, so an interrupted first run is simply the first run again, or was told all.
        """
        database = self._home.database
        create = flask_command("create-admin", "--username", ADMINISTRATOR, "--generate")
        if tables(database):
            self._finish("migrating the database", flask_command("db", "upgrade"), environment)
            if has_administrator(database):
                return ""
            return self._told(self._finish("making the administrator", create, environment)[-1])
        draft = database.with_name(database.name + ".new")
        draft.unlink(missing_ok=True)
        aside = {**environment, "QAYD_DATABASE_URL": f"sqlite:///{draft}"}
        self._finish("making the database", flask_command("db", "upgrade"), aside)
        password = self._finish("making the administrator", create, aside)[-1]
        draft.rename(database)
        self._told(password)
        self._finish("publishing", flask_command("publish"), environment)
        return password

    def _told(self, password: str) -> str:
        """Said at once: whatever happens next, nothing knows it any more."""
        say(f"The first administrator is {ADMINISTRATOR}, with the password {password}")
        return password

    def _finish(
        self, what: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> list[str]:
        """Run a command to its end; the lines of its standard output."""
        output: list[str] = []
        complaints: list[str] = []
        child = Child(what, command, environment, self._news, output.append, complaints.append)
        self._children.append(child)
        self._news_of(child)
        if child.process.returncode:
            raise StartError("\n".join([f"{what} failed:", *complaints]))
        return output

    def _news_of(self, child: Child) -> None:
        """Wait for its end, or Stopped."""
        if self._news.get() is not child:
            raise Stopped
        self._children.remove(child)

    def _start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        def tell(line: str) -> None:
            say(f"{name:9} | {line}")

        # With the lock: should this launcher be killed, the next one is told what still runs.
        child = Child(name, command, environment, self._news, tell, tell, (self._lock,))
        self._children.append(child)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not (is_answering(self._home.registrar_socket) and shows_login(self._http)):
            if time.monotonic() > deadline:
                raise StartError(f"Qayd was not ready within {READY_WITHIN:g} seconds; see above")
            with contextlib.suppress(Empty):
                self._hear(timeout=0.05)

    def _hear(self, timeout: float | None = None) -> None:
        """Wait for news, all of which is bad: Stopped, or a StartError for a program that ended."""
        child = self._news.get(timeout=timeout)
        if child is None:
            raise Stopped
        status = child.process.returncode
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        raise StartError(f"{child.name} has ended by itself ({how}); see above")

    def _stop(self) -> None:
        """SIGTERM to all, and SIGKILL to what stays."""
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        for child in self._children:
            child.stop(deadline)


def _read(stream: IO[str], tell: Callable[[str], None]) -> None:
    for line in stream:
        tell(line.rstrip())


def say(text: str) -> None:
    """To standard output, in one piece; a reader who has gone is no reason to stop."""
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def reachable(address: Address) -> Address:
    """The address for others to type: this machine's own where it listens on all of them."""
    if not address.is_any:
        return address
    own = "127.0.0.1"
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; it only asks the routing table
        own = probe.getsockname()[0]
    return Address(address.name, own, address.port)


def tables(database: Path) -> list[str]:
    """None in a file that is not there, or is empty, as a command that was run too early leaves
    it."""
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]


def has_administrator(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return bool(connection.execute("SELECT count(*) FROM admin").fetchone()[0])


def is_answering(path: Path) -> bool:
    """Whether the registrar says on its socket that it answers phones."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "qayd.snapshot", "params": []}
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                return bool(json.loads(answers.readline())["result"]["ready"])
    except (OSError, ValueError, KeyError):
        return False


def shows_login(address: Address) -> bool:
    """Whether the admin's login page is there."""
    host = "127.0.0.1" if address.host == "0.0.0.0" else address.host  # noqa: S104
    connection = http.client.HTTPConnection(host, address.port, timeout=5)
    try:
        connection.request("GET", "/login")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def instructions(admin: Address, server: str, password: str) -> str:
    """What to do now, to the word. The password is there only at the first run."""
    first = f"\n  Password    {password}     (shown only now: write it down)" if password else ""
    return f"""
Qayd is ready.

  Click       http://{admin}/
  Username    {ADMINISTRATOR}{first}

  Create an extension there. Then type into MicroSIP, Menu > Add Account:
  SIP server  {server}
  Username    the extension's number
  Domain      {server}
  Password    the one shown when you create the extension
  Transport   UDP

Ctrl-C stops Qayd.
"""


def main() -> int:
    home = Home(Path(os.environ.get("QAYD_HOME") or ROOT / "var").expanduser().absolute())
    try:
        http_address, sip_address = (
            Address.parse(name, os.environ.get(name) or default)
            for name, default in DEFAULTS.items()
        )
        home.check()
        realm = home.choose_realm(os.environ.get("QAYD_REALM", "").strip())
        with home.locked() as lock:
            http_address.check(socket.SOCK_STREAM)
            sip_address.check(socket.SOCK_DGRAM)
            home.make(realm)
            Launcher(home, http_address, sip_address, lock).run(realm)
    except (Stopped, KeyboardInterrupt):
        say("Qayd has stopped.")
        return 0
    except (StartError, HomeError) as error:
        print(f"Qayd: {error}", file=sys.stderr, flush=True)
    except OSError as error:
        print(f"Qayd: {home.path} cannot be used: {error}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
