"""How gunicorn serves webadmin, on a laptop and on a server: gunicorn -c webadmin/gunicorn_conf.py

gevent's workers patch the standard library before they load the application, so PyMySQL and the
registrar's socket wait without stopping other requests.
"""

import os
import subprocess
import sys
import threading
from typing import Any
from urllib.parse import quote

from gunicorn import glogging  # type: ignore[import-untyped]

APP_LOAD_ERROR = 4  # gunicorn's


class Log(glogging.Logger):  # type: ignore[misc]
    """Writes paths as they came: decoded, one could write a line of its own into the log."""

    def atoms(self, *arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().atoms(*arguments)
        return {**found, "U": quote(str(found["U"]).encode("latin-1", "replace"))}


wsgi_app = "webadmin.gunicorn_conf:application()"
bind = os.environ.get("QAYD_HTTP") or "127.0.0.1:8080"
worker_class = "gevent"
workers = int(os.environ.get("QAYD_WORKERS") or 2)
worker_connections = 500
timeout = 30
graceful_timeout = 10
umask = 0o027
control_socket_disable = True
forwarded_allow_ips = ""  # webadmin believes proxies only when QAYD_PROXIES says so
accesslog = "-"
# the path without its query: %(U)s
logger_class = Log
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'
errorlog = "-"


def on_starting(_server: Any) -> None:
    """Tries once, in a process of its own: here the application must not be loaded, because what
    is imported before gevent patches it stays unpatched."""
    trial = [sys.executable, "-c", "from webadmin.gunicorn_conf import application; application()"]
    status = subprocess.run(trial, check=False).returncode  # noqa: S603 - our own words
    if status:
        raise SystemExit(status)


def application() -> Any:
    """One clear sentence instead of a traceback; the status tells gunicorn not to try again."""
    from webadmin import create_app
    from webadmin.config import ConfigError

    try:
        return create_app()
    except ConfigError as error:
        print(f"webadmin cannot start: {error}", file=sys.stderr, flush=True)
        raise SystemExit(APP_LOAD_ERROR) from None


def post_worker_init(worker: Any) -> None:
    """Each worker watches for commits whose publish was lost. A thread here is a greenlet."""
    from webadmin.publisher import watch

    publisher = worker.wsgi.config["QAYD_SERVICES"].publisher
    worker.qayd_stop = threading.Event()
    threading.Thread(
        target=watch,
        args=(publisher, worker.wsgi.logger, worker.qayd_stop.wait),
        daemon=True,
        name="watch over the snapshot",
    ).start()


def worker_exit(_server: Any, worker: Any) -> None:
    stop = getattr(worker, "qayd_stop", None)
    if stop is not None:
        stop.set()
