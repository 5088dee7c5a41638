"""Debian's MariaDB server for one test: its own data directory, a Unix socket and no network."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pymysql

from tests.parts.program import Program, ProgramError

SERVER = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin") or "mariadbd"
SMALL = ("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M")


class MariaDB:
    """A server that can be killed and started again on the same data."""

    def __init__(self, directory: Path) -> None:
        """directory: an existing one with a short path (a Unix socket's has 107 bytes)."""
        self._data = directory / "data"
        self._socket = directory / "s"
        self._program: Program | None = None
        # The server refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            shutil.chown(directory, self._user)
        made = subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", f"--user={self._user}"),
                *(f"--datadir={self._data}", "--auth-root-authentication-method=normal"),
                *("--skip-test-db", *SMALL),
            ],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise ProgramError(f"mariadb-install-db failed:\n{made.stdout}\n{made.stderr}")
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._program = Program(
            "mariadbd",
            [
                *(SERVER, "--no-defaults", f"--user={self._user}", f"--datadir={self._data}"),
                *(f"--socket={self._socket}", f"--pid-file={self._data}/pid"),
                *("--skip-networking", *SMALL),
            ],
        )
        self._program.wait_for_line("ready for connections", timeout=60)

    def kill(self) -> None:
        """kill -9."""
        if self._program is not None:
            self._program.kill()
        self._program = None

    @property
    def is_running(self) -> bool:
        return self._program is not None and self._program.is_running

    def connect(self, database: str | None = None) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """As the server's root."""
        return pymysql.connect(unix_socket=str(self._socket), user="root", database=database)

    def dump(self, database: str) -> bytes:
        """What mariadb-dump writes of it, as SQL."""
        return self._client("mariadb-dump", database)

    def restore(self, database: str, dump: bytes) -> None:
        """Puts back what dump() gave, over what is there."""
        self._client("mariadb", database, given=dump)

    def _client(self, program: str, database: str, given: bytes = b"") -> bytes:
        command = [program, "--no-defaults", f"--socket={self._socket}", "--user=root", database]
        done = subprocess.run(command, input=given, capture_output=True, timeout=60)
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"
        return done.stdout

    def create_database(self, name: str, password: str) -> str:
        """A database and a user of the same name that has all of it; its SQLAlchemy URL."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
            cursor.execute(f"CREATE USER `{name}`@localhost IDENTIFIED BY %s", (password,))
            cursor.execute(f"GRANT ALL ON `{name}`.* TO `{name}`@localhost")
        return (
            f"mysql+pymysql://{name}:{quote(password, safe='')}@localhost/{name}"
            f"?charset=utf8mb4&unix_socket={quote(str(self._socket), safe='')}"
        )
