"""QAYD_HOME: the files of one Qayd on one machine, and what the two programs are told of them.

Whatever is made here is made once, private to its owner, and complete or not at all.
"""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from registrar.keyring import new_key_line

ROOT = Path(__file__).resolve().parents[1]
LONGEST_SOCKET_PATH = 107  # bytes, Linux's limit
LONGEST_REALM = 255


class HomeError(Exception):
    """Qayd cannot live in this directory; str() is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths in QAYD_HOME; all under one private directory."""

    path: Path

    @property
    def realm(self) -> Path:
        return self.path / "realm"

    @property
    def database(self) -> Path:
        return self.path / "webadmin.db"

    @property
    def has_data(self) -> bool:
        """A command that is run too early leaves an empty database."""
        return self.database.exists() and self.database.stat().st_size > 0

    @property
    def store_key(self) -> Path:
        return self.path / "keys" / "store.key"

    @property
    def snapshot_key(self) -> Path:
        return self.path / "keys" / "snapshot.key"

    @property
    def session_key(self) -> Path:
        return self.path / "keys" / "session.key"

    @property
    def snapshot(self) -> Path:
        return self.path / "published" / "credentials.snapshot"

    @property
    def state(self) -> Path:
        """The registrar's own directory."""
        return self.path / "registrar"

    @property
    def registrar_socket(self) -> Path:
        return self.path / "registrar.sock"

    def choose_realm(self, wanted: str) -> str:
        """The realm that is stored here, else the one that is wanted, else the host's name.

        Nothing is written yet. A HomeError if what is wanted is not what is stored.
        """
        if self.realm.exists():
            stored = self.realm.read_text(encoding="utf-8").strip()
            if wanted and wanted != stored:
                raise HomeError(
                    f"QAYD_REALM is {wanted!r}, but the realm of {self.path} is {stored!r} for"
                    " good: it is inside every stored password, so with another one every"
                    " password would need a reset. Unset QAYD_REALM, or set QAYD_HOME to a new"
                    " directory."
                )
            return stored
        if self.has_data and not wanted:
            raise HomeError(
                f"{self.realm} is missing, and every stored password has the realm inside: bring"
                " the file back, or set QAYD_REALM to what it said."
            )
        realm = wanted or socket.gethostname()
        if (
            not 0 < len(realm) <= LONGEST_REALM
            or not realm.isprintable()
            or set(realm) & set('"\\$')
        ):
            whose = "QAYD_REALM is" if wanted else "the realm would be this machine's name,"
            raise HomeError(
                f"{whose} {realm!r}: a realm has 1 to {LONGEST_REALM} printable characters, and"
                ' none of " \\ $; choose one, as in QAYD_REALM=office.example make run'
            )
        return realm

    def check(self) -> None:
        """A HomeError if Qayd cannot live here. Makes nothing."""
        if len(os.fsencode(self.registrar_socket)) > LONGEST_SOCKET_PATH:
            raise HomeError(
                f"QAYD_HOME is too long a path for the socket in it: {self.registrar_socket} has"
                f" more than {LONGEST_SOCKET_PATH} bytes."
            )
        if set(str(self.path)) & set('"\\?#%'):
            raise HomeError(f'QAYD_HOME must hold none of " \\ ? # %: {self.path}')
        for key in (self.store_key, self.snapshot_key):
            if self.has_data and not key.exists():
                raise HomeError(
                    f"{key} is missing, and without it what is stored in {self.database} is lost:"
                    " bring the key back."
                )

    @contextmanager
    def locked(self) -> Iterator[int]:
        """One run at a time works here; a HomeError for the second. Gives the descriptor that is
        the lock: whoever inherits it holds it too."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.path / "lock", "a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeError(
                    f"Qayd already runs in {self.path}: stop it there (its processes:"
                    f" {', '.join(map(str, self._processes())) or 'not visible to you'}), or set"
                    " QAYD_HOME to another directory."
                ) from None
            yield lock.fileno()

    def _processes(self) -> list[int]:
        """Those that were started with this home."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"QAYD_HOME=" + os.fsencode(self.path) in environment:
                found.append(int(process.name))
        return sorted(set(found) - {os.getpid(), os.getppid()})

    def make(self, realm: str) -> None:
        """Make what is missing: directories, the realm and the keys."""
        keys = (self.store_key, self.snapshot_key, self.session_key)
        for directory in (self.store_key.parent, self.snapshot.parent, self.state):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(self.realm, realm + "\n")
        for key in keys:
            write_once(key, new_key_line())

    def environment(self, realm: str) -> dict[str, str]:
        """What webadmin is told: every path, so that nothing is taken from somewhere else."""
        return {
            "QAYD_HOME": str(self.path),
            "QAYD_REALM": realm,
            "QAYD_DATABASE_URL": f"sqlite:///{self.database}",
            "QAYD_DATABASE_URL_FILE": "",
            "QAYD_STORE_KEY": str(self.store_key),
            "QAYD_SNAPSHOT_KEY": str(self.snapshot_key),
            "QAYD_SESSION_KEY": str(self.session_key),
            "QAYD_SNAPSHOT": str(self.snapshot),
            "QAYD_REGISTRAR_SOCKET": str(self.registrar_socket),
        }

    def registrar_command(
        self, realm: str, listen: str, configuration: Path = ROOT / "registrar" / "registrar.cfg"
    ) -> list[str]:
        """listen: as in "udp:0.0.0.0:5060"."""
        defines = {
            "LISTEN": listen,
            "REALM": f'"{realm}"',
            "SNAPSHOT": f'"{self.snapshot}"',
            "SNAPSHOT_KEY": f'"{self.snapshot_key}"',
            "STATE": f'"{self.state}"',
            "RPC_SOCKET": f'"{self.registrar_socket}"',
        }
        command = [sys.executable, "-m", "registrar", "-f", str(configuration)]
        for name, value in defines.items():
            command += ["-A", f"{name}={value}"]
        return command


def webadmin_command() -> list[str]:
    """gunicorn; it takes its address from QAYD_HTTP."""
    configuration = ROOT / "webadmin" / "gunicorn_conf.py"
    return [sys.executable, "-m", "gunicorn", "-c", str(configuration)]


def flask_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "webadmin", *arguments]


def write_once(path: Path, text: str) -> None:
    """A private file with this text, unless there is one already. An interruption leaves none."""
    if path.exists():
        return
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
