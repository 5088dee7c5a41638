"""flask --app webadmin extension import | export: out of an old panel, and out of this one."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext
from sqlalchemy import select

from webadmin import passwords, subscribers
from webadmin.cli import clearly, deliver, extension
from webadmin.config import current_config
from webadmin.db import db
from webadmin.delivery import current_services, new_change
from webadmin.directory import Change, DirectoryError, Password
from webadmin.models import Extension
from webadmin.sealing import SealError
from webadmin.subscribers import Entry, Reading

COLUMNS = ["username", "display_name", "language", "enabled"]


def init_app(_app: Flask) -> None:
    extension.add_command(import_file)
    extension.add_command(export)


@click.command("import")
@with_appcontext
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--update", is_flag=True, help="Extensions that exist get what the file says.")
@click.option("--skip-bad", is_flag=True, help="Apply the good lines although others are bad.")
@click.option(
    "--generate-for-unconvertible",
    "sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write generated passwords for one-way hashes into this new file.",
)
def import_file(file: Path, update: bool, skip_bad: bool, sheet: Path | None) -> None:
    """Create extensions from a CSV file: all of them, or none.

    Columns: username,password,display_name,language; or ha1 (and ha1b, realm) instead of password,
    as in Kamailio's subscriber table. docs/migrate.md tells more.
    """
    if sheet is not None and sheet.exists():
        raise click.ClickException(f"{sheet} exists already; name a new file")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from None
    reading = subscribers.read(text, current_config().realm)
    _complain_of_existing(reading, update)
    if sheet is None:
        reading.complaints += [
            (entry.line, f"{entry.username}: {entry.unconvertible}")
            for entry in reading.entries
            if entry.secret is None
        ]
    bad = {line for line, _ in reading.complaints}
    _report(reading)
    if reading.is_broken or (bad and not skip_bad):
        raise click.ClickException(f"{len(bad)} lines are bad; nothing was changed")
    entries = [entry for entry in reading.entries if entry.line not in bad]
    _apply(entries, update, sheet)
    click.echo(f"{len(entries)} extensions imported, {len(bad)} lines skipped", err=True)
    deliver()


def _complain_of_existing(reading: Reading, update: bool) -> None:
    rows = select(Extension.username).where(
        Extension.deleted_at.is_(None), Extension.realm == current_config().realm
    )
    existing = set(db.session.scalars(rows))
    if not update:
        reading.complaints += [
            (entry.line, f"there is already an extension {entry.username}; see --update")
            for entry in reading.entries
            if entry.username in existing
        ]


def _report(reading: Reading) -> None:
    for note in reading.notes:
        click.echo(f"note: {note}", err=True)
    for line, sentence in sorted(reading.complaints):
        click.echo(f"line {line}: {sentence}", err=True)


def _apply(entries: list[Entry], update: bool, sheet: Path | None) -> None:
    """One transaction; the sheet is on the disk before the passwords on it count."""
    generated = {e.username: passwords.generate() for e in entries if e.secret is None}
    if sheet is not None:
        names = {entry.username: entry.display_name or "" for entry in entries}
        rows = [(name, names[name], password) for name, password in generated.items()]
        write_private(sheet, ["username", "display_name", "password"], rows)
    try:
        with clearly(), new_change() as change:
            for entry in entries:
                _apply_one(change, entry, entry.secret or generated[entry.username], update)
    except click.ClickException:
        if sheet is not None:
            sheet.unlink()
        raise


def _apply_one(change: Change, entry: Entry, password: Password, update: bool) -> None:
    try:
        extension = change.set_password(entry.username, password) if update else None
    except DirectoryError:  # there is none yet
        extension = None
    if extension is None:
        change.create(
            entry.username,
            password,
            display_name=entry.display_name or "",
            language=entry.language or "en",
        )
    else:
        change.edit(
            entry.username,
            display_name=extension.display_name
            if entry.display_name is None
            else entry.display_name,
            language=entry.language or extension.language,
        )
    if entry.enabled is not None:
        change.set_enabled(entry.username, entry.enabled)


@click.command("export")
@with_appcontext
@click.option(
    "--with-ha1",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write ha1, ha1b and realm too, as Kamailio's subscriber table has them, into this new"
    " file, which only you can read. Whoever has it can register as any of them.",
)
def export(file: Path | None) -> None:
    """Write the extensions as CSV; never a password, because there is none."""
    rows = (
        select(Extension)
        .where(Extension.deleted_at.is_(None), Extension.realm == current_config().realm)
        .order_by(Extension.username)
    )
    extensions = db.session.scalars(rows)
    if file is None:
        text = _as_csv(COLUMNS, (_plain(extension) for extension in extensions))
        click.echo(text, nl=False)
        return
    columns = [*COLUMNS, "ha1", "ha1b", "realm"]
    lines = [[*_plain(extension), *_digests(extension)] for extension in extensions]
    write_private(file, columns, lines)
    click.echo(f"{len(lines)} extensions written to {file}", err=True)


def _plain(extension: Extension) -> list[str]:
    state = "yes" if extension.enabled else "no"
    return [extension.username, extension.display_name, extension.language, state]


def _digests(extension: Extension) -> list[str]:
    try:
        secret = extension.credential(current_services().store).current
    except SealError as error:
        raise click.ClickException(f"{extension.username}: {error}") from None
    assert secret is not None
    with_domain = secret.ha1("MD5", with_domain=True) or ""
    return [secret.ha1("MD5") or "", with_domain, extension.realm]


def _as_csv(columns: list[str], rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def write_private(file: Path, columns: list[str], rows: Iterable[Iterable[str]]) -> None:
    """A new file that its owner alone may read, on the disk when this returns."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="") as opened:
            opened.write(_as_csv(columns, rows))
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
