"""Reading a CSV of extensions, as it comes out of an old panel or Kamailio's subscriber table.

Pure: text in, entries and complaints by line out. What cannot be used is said, never guessed.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from registrar.snapshot import Secret, ha1
from webadmin.directory import DISPLAY_NAME_SIZE, USERNAME
from webadmin.languages import LANGUAGES

COLUMNS: Final = frozenset(
    (
        *("username", "password", "ha1", "ha1b", "realm", "domain"),
        *("display_name", "language", "enabled"),
    )
)
MD5: Final = re.compile(r"[0-9a-fA-F]{32}")
# by how they begin, for a column may have cut them short
BCRYPT: Final = re.compile(r"(\$2[abxy]?\$|bcrypt(_sha256)?\$).*")
# crypt(3)'s and the frameworks' other one-way forms
ONE_WAY: Final = re.compile(
    r"\$(1|5|6|7|y|gy|P|H|S|apr1|sha1|argon2(i|d|id)|scrypt|pbkdf2[\w-]*)\$.*"
    r"|\{(S?SHA\d*|S?MD5|CRYPT|PBKDF2[\w-]*)\}.+"
    r"|(pbkdf2:|scrypt:|pbkdf2_|argon2\$|sha1\$|sha256\$|sha512\$|md5\$).+"
)
LONG_DIGEST: Final = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128}")
NULLS: Final = ("NULL", r"\N")  # how MariaDB writes that there is nothing
ENABLED: Final = {"": True, "1": True, "yes": True, "true": True} | dict.fromkeys(
    ("0", "no", "false"), False
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One good line. `secret` is None where only a generated password helps: `unconvertible`
    says why. A name, language or state of None was not in the file."""

    line: int
    username: str
    secret: Secret | None = field(repr=False)
    unconvertible: str = ""
    display_name: str | None = None
    language: str | None = None
    enabled: bool | None = None


@dataclass(slots=True)
class Reading:
    entries: list[Entry] = field(default_factory=list)
    complaints: list[tuple[int, str]] = field(default_factory=list)  # line, sentence
    notes: list[str] = field(default_factory=list)
    is_broken: bool = False  # what stands behind the last complaint was not read


class _BadRow(Exception):
    """str() says what is wrong with the line."""


def read(text: str, realm: str) -> Reading:
    """Every line of the file, against our realm."""
    reading = Reading()
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    # A database's tab-separated output quotes nothing: quotes in it are characters.
    rows = csv.DictReader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    try:
        names = [(name or "").strip().lower() for name in rows.fieldnames or ()]
        rows.fieldnames = names
        if not _header_is_good(names, reading, realm):
            return reading
        _read_rows(rows, realm, reading)
    except csv.Error as error:
        reading.is_broken = True
        reading.complaints.append((rows.line_num, f"this is no CSV: {error}"))
    return reading


def _header_is_good(names: list[str], reading: Reading, realm: str) -> bool:
    if "username" not in names or not {"password", "ha1"} & set(names):
        reading.complaints.append(
            (1, "the first line must name the columns: username, and password or ha1")
        )
        return False
    twice = sorted({name for name in names if name in COLUMNS and names.count(name) > 1})
    if twice:
        reading.complaints.append((1, f"these columns are named twice: {', '.join(twice)}"))
        return False
    ignored = [name for name in names if name and name not in COLUMNS]
    if ignored:
        reading.notes.append(f"these columns are not used: {', '.join(ignored)}")
    if "ha1" in names and not {"realm", "domain"} & set(names):
        reading.notes.append(f"there is no realm column: each ha1 is taken to be of {realm!r}")
    return True


def _read_rows(rows: Iterable[Mapping[str, str]], realm: str, reading: Reading) -> None:
    seen: dict[str, int] = {}
    like_hashes = 0  # FreePBX makes passwords of 32 hexadecimal digits, so they are taken
    for row in rows:
        line = rows.line_num if isinstance(rows, csv.DictReader) else 0
        values = {
            name: "" if value in NULLS else value if name == "password" else value.strip()
            for name, value in row.items()
            if isinstance(name, str) and isinstance(value, str)
        }
        if not any(values.values()):
            continue
        try:
            if None in row:
                raise _BadRow("it has more values than the first line has columns")
            entry = _entry(line, values, realm)
            if entry.username in seen:
                raise _BadRow(f"{entry.username} is on line {seen[entry.username]} already")
        except _BadRow as error:
            reading.complaints.append((line, str(error)))
        else:
            seen[entry.username] = line
            reading.entries.append(entry)
            like_hashes += bool(MD5.fullmatch(values.get("password", "")))
    if like_hashes:
        reading.notes.append(
            f"passwords that look like MD5 hashes ({like_hashes}) are taken as they stand: if they"
            " are hashes, name the column ha1"
        )


def _entry(line: int, values: Mapping[str, str], realm: str) -> Entry:
    username = values.get("username", "")
    if not USERNAME.fullmatch(username):
        raise _BadRow(f"{username!r} is not a number: 1 to 64 of A-Z a-z 0-9 . _ + -")
    name = values.get("display_name")
    if name is not None and (len(name) > DISPLAY_NAME_SIZE or not (name or "-").isprintable()):
        raise _BadRow(f"the name is longer than {DISPLAY_NAME_SIZE} characters, or unprintable")
    language = values.get("language") or None
    if language is not None and language not in LANGUAGES:
        raise _BadRow(f"the language is {language!r}: {', '.join(LANGUAGES)} are known")
    enabled = values.get("enabled")
    if enabled is not None and enabled.lower() not in ENABLED:
        raise _BadRow(f"enabled is {enabled!r}: yes or no is expected")
    secret, unconvertible = _secret(username, values, realm)
    return Entry(
        line,
        username,
        secret,
        unconvertible,
        name,
        language,
        None if enabled is None else ENABLED[enabled.lower()],
    )


def _secret(username: str, values: Mapping[str, str], realm: str) -> tuple[Secret | None, str]:
    """The secret, or None and why there cannot be one."""
    password, digest = values.get("password", ""), values.get("ha1", "")
    theirs = values.get("realm") or values.get("domain") or realm
    for value in (password.strip(), digest):
        kind = one_way(value)
        if kind:
            return None, kind
    if password:
        if not password.isprintable():
            raise _BadRow("the password has characters that cannot be typed")
        if password != password.strip():
            raise _BadRow("the password begins or ends with a space, which no phone would send")
        if LONG_DIGEST.fullmatch(password):
            return None, "its password is a one-way hash"
        of_ours = MD5.fullmatch(digest) and theirs == realm
        if of_ours and digest.lower() != ha1("MD5", username, realm, password):
            raise _BadRow("its password and its ha1 do not belong together")
        return Secret.derive(username, realm, password), ""
    if not digest:
        raise _BadRow("it has neither a password nor a ha1")
    if LONG_DIGEST.fullmatch(digest):
        return None, "its ha1 is not MD5"
    if not MD5.fullmatch(digest):
        raise _BadRow("its ha1 is not 32 hexadecimal digits")
    if theirs != realm:
        raise _BadRow(f"its ha1 is of the realm {theirs!r}, ours is {realm!r}: it cannot be used")
    return Secret.from_md5(digest, _with_domain(values, realm)), ""


def _with_domain(values: Mapping[str, str], realm: str) -> str:
    """Kamailio's ha1b is over user@domain; ours is over user@realm."""
    digest = values.get("ha1b", "")
    if digest and not MD5.fullmatch(digest):
        raise _BadRow("its ha1b is not 32 hexadecimal digits")
    return digest if values.get("domain", realm) in ("", realm) else ""


def one_way(value: str) -> str:
    """Which one-way hash this is, in words; empty if it is none that we know."""
    if BCRYPT.fullmatch(value):
        return "bcrypt cannot be turned into what a telephone needs"
    if ONE_WAY.fullmatch(value):
        return "its password is a one-way hash, which cannot be turned into what a telephone needs"
    return ""
