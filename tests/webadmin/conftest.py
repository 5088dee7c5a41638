"""A whole webadmin per test: its own home, keys, database with real migrations, and registrar."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade

from registrar.snapshot import Credential, Snapshot, SnapshotFile, new_key_line, read_keys
from tests.parts.mariadb import MariaDB
from tests.webadmin.registrar_stub import RegistrarStub
from webadmin import create_app
from webadmin.config import Config, from_environment
from webadmin.db import db
from webadmin.delivery import Services
from webadmin.directory import Change

REALM = "pbx.example"
ADMIN_PASSWORD = "correct horse battery"
PASSWORD = "Tr0ub4dor-and-3"


def new_key(path: Path) -> None:
    path.write_text(new_key_line())
    path.chmod(0o600)


class Site:
    """One installation: what a test does to webadmin, and what it finds afterwards."""

    def __init__(self, home: Path, database_url: str = "") -> None:
        self.home, self.database_url = home, database_url
        for name in ("keys", "published"):
            (home / name).mkdir()
        for name in ("store", "snapshot", "session"):
            new_key(home / "keys" / f"{name}.key")
        (home / "realm").write_text(REALM + "\n")
        self.app = self.start()
        with self.app.app_context():
            upgrade()

    def environment(self) -> dict[str, str]:
        url = {"QAYD_DATABASE_URL": self.database_url} if self.database_url else {}
        return {"QAYD_HOME": str(self.home), **url}

    def start(self) -> Flask:
        """Another process would do the same: nothing is shared but files and the database."""
        app = create_app(from_environment(self.environment()))
        app.testing = False
        return app

    @property
    def config(self) -> Config:
        config: Config = self.app.config["QAYD"]
        return config

    @property
    def services(self) -> Services:
        services: Services = self.app.config["QAYD_SERVICES"]
        return services

    @property
    def file(self) -> Path:
        return self.config.snapshot

    def change(self) -> Change:
        """Inside an application context only."""
        return Change(db.session(), self.services.store, REALM)

    def published(self) -> Snapshot:
        """As the registrar reads it."""
        keys = read_keys(self.home / "keys" / "snapshot.key")
        return SnapshotFile(self.file, keys).read().snapshot

    def record(self, username: str) -> Credential:
        return self.published().credentials[REALM, username]

    def run(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        """flask --app webadmin …: its stdout and stderr."""
        result = self.app.test_cli_runner().invoke(args=list(arguments), input=stdin)
        assert result.exit_code == status, result.output
        return result.output

    def create_admin(self) -> None:
        self.run(
            "create-admin", "--username", "admin", "--password-stdin", stdin=ADMIN_PASSWORD + "\n"
        )

    def browser(self) -> "Browser":
        return Browser(self.app.test_client())


class Browser:
    """A client that takes the CSRF token from the last page, as a browser does."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.text = ""
        self.status = 0
        self.headers: dict[str, str] = {}

    def get(self, path: str, **arguments: object) -> str:
        return self._take(self.client.get(path, **arguments))

    def post(self, path: str, follow: bool = True, **fields: str) -> str:
        fields["csrf_token"] = self.token
        return self._take(self.client.post(path, data=fields, follow_redirects=follow))

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.text)
        return found[1] if found else ""

    def log_in(self, password: str = ADMIN_PASSWORD, username: str = "admin") -> str:
        self.get("/login")
        return self.post("/login", username=username, password=password)

    def _take(self, response: object) -> str:
        self.status = response.status_code
        self.headers = dict(response.headers)
        self.text = response.get_data(as_text=True)
        return self.text


@pytest.fixture(scope="session", autouse=True)
def _translations() -> None:
    """Compiles the catalogues, as the Makefile does."""
    from babel.messages.frontend import CommandLineInterface

    CommandLineInterface().run(["pybabel", "-q", "compile", "-d", "webadmin/translations"])


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same argon2, with less work: it is done some hundred times here."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr("webadmin.models.HASHER", cheap)


@pytest.fixture(autouse=True)
def _no_waiting_for_a_registrar_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webadmin.delivery.PATIENCE_WITH_SILENCE", 0.0)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with tempfile.TemporaryDirectory(prefix="qayd") as directory:
        Path(directory).chmod(0o755)
        with MariaDB(Path(directory)) as server:
            yield server


_databases = iter(range(1, 10**6))


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> str:
    return mariadb.create_database(f"webadmin{next(_databases)}", "a/b:c@d'")


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.parts)])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """On both databases."""
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    # a Unix socket's path is short, pytest's are not
    with tempfile.TemporaryDirectory(prefix="qayd") as home:
        yield Site(Path(home), url)


@pytest.fixture
def light() -> Iterator[Site]:
    """On SQLite alone, for what does not depend on the database."""
    with tempfile.TemporaryDirectory(prefix="qayd") as home:
        yield Site(Path(home))


@pytest.fixture
def registrar(request: pytest.FixtureRequest) -> Iterator[RegistrarStub]:
    """A registrar beside the test's site."""
    name = "site" if "site" in request.fixturenames else "light"
    site: Site = request.getfixturevalue(name)
    keys = read_keys(site.home / "keys" / "snapshot.key")
    with RegistrarStub(site.config.registrar_socket, site.file, keys) as stub:
        yield stub


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Browser:
    """Logged in."""
    name = "site" if "site" in request.fixturenames else "light"
    site: Site = request.getfixturevalue(name)
    site.create_admin()
    browser = site.browser()
    browser.log_in()
    return browser
