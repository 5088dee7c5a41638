"""Key files: 256-bit AES keys, one a line in base64; the first seals, all open, so keys can rotate.

The snapshot key is shared by webadmin and the registrar; the store key is webadmin's alone.
"""

import base64
import hashlib
import os
from pathlib import Path


class KeyFileError(Exception):
    """The key file cannot be used; str() names it and says why."""


def new_key_line() -> str:
    """A fresh key as a line of a key file."""
    return base64.b64encode(os.urandom(32)).decode() + "\n"


def read_keys(path: str | Path) -> tuple[bytes, ...]:
    """The keys of a key file, one a line in base64: the first seals, all open. '#' is a comment."""
    try:
        with open(path, encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: the key cannot be read: {error}") from error
    if mode & 0o007:
        raise KeyFileError(
            f"{path}: every user of this machine may use this key (mode {mode & 0o777:04o});"
            f" chmod o-rwx it"
        )
    keys = []
    for line in lines:
        if line and not line.startswith("#"):
            try:
                key = base64.b64decode(line, validate=True)
            except ValueError:
                key = b""
            if len(key) != 32:
                raise KeyFileError(f"{path}: a line is not a key: 32 bytes in base64 are expected")
            keys.append(key)
    if not keys:
        raise KeyFileError(f"{path}: there is no key in this file")
    return tuple(keys)


def key_id(key: bytes) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(b"qayd key id" + key).hexdigest()[:8]
