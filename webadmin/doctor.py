"""flask --app webadmin doctor: the warning that comes before a phone is refused."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import click
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from webadmin.config import current_config
from webadmin.db import db
from webadmin.delivery import Services, current_services
from webadmin.models import Admin, Extension
from webadmin.publisher import PublishError, cause
from webadmin.registrar_client import RegistrarError
from webadmin.sealing import SealError

NAMED: Final = 20  # extensions by name in one finding
CATCH_UP_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    level: Literal["ok", "warning", "problem"]
    text: str


def init_app(app: Flask) -> None:
    app.cli.add_command(doctor)


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Say what is wrong, before a phone does. Exit status 1 if something is."""
    wrong = False
    for finding in examine(current_services()):
        click.echo(f"{finding.level}: {finding.text}")
        wrong |= finding.level == "problem"
    if wrong:
        raise click.exceptions.Exit(1)


def examine(services: Services) -> Iterator[Finding]:
    """Every check, in the order in which one depends on the other."""
    try:
        tables = _tables()
        yield tables
        if tables.level == "problem":
            return
        yield from _administrators()
        yield from _rows(services)
    except SQLAlchemyError as error:
        db.session.rollback()
        yield Finding("problem", f"the database does not answer: {cause(error)}")
    serial = 0
    for finding, seen in _snapshot(services):
        yield finding
        serial = max(serial, seen)
    yield from _registrar(services, serial)


def _tables() -> Finding:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(current_app.root_path) / "migrations"))
    wanted = ScriptDirectory.from_config(config).get_current_head()
    with db.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        return Finding(
            "problem",
            f"the tables are of version {found or 'none'}, not {wanted}:"
            " run flask --app webadmin db upgrade",
        )
    return Finding("ok", f"the database answers, its tables are of version {found}")


def _administrators() -> Iterator[Finding]:
    if not db.session.scalar(select(func.count()).select_from(Admin)):
        yield Finding("warning", "there is no administrator: run create-admin")


def _rows(services: Services) -> Iterator[Finding]:
    realm = current_config().realm
    unreadable, foreign, old_key, count = [], [], [], 0
    rows = select(Extension).where(Extension.deleted_at.is_(None)).order_by(Extension.username)
    reasons = set()
    for extension in db.session.scalars(rows.execution_options(yield_per=500)):
        count += 1
        try:
            extension.credential(services.store)
        except SealError as error:
            unreadable.append(extension.username)
            reasons.add(str(error))
        else:
            if not services.store.seals_with(extension.sealed_current or b""):
                old_key.append(extension.username)
        if extension.realm != realm:
            foreign.append(extension.username)
    if unreadable:
        yield Finding(
            "problem",
            f"{len(unreadable)} of {count} extensions cannot be read from the database"
            f" ({'; '.join(sorted(reasons))}): {_some(unreadable)}",
        )
    else:
        yield Finding("ok", f"the store key opens every one of {count} extensions")
    if foreign:
        yield Finding(
            "problem",
            f"{len(foreign)} extensions are of another realm than {realm!r}, and their phones"
            f" are refused: {_some(foreign)}",
        )
    if old_key:
        yield Finding(
            "warning",
            f"{len(old_key)} extensions are still sealed with an earlier store key; keep that key,"
            " or run extension reseal",
        )


def _snapshot(services: Services) -> Iterator[tuple[Finding, int]]:
    publisher = services.publisher
    try:
        taken = publisher.snapshot()
        age = time.time() - taken.published
        text = f"serial {taken.serial}, {taken.count()} extensions, published {age:.0f} s ago"
        yield Finding("ok", f"the snapshot is readable: {text}"), taken.serial
        verdict = publisher.compare()
    except PublishError as error:
        yield Finding("problem", f"the snapshot: {error}"), 0
        return
    if verdict.changes:
        names = [username for _, username in verdict.changes]
        yield (
            Finding(
                "problem",
                f"the snapshot is older than the database in {len(names)} extensions"
                f" (run publish): {_some(names)}",
            ),
            taken.serial,
        )
    for (_, username), reason in sorted(verdict.unpublished.items()):
        yield Finding("problem", f"extension {username} is not published: {reason}"), 0
    faults = [record for record in taken.credentials.values() if record.fault]
    for record in sorted(faults, key=lambda record: record.key):
        yield Finding("problem", f"extension {record.username}: {record.fault}"), 0
    if faults:
        yield (
            Finding(
                "warning",
                "their phones work with what was last published; extension recover writes that"
                " back into the database",
            ),
            0,
        )


def _registrar(services: Services, serial: int) -> Iterator[Finding]:
    patience = time.monotonic() + CATCH_UP_SECONDS
    while True:
        try:
            found = services.registrar.in_force()
        except RegistrarError as error:
            yield Finding("warning", str(error))
            return
        if found.serial == serial or time.monotonic() > patience:
            break
        time.sleep(0.05)
    if found.refused:
        yield Finding("problem", f"the registrar refuses the newest snapshot: {found.refused}")
    if found.serial != serial:
        yield Finding(
            "problem",
            f"the registrar works with serial {found.serial}, published is serial {serial}",
        )
    elif not found.refused:
        yield Finding("ok", f"the registrar works with serial {serial}")
    for fault in found.faults:
        yield Finding("problem", f"the registrar reports: {fault}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
