"""What is derived from a password at the moment it is set: digest HA1s (RFC 7616 §3.4.2).

For each algorithm H(user:realm:password) and, for phones that send user@domain as their username,
H(user@realm:realm:password), which Kamailio calls ha1b. The password itself is kept nowhere.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# algorithm: (hashlib's name, bytes of a digest, where its HA1 and its HA1b stand in Secret.packed)
ALGORITHMS: Final[Mapping[str, tuple[str, int, int, int]]] = {
    "MD5": ("md5", 16, 0, 16),
    "SHA-256": ("sha256", 32, 32, 64),
    "SHA-512-256": ("sha512_256", 32, 96, 128),
}
PACKED_SIZE: Final = 160


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    """H(username:realm:password) as lower-case hex (RFC 7616 §3.4.2)."""
    name = ALGORITHMS[algorithm][0]
    return hashlib.new(name, f"{username}:{realm}:{password}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Secret:
    """All that is ever derived from one password. 160 bytes; an absent digest is zeros."""

    packed: bytes = field(repr=False)

    @classmethod
    def derive(cls, username: str, realm: str, password: str) -> "Secret":
        """Each algorithm's H(user:realm:password) and H(user@realm:realm:password)."""
        both = (username, f"{username}@{realm}")
        return cls(
            b"".join(
                bytes.fromhex(ha1(algorithm, name, realm, password))
                for algorithm in ALGORITHMS
                for name in both
            )
        )

    @classmethod
    def from_md5(cls, ha1: str, ha1b: str = "") -> "Secret":
        """From another product's table, which has MD5 alone. ValueError if it is no MD5 in hex."""
        digests = [bytes.fromhex(text) for text in (ha1, ha1b or "00" * 16)]
        if any(len(digest) != 16 for digest in digests):
            raise ValueError("an MD5 HA1 is 32 hexadecimal digits")
        return cls(b"".join(digests).ljust(PACKED_SIZE, b"\0"))

    def ha1(self, algorithm: str, *, with_domain: bool = False) -> str | None:
        """The HA1 in hex; with_domain: the one for phones that send user@realm as username."""
        _, size, plain, domain = ALGORITHMS[algorithm]
        start = domain if with_domain else plain
        digest = self.packed[start : start + size]
        return digest.hex() if any(digest) else None
