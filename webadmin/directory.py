"""What can be done to telephone extensions, each change with its number in the one counter.

A Change is one transaction. It takes the counter's row first, so that changes are committed in the
order of their numbers and two administrators never half overwrite each other.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from registrar.snapshot import Credential, Secret, Snapshot
from webadmin.languages import gettext
from webadmin.models import Extension, PublishState
from webadmin.sealing import Store

# "new" and the two that a browser resolves would have no page of their own
USERNAME: Final = re.compile(r"(?!(?:new|\.\.?)\Z)[A-Za-z0-9_.+-]{1,64}")
DISPLAY_NAME_SIZE: Final = 100
# a password in clear, or what another product has kept of one
Password = str | Secret
STEP: Final = 0.000001  # of `changed`, which grows with every change whatever the clock says


class DirectoryError(Exception):
    """The change cannot be made; str() says why, in the user's language."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and how long the whole list is."""

    extensions: list[Extension]
    number: int
    pages: int
    total: int


class Change:
    """`with Change(...) as change:` commits at the end, or rolls everything back."""

    def __init__(
        self,
        session: Session,
        store: Store,
        realm: str,
        published: Callable[[], Snapshot | None] = lambda: None,
    ) -> None:
        """`published` gives what is published, None if that cannot be said."""
        self.session, self.store, self.realm = session, store, realm
        self._published = published
        self.published: Snapshot | None = None
        self.now = 0.0
        self.revision = 0

    def __enter__(self) -> Self:
        self.session.rollback()  # so that what was read before for this page is read again
        # before the lock below, which a publisher may wait for with the file's reader in its hand
        self.published = self._published()
        self.session.execute(
            update(PublishState)
            .where(PublishState.id == 1)
            .values(revision=PublishState.revision + 1)
            .execution_options(synchronize_session=False)
        )
        self.revision = self.session.scalars(select(PublishState.revision)).one()
        self.now = round(time.time(), 6)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.session.commit()
        else:
            self.session.rollback()

    def get(self, username: str) -> Extension:
        extension = self._row(username)
        if extension is None or extension.deleted_at is not None:
            raise DirectoryError(gettext("There is no extension %(number)s.", number=username))
        return extension

    def create(
        self, username: str, password: Password, *, display_name: str = "", language: str = "en"
    ) -> Extension:
        if not USERNAME.fullmatch(username):
            raise DirectoryError(
                gettext(
                    "A number has 1 to 64 of these: A-Z, a-z, 0-9, full stop, underscore,"
                    " plus and minus."
                )
            )
        extension = self._row(username)
        if extension is None:
            extension = Extension(
                username=username, realm=self.realm, created=self.now, changed=0.0, enabled=True
            )
            self.session.add(extension)
        elif extension.deleted_at is None:
            raise DirectoryError(
                gettext("There is already an extension %(number)s.", number=username)
            )
        extension.deleted_at, extension.enabled = None, True
        extension.display_name, extension.language = _good_name(display_name), language
        self._give(extension, password)
        self._stamp(extension)
        return extension

    def edit(self, username: str, *, display_name: str, language: str) -> Extension:
        extension = self._current(username)
        extension.display_name, extension.language = _good_name(display_name), language
        self._stamp(extension)
        return extension

    def set_password(self, username: str, password: Password) -> Extension:
        extension = self.get(username)
        self._give(extension, password)
        self._stamp(extension)
        return extension

    def set_enabled(self, username: str, enabled: bool) -> Extension:
        extension = self._current(username)
        extension.enabled = enabled
        self._stamp(extension)
        return extension

    def delete(self, username: str) -> None:
        """Leaves a tombstone without secrets: the registrar has to be told, for some days."""
        extension = self.get(username)
        extension.deleted_at = self.now
        extension.sealed_current = extension.sealed_previous = None
        extension.previous_until = 0.0
        self._stamp(extension)

    def rename(self, username: str, to: str, password: Password) -> Extension:
        """The number is part of every HA1, so this is a deletion and a creation."""
        before = self.get(username)
        after = self.create(
            to, password, display_name=before.display_name, language=before.language
        )
        after.enabled = before.enabled
        self.delete(username)
        return after

    def take(self, record: Credential) -> Extension:
        """Writes a published record back into the database."""
        extension = self._row(record.username, record.realm)
        if extension is None:
            extension = Extension(
                username=record.username, realm=record.realm, created=self.now, changed=0.0
            )
            self.session.add(extension)
        extension.take(self.store, record)
        extension.revision = self.revision
        return extension

    def _current(self, username: str) -> Extension:
        """The row, if it is no older than what is in force: a change that keeps its password
        would put an old one in force, after a dump of the database was restored."""
        extension = self.get(username)
        record = self.published.credentials.get(extension.key) if self.published else None
        if record is not None and record.changed > extension.changed:
            raise DirectoryError(
                gettext(
                    "The database holds an older state of %(number)s than is in force: take that"
                    " back into the database first, or set a new password.",
                    number=username,
                )
            )
        return extension

    def _give(self, extension: Extension, password: Password) -> None:
        if isinstance(password, Secret):
            extension.set_secret(self.store, password, self.now)
        else:
            extension.set_password(self.store, password, self.now)

    def _row(self, username: str, realm: str = "") -> Extension | None:
        return self.session.scalars(
            select(Extension)
            .where(Extension.realm == (realm or self.realm), Extension.username == username)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()

    def _stamp(self, extension: Extension) -> None:
        extension.changed = max(self.now, round(extension.changed + STEP, 6))
        extension.revision = self.revision


def _good_name(name: str) -> str:
    if len(name) > DISPLAY_NAME_SIZE or not name.isprintable():
        raise DirectoryError(
            gettext(
                "A name has at most %(count)s characters, and none that cannot be shown.",
                count=DISPLAY_NAME_SIZE,
            )
        )
    return name


def find(session: Session, realm: str, username: str) -> Extension | None:
    """The living extension of that number."""
    return session.scalars(
        select(Extension).where(
            Extension.realm == realm,
            Extension.username == username,
            Extension.deleted_at.is_(None),
        )
    ).one_or_none()


def page(session: Session, realm: str, text: str, number: int, size: int) -> Page:
    """One page of the living extensions whose number or name contains the text."""
    wanted = [Extension.realm == realm, Extension.deleted_at.is_(None)]
    if text:
        wanted.append(
            or_(
                Extension.username.contains(text, autoescape=True),
                Extension.display_name.icontains(text, autoescape=True),
            )
        )
    total = session.scalar(select(func.count()).select_from(Extension).where(*wanted)) or 0
    pages = max(1, -(-total // size))
    number = min(max(number, 1), pages)
    rows = session.scalars(
        select(Extension)
        .where(*wanted)
        .order_by(Extension.username)
        .offset((number - 1) * size)
        .limit(size)
    )
    return Page(list(rows), number, pages, total)
