"""webadmin: the Flask admin of Qayd. It publishes credentials; the registrar never needs it."""

import logging
import os

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webadmin import db, languages
from webadmin.config import Config, from_environment
from webadmin.delivery import Services
from webadmin.publisher import Publisher
from webadmin.registrar_client import RegistrarClient, RegistrarError
from webadmin.sealing import Store


def create_app(config: Config | None = None) -> Flask:
    """The application. A ConfigError says in one sentence why it cannot be."""
    config = config or from_environment(os.environ)
    app = Flask(__name__)
    app.config.update(
        QAYD=config,
        SECRET_KEY=config.session_keys[0],
        SECRET_KEY_FALLBACKS=list(config.session_keys[1:]),
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=db.engine_options(config.database_url),
        MAX_CONTENT_LENGTH=1 << 20,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        SESSION_COOKIE_NAME="qayd",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=12 * 3600,
    )
    app.logger.setLevel(logging.INFO)
    if config.proxies:
        count = config.proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )
    db.init_app(app)
    languages.init_app(app, config.timezone)
    app.config["QAYD_SERVICES"] = _services(app, config)

    from webadmin import auth, cli, cli_transfer, doctor, extensions, pages

    for part in (pages, auth, extensions, cli, cli_transfer, doctor):
        part.init_app(app)
    return app


def _services(app: Flask, config: Config) -> Services:
    registrar = RegistrarClient(config.registrar_socket)

    def highest() -> int:
        try:
            return registrar.in_force().highest
        except RegistrarError:
            return 0

    store = Store(config.store_keys)
    with app.app_context():
        engine = db.db.engine
    publisher = Publisher(config.snapshot, config.snapshot_keys, store, engine, highest)
    return Services(store, publisher, registrar)
