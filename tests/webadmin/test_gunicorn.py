"""webadmin as it runs in production: gunicorn, gevent's workers, a database that goes away."""

import os
import re
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from registrar.snapshot import Secret
from tests.parts.mariadb import MariaDB
from tests.parts.program import Program
from tests.webadmin.conftest import ADMIN_PASSWORD, REALM, Site

COMMAND = [sys.executable, "-m", "gunicorn", "-c", "webadmin/gunicorn_conf.py"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Web:
    """A browser without a face."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.text = ""

    def get(self, path: str) -> str:
        self.text = self.opener.open(self.base + path, timeout=20).read().decode()
        return self.text

    def post(self, path: str, **fields: str) -> str:
        fields["csrf_token"] = re.search(r'name="csrf_token" value="([^"]+)"', self.text)[1]
        data = urlencode(fields).encode()
        self.text = self.opener.open(self.base + path, data, timeout=20).read().decode()
        return self.text


@pytest.mark.parts
def test_it_serves_and_publishes_late_and_logs_no_secret(
    mariadb: MariaDB, mariadb_url: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="qayd") as home:
        site = Site(Path(home), mariadb_url)
        site.create_admin()
        port = free_port()
        environment = {**os.environ, **site.environment(), "QAYD_HTTP": f"127.0.0.1:{port}"}
        server = Program("gunicorn", COMMAND, environment=environment)
        try:
            _story(site, server, mariadb, Web(port))
        finally:
            server.stop()
        assert not [line for line in server.lines if "Traceback" in line]


def _story(site: Site, server: Program, mariadb: MariaDB, web: Web) -> None:
    server.wait_for_line("Booting worker", timeout=20)
    _eventually(lambda: "ok" in web.get("/health"))
    web.get("/login?next=/extensions%3Fq%3Dsecret-query")
    web.post("/login", username="admin", password=ADMIN_PASSWORD)
    with pytest.raises(urllib.error.HTTPError):
        web.get("/%0aforged%1b[31m")
    server.wait_for_line(r"%0Aforged%1B", timeout=20)
    web.get("/extensions/new")
    fields = {"number": "1002", "name": "", "language": "en", "how": "generate"}
    password = re.search(r'id="one-time-password">([^<]+)<', web.post("/extensions/new", **fields))[
        1
    ]
    assert site.record("1002").current == Secret.derive("1002", REALM, password)

    # another process commits and dies before it publishes
    with site.app.app_context(), site.change() as change:
        change.create("1003", Secret.derive("1003", REALM, "whatever"))
    _eventually(lambda: (REALM, "1003") in site.published().credentials, seconds=5)

    mariadb.kill()
    server.wait_for_line("cannot publish: the database does not answer", timeout=20)
    with pytest.raises(urllib.error.HTTPError) as caught:
        web.get("/extensions")
    assert caught.value.code == 503
    mariadb.start()
    _eventually(lambda: "1003" in web.get("/extensions"))
    log = "\n".join(server.lines)
    for secret in (password, ADMIN_PASSWORD, "secret-query", "a/b:c@d", "a%2Fb"):
        assert secret not in log


def test_it_says_in_one_sentence_why_it_cannot_start(light: Site) -> None:
    (light.home / "keys" / "store.key").unlink()
    port = free_port()
    environment = {**os.environ, **light.environment(), "QAYD_HTTP": f"127.0.0.1:{port}"}
    server = Program("gunicorn", COMMAND, environment=environment)
    server.wait_for_line(r"webadmin cannot start: .*store.key: the key cannot be read", timeout=20)
    server.wait(timeout=20)
    assert not [line for line in server.lines if "Traceback" in line]


def _eventually(claim: Callable[[], bool], seconds: float = 10.0) -> None:
    patience = time.monotonic() + seconds
    while True:
        try:
            if claim():
                return
        except OSError:
            pass
        assert time.monotonic() < patience
        time.sleep(0.05)
