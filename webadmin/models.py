"""The tables: administrators, telephone extensions, and how far they are published.

An extension's password is never stored: what is derived from it is, sealed with the store key.
"""

import secrets
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Double, LargeBinary, String, UniqueConstraint
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column

from registrar.snapshot import Credential, Secret
from webadmin.db import Base
from webadmin.sealing import SealError, Slot, Store

HASHER: Final = PasswordHasher()
# verified when there is no such administrator, so that both cases take the same time
NOBODY: Final = HASHER.hash(secrets.token_hex())
TABLE: Final[dict[str, Any]] = {
    f"{dialect}_{name}": value
    for dialect in ("mysql", "mariadb")
    for name, value in (("engine", "InnoDB"), ("charset", "utf8mb4"))
}


def exact(length: int) -> String:
    """Text that is compared letter by letter: to SIP, Bob and bob are two (RFC 3261 §19.1.4)."""
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


class Admin(Base):
    """Who may log in here. Not a telephone extension."""

    __tablename__ = "admin"
    __table_args__ = (UniqueConstraint("username"), TABLE)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(exact(64))
    password_hash: Mapped[str] = mapped_column(String(255))
    # changes with the password, so that every session from before ends
    session_id: Mapped[str] = mapped_column(String(64))
    created: Mapped[float] = mapped_column(Double)

    def set_password(self, password: str) -> None:
        self.password_hash = HASHER.hash(password)
        self.session_id = secrets.token_hex(16)


def verify_admin(admin: Admin | None, password: str) -> bool:
    """Takes as long for an unknown name as for a wrong password."""
    try:
        HASHER.verify(admin.password_hash if admin else NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return admin is not None


class Extension(Base):
    """A telephone number and what its phone proves itself with. Times are epoch seconds."""

    __tablename__ = "extension"
    __table_args__ = (UniqueConstraint("realm", "username"), TABLE)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(exact(64))
    realm: Mapped[str] = mapped_column(exact(255))
    display_name: Mapped[str] = mapped_column(String(100), default="")
    language: Mapped[str] = mapped_column(String(8), default="en")
    enabled: Mapped[bool] = mapped_column(default=True)
    sealed_current: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[float] = mapped_column(Double, default=0.0)
    created: Mapped[float] = mapped_column(Double)
    changed: Mapped[float] = mapped_column(Double, default=0.0)
    # of the change counter in PublishState: which change this row saw last
    revision: Mapped[int] = mapped_column(index=True)
    # a deleted extension stays for some days, so that the registrar is told of it
    deleted_at: Mapped[float | None] = mapped_column(Double, index=True)

    @property
    def key(self) -> tuple[str, str]:
        return self.realm, self.username

    def set_password(self, store: Store, password: str, now: float, grace: float = 0.0) -> None:
        """Derives all that is ever derived from the password, and forgets it. The one before
        stays good for `grace` seconds."""
        secret = Secret.derive(self.username, self.realm, password)
        self.set_secret(store, secret, now, grace)

    def set_secret(self, store: Store, secret: Secret, now: float, grace: float = 0.0) -> None:
        before = self._open(store, "current") if grace > 0 else None
        self.sealed_current = self._seal(store, secret, "current")
        self.sealed_previous = self._seal(store, before, "previous")
        self.previous_until = now + grace if before else 0.0

    def credential(self, store: Store) -> Credential:
        """The row as the registrar gets it. SealError if that cannot be."""
        deleted = self.deleted_at is not None
        if self.sealed_current is None and not deleted:
            raise SealError("it holds no password")
        return Credential(
            username=self.username,
            realm=self.realm,
            current=None if deleted else self._open(store, "current"),
            enabled=self.enabled,
            previous=None if deleted else self._open(store, "previous"),
            previous_until=0.0 if deleted else self.previous_until,
            language=self.language,
            changed=self.changed,
            deleted=self.deleted_at,
        )

    def take(self, store: Store, record: Credential) -> None:
        """Makes the row what the published record says."""
        self.sealed_current = self._seal(store, record.current, "current")
        self.sealed_previous = self._seal(store, record.previous, "previous")
        self.previous_until = record.previous_until
        self.enabled, self.language = record.enabled, record.language
        self.deleted_at = record.deleted
        self.changed = max(record.changed, self.changed or 0.0)

    def reseal(self, store: Store) -> bool:
        """Seals with the first store key what an earlier one sealed; nothing else changes."""
        sealed = [value for value in (self.sealed_current, self.sealed_previous) if value]
        if all(store.seals_with(value) for value in sealed):
            return False
        self.sealed_current = self._seal(store, self._open(store, "current"), "current")
        self.sealed_previous = self._seal(store, self._open(store, "previous"), "previous")
        return True

    def _seal(self, store: Store, secret: Secret | None, slot: Slot) -> bytes | None:
        return None if secret is None else store.seal(secret, self.username, self.realm, slot)

    def _open(self, store: Store, slot: Slot) -> Secret | None:
        sealed = self.sealed_current if slot == "current" else self.sealed_previous
        return None if sealed is None else store.open(sealed, self.username, self.realm, slot)


class PublishState(Base):
    """One row: the counter of changes, and how far they are in the snapshot."""

    __tablename__ = "publish_state"
    __table_args__ = (TABLE,)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(default=0)
    published_revision: Mapped[int] = mapped_column(default=0)
    serial: Mapped[int] = mapped_column(default=0)
