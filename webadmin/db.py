"""The database and what else of Flask's has one object for the whole application."""

from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect  # type: ignore[import-untyped]
from sqlalchemy import MetaData, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)


db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()
csrf = CSRFProtect()


def engine_options(url: str) -> dict[str, Any]:
    """MariaDB: read committed, so that a publisher sees what was committed a moment ago, and no
    page hangs on a dead server. SQLite: writers wait for each other."""
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": 15}}
    return {
        "isolation_level": "READ COMMITTED",
        "pool_pre_ping": True,
        "pool_recycle": 280,
        "pool_timeout": 5,
        "connect_args": {"connect_timeout": 3, "read_timeout": 15, "write_timeout": 15},
    }


def init_app(app: Flask) -> None:
    db.init_app(app)
    migrate.init_app(app, db, directory=f"{app.root_path}/migrations", render_as_batch=True)
    csrf.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _prepare_sqlite)
            file = Path(db.engine.url.database or "")
            if file.parent.is_dir() and not file.exists():
                file.touch(0o600)  # it has hashes of passwords, which are nobody else's business


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
