"""Digest authentication of RFC 7616 and RFC 8760: strings in, a verdict out.

Parses Authorization values, verifies them against an HA1, writes challenges. It knows neither
nonces' insides nor where HA1s come from, and keeps nothing.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from registrar.secret import ALGORITHMS

_SCHEME: Final = re.compile(r"\s*Digest\s+", re.IGNORECASE)
_PARAMETER: Final = re.compile(
    r'\s*([A-Za-z0-9\-.!%*_+`\'~]++)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++))\s*(?:,|$)',
    re.DOTALL,
)
_NONCE_COUNT: Final = re.compile(r"[0-9A-Fa-f]{8}")
_CANONICAL: Final = {name.lower(): name for name in ALGORITHMS}


class DigestError(ValueError):
    """The Authorization value is malformed; str() says where."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """The credentials of an Authorization header (RFC 7616 §3.4), unquoted."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str  # as ALGORITHMS names it; what we do not know stands as it came
    qop: str  # as it came: "auth" in any case, or "" for none (RFC 2069)
    cnonce: str
    nonce_count: int
    nonce_count_text: str


def parse_authorization(text: str) -> Authorization | None:
    """None for another scheme than Digest. DigestError if it is malformed."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    found: dict[str, str] = {}
    at = scheme.end()
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise DigestError(f"the Authorization header is malformed at character {at + 1}")
        name = match[1].lower()
        if name in found:
            raise DigestError(f"{name} stands twice in the Authorization header")
        quoted = match[2]
        found[name] = match[3] if quoted is None else unescape(quoted)
        at = match.end()
    for name in ("username", "realm", "nonce", "uri", "response"):
        if name not in found:
            raise DigestError(f"the Authorization header has no {name}")
    qop = found.get("qop", "")
    count = found.get("nc", "")
    if qop and (not _NONCE_COUNT.fullmatch(count) or not found.get("cnonce")):
        raise DigestError("qop needs cnonce and an nc of eight hexadecimal digits")
    algorithm = found.get("algorithm", "MD5")
    return Authorization(
        username=found["username"],
        realm=found["realm"],
        nonce=found["nonce"],
        uri=found["uri"],
        response=found["response"].lower(),
        algorithm=_CANONICAL.get(algorithm.lower(), algorithm),
        qop=qop,
        cnonce=found.get("cnonce", ""),
        nonce_count=int(count, 16) if qop else 0,
        nonce_count_text=count,
    )


def unescape(quoted: str) -> str:
    """The content of a quoted-string, its quoted-pairs resolved."""
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if "\\" in quoted else quoted


def response(authorization: Authorization, method: str, ha1: str) -> str:
    """The request-digest that these credentials should carry (RFC 7616 §3.4.1), for qop=auth or
    none. `ha1` is of the credentials' algorithm, in hex."""

    def digest(text: str) -> str:
        name = ALGORITHMS[authorization.algorithm][0]
        return hashlib.new(name, text.encode("utf-8", "surrogateescape")).hexdigest()

    ha2 = digest(f"{method}:{authorization.uri}")
    middle = authorization.nonce
    if authorization.qop:
        middle += f":{authorization.nonce_count_text}:{authorization.cnonce}:{authorization.qop}"
    return digest(f"{ha1}:{middle}:{ha2}")


def verify(authorization: Authorization, method: str, ha1: str) -> bool:
    """Whether the response is the one that the HA1 gives; compared in constant time."""
    expected = response(authorization, method, ha1)
    given = authorization.response.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(expected.encode(), given)


def challenge(realm: str, nonce: str, algorithm: str, *, qop: str, stale: bool) -> str:
    """The value of a WWW-Authenticate or Proxy-Authenticate header (RFC 7616 §3.3)."""
    escaped = realm.replace("\\", "\\\\").replace('"', '\\"')
    parts = [f'Digest realm="{escaped}"', f'nonce="{nonce}"', f"algorithm={algorithm}"]
    if qop:
        parts.append(f'qop="{qop}"')
    if stale:
        parts.append("stale=true")
    return ", ".join(parts)
