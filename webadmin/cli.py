"""flask --app webadmin …: the commands. Passwords are never arguments: others could read those."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from webadmin import passwords
from webadmin.config import current_config
from webadmin.db import db
from webadmin.delivery import current_services, new_change
from webadmin.directory import DirectoryError
from webadmin.languages import LANGUAGES
from webadmin.models import Admin, Extension
from webadmin.publisher import PublishError, cause
from webadmin.recovery import recover_all
from webadmin.sealing import SealError

MINIMUM_ADMIN_PASSWORD = 10


def init_app(app: Flask) -> None:
    app.cli.add_command(create_admin)
    app.cli.add_command(extension)
    app.cli.add_command(publish)


def deliver(number: str = "") -> None:
    """Publishes what was committed and says on stderr how far it got."""
    key = (current_config().realm, number) if number else None
    delivery = current_services().deliver(key)
    if delivery.obstacle:
        click.echo(f"Saved, not yet in force: {delivery.reason}", err=True)
    else:
        click.echo(
            f"In force in the registrar after {delivery.milliseconds} ms"
            f" (serial {delivery.serial})",
            err=True,
        )


@contextmanager
def clearly() -> Iterator[None]:
    """One sentence for what can be expected to go wrong."""
    try:
        yield
    except DirectoryError as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        raise click.ClickException(f"the database does not answer: {cause(error)}") from None


class ClearCommand(click.Command):
    """Says in one sentence what went wrong."""

    def invoke(self, context: click.Context) -> Any:
        with clearly():
            return super().invoke(context)


class ClearGroup(AppGroup):
    """Says so for each of its commands."""

    def invoke(self, context: click.Context) -> Any:
        with clearly():
            return super().invoke(context)


extension = ClearGroup(
    "extension", help="Telephone extensions: add, change, list, move in and out."
)


def _password(from_stdin: bool, what: str) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = click.prompt(what, hide_input=True, confirmation_prompt=True)
    return typed


@click.command("create-admin", cls=ClearCommand)
@with_appcontext
@click.option("--username", required=True)
@click.option("--generate", is_flag=True, help="Print a random password as the last line.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--reset", is_flag=True, help="Give an existing administrator a new password.")
def create_admin(username: str, generate: bool, password_stdin: bool, reset: bool) -> None:
    """Create an administrator of this web page."""
    username = username.strip()
    if not username or len(username) > 64 or not username.isprintable():
        raise click.ClickException("a username has 1 to 64 printable characters")
    admin = db.session.scalars(select(Admin).where(Admin.username == username)).one_or_none()
    if admin is not None and not reset:
        raise click.ClickException(f"there is already an administrator {username}; see --reset")
    if admin is None and reset:
        raise click.ClickException(f"there is no administrator {username}")
    password = passwords.generate() if generate else _password(password_stdin, "Password")
    if len(password) < MINIMUM_ADMIN_PASSWORD:
        raise click.ClickException(f"at least {MINIMUM_ADMIN_PASSWORD} characters, please")
    if admin is None:
        admin = Admin(username=username, created=time.time())
        db.session.add(admin)
    admin.set_password(password)
    db.session.commit()
    click.echo(f"Administrator {username} may log in now.", err=True)
    if generate:
        click.echo(password)


def _new_password(number: str, generate: bool, from_stdin: bool) -> str:
    if generate:
        return passwords.generate()
    password = _password(from_stdin, "Password")
    complaint = passwords.objection(password, number)
    if complaint:
        raise click.ClickException(complaint)
    return password


def _password_options(command: Any) -> Any:
    for option in (
        click.option("--generate", is_flag=True, help="Print a random password as the last line."),
        click.option("--password-stdin", is_flag=True, help="Read it from standard input."),
    ):
        command = option(command)
    return command


@extension.command("add")
@click.argument("number")
@click.option("--name", default="", help="Whose telephone it is.")
@click.option("--language", type=click.Choice(list(LANGUAGES)), default="en")
@_password_options
def add(number: str, name: str, language: str, generate: bool, password_stdin: bool) -> None:
    """Create an extension."""
    password = _new_password(number, generate, password_stdin)
    with clearly(), new_change() as change:
        change.create(number, password, display_name=name, language=language)
    deliver(number)
    if generate:
        click.echo(password)


@extension.command("set-password")
@click.argument("number")
@_password_options
def set_password(number: str, generate: bool, password_stdin: bool) -> None:
    """Give an extension a new password; the old one ends at once."""
    password = _new_password(number, generate, password_stdin)
    with clearly(), new_change() as change:
        change.set_password(number, password)
    deliver(number)
    if generate:
        click.echo(password)


@extension.command("enable")
@click.argument("number")
def enable(number: str) -> None:
    """Let an extension register again."""
    with clearly(), new_change() as change:
        change.set_enabled(number, True)
    deliver(number)


@extension.command("disable")
@click.argument("number")
def disable(number: str) -> None:
    """Keep an extension and its password, but refuse it."""
    with clearly(), new_change() as change:
        change.set_enabled(number, False)
    deliver(number)


@extension.command("delete")
@click.argument("number")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(number: str, yes: bool) -> None:
    """Delete an extension."""
    if not yes:
        click.confirm(f"Delete extension {number}?", abort=True)
    with clearly(), new_change() as change:
        change.delete(number)
    deliver(number)


@extension.command("list")
def list_extensions() -> None:
    """Number, enabled or disabled, language and name, one extension a line."""
    rows = select(Extension).where(Extension.deleted_at.is_(None)).order_by(Extension.username)
    for row in db.session.scalars(rows):
        state = "enabled" if row.enabled else "disabled"
        click.echo(f"{row.username}\t{state}\t{row.language}\t{row.display_name}")


@extension.command("recover")
def recover() -> None:
    """Write what is in force, and lost or older in the database, back into the database."""
    try:
        published = current_services().publisher.snapshot()
    except PublishError as error:
        raise click.ClickException(str(error)) from None
    with clearly(), new_change() as change:
        recovered = recover_all(change, published)
    for _, username in recovered:
        click.echo(f"recovered {username}")
    click.echo(f"{len(recovered)} extensions recovered", err=True)
    deliver()


@extension.command("reseal")
def reseal() -> None:
    """Seal every extension with the first store key, so that earlier ones can go."""
    store, count = current_services().store, 0
    with clearly(), new_change() as change:
        for row in change.session.scalars(select(Extension).with_for_update()):
            try:
                count += row.reseal(store)
            except SealError as error:
                raise click.ClickException(f"{row.username}: {error}") from None
    click.echo(f"{count} extensions sealed anew", err=True)


@click.command("publish", cls=ClearCommand)
@with_appcontext
def publish() -> None:
    """Hold every row against the snapshot, and publish what differs."""
    try:
        published = current_services().publisher.publish(everything=True)
    except PublishError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"serial {published.serial}, {published.changes} records changed")
    for (_, username), problem in sorted(published.unpublished.items()):
        click.echo(f"{username} is not published: {problem}", err=True)
    deliver()
