"""Secrets at rest: each HA1 set in the database is sealed with AES-256-GCM under the store key.

The row's username, realm and slot are authenticated with it, so that a sealed value is worth
nothing in another row, and a dump of the database nothing without the key.
"""

import os
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registrar.snapshot import Secret, key_id

Slot = Literal["current", "previous"]
NONCE_SIZE: Final = 12
KEY_ID_SIZE: Final = 4


class SealError(Exception):
    """A sealed value cannot be opened; str() says why."""


class Store:
    """Seals with the first store key, opens with any."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = {bytes.fromhex(key_id(key)): AESGCM(key) for key in keys}
        self._sealing = bytes.fromhex(key_id(keys[0]))

    def seal(self, secret: Secret, username: str, realm: str, slot: Slot) -> bytes:
        nonce = os.urandom(NONCE_SIZE)
        aad = _authenticated(self._sealing, username, realm, slot)
        sealed = self._ciphers[self._sealing].encrypt(nonce, secret.packed, aad)
        return self._sealing + nonce + sealed

    def open(self, sealed: bytes, username: str, realm: str, slot: Slot) -> Secret:
        name = sealed[:KEY_ID_SIZE]
        rest = sealed[KEY_ID_SIZE:]
        if name not in self._ciphers:
            raise SealError(f"it is sealed with store key {name.hex()}, which is not given")
        try:
            return Secret(
                self._ciphers[name].decrypt(
                    rest[:NONCE_SIZE],
                    rest[NONCE_SIZE:],
                    _authenticated(name, username, realm, slot),
                )
            )
        except (InvalidTag, ValueError):
            raise SealError("it was altered, damaged or moved from another row") from None

    def seals_with(self, sealed: bytes) -> bool:
        """Whether it is sealed with the key that seals now."""
        return sealed[:KEY_ID_SIZE] == self._sealing


def _authenticated(name: bytes, username: str, realm: str, slot: Slot) -> bytes:
    return b"\0".join((b"qayd store", name, username.encode(), realm.encode(), slot.encode()))
