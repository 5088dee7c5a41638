"""The configuration of webadmin: one frozen object, built once, from the environment.

QAYD_HOME gives every default; each can be overridden by itself. Secrets come from files, by path.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from click import ClickException
from flask import current_app

from registrar.snapshot import KeyFileError, read_keys

MAX_REALM = 255


class ConfigError(ClickException):
    """webadmin cannot start like this; str() is one sentence that says why and what to do."""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Config:
    """What webadmin was told. The keys: the first seals, all open."""

    home: Path
    database_url: str = field(repr=False)
    store_keys: tuple[bytes, ...] = field(repr=False)
    snapshot_keys: tuple[bytes, ...] = field(repr=False)
    session_keys: tuple[bytes, ...] = field(repr=False)
    snapshot: Path
    registrar_socket: Path
    realm: str
    sip_address: str = ""  # what to type into a phone; empty: the host name of the request
    proxies: int = 0  # reverse proxies in front of us whose X-Forwarded-* headers are believed
    secure_cookies: bool = False  # always, and not only when the request came by https
    timezone: str = "UTC"


def from_environment(environment: Mapping[str, str]) -> Config:
    """The configuration that the environment describes, or a ConfigError."""
    home = Path(environment.get("QAYD_HOME") or "var").absolute()

    def path(name: str, default: str) -> Path:
        return Path(environment.get(name) or home / default).absolute()

    return Config(
        home=home,
        database_url=_database_url(environment, home),
        store_keys=_keys(path("QAYD_STORE_KEY", "keys/store.key")),
        snapshot_keys=_keys(path("QAYD_SNAPSHOT_KEY", "keys/snapshot.key")),
        session_keys=_keys(path("QAYD_SESSION_KEY", "keys/session.key")),
        snapshot=path("QAYD_SNAPSHOT", "published/credentials.snapshot"),
        registrar_socket=path("QAYD_REGISTRAR_SOCKET", "registrar.sock"),
        realm=_realm(environment.get("QAYD_REALM", ""), home / "realm"),
        sip_address=environment.get("QAYD_SIP_ADDRESS", ""),
        proxies=_number(environment, "QAYD_PROXIES"),
        secure_cookies=bool(_number(environment, "QAYD_SECURE_COOKIES")),
        timezone=environment.get("QAYD_TIMEZONE") or _local_timezone(),
    )


def current_config() -> Config:
    """The configuration of the application that serves this request or command."""
    config: Config = current_app.config["QAYD"]
    return config


def _keys(path: Path) -> tuple[bytes, ...]:
    try:
        return read_keys(path)
    except KeyFileError as error:
        raise ConfigError(str(error)) from None


def _database_url(environment: Mapping[str, str], home: Path) -> str:
    url, file = environment.get("QAYD_DATABASE_URL"), environment.get("QAYD_DATABASE_URL_FILE")
    if url and file:
        raise ConfigError("QAYD_DATABASE_URL and QAYD_DATABASE_URL_FILE are both set: set one")
    if url:
        return url
    if not file:
        return f"sqlite:///{home / 'webadmin.db'}"
    text = _read(Path(file), "the database's address")
    if os.stat(file).st_mode & 0o007:
        raise ConfigError(f"{file}: every user of this machine may use this file; chmod o-rwx it")
    return text


def _realm(wanted: str, file: Path) -> str:
    if not wanted and not file.exists():
        raise ConfigError(f"no realm was chosen yet: set QAYD_REALM or write it into {file}")
    chosen = _read(file, "the realm") if file.exists() else wanted
    if wanted and wanted != chosen:
        raise ConfigError(
            f"QAYD_REALM is {wanted!r}, but {file} says {chosen!r}: the realm is part of every"
            " stored credential, so with another one every password would need a reset"
        )
    if len(chosen) > MAX_REALM or not chosen.isprintable() or set(chosen) & set('"\\$'):
        raise ConfigError(
            f"{chosen!r} is not a realm: at most {MAX_REALM} printable characters, without quotes,"
            " backslashes and dollars"
        )
    return chosen


def _read(path: Path, what: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {what} cannot be read: {error}") from None
    if not text:
        raise ConfigError(f"{path}: {what} is expected in this file, but it is empty")
    return text


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name) or "0"
    if not text.isdecimal():
        raise ConfigError(f"{name} is {text!r}: a number is expected")
    return int(text)


def _local_timezone() -> str:
    """The machine's time zone by name, UTC if it has none."""
    _, found, name = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return os.environ.get("TZ") or (name if found else "UTC")
