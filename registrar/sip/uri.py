"""SIP and SIPS URIs (RFC 3261 §19.1): parsed, compared by §19.1.4, reduced to an AOR."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from registrar.sip import grammar
from registrar.sip.errors import ParseError

_URI: Final = re.compile(
    rf"""(?P<scheme>sips?):
    (?:(?P<user>[A-Za-z0-9\-_.!~*'()&=+$,;?/%\#\x80-\U0010ffff]+)
       (?::(?P<password>[A-Za-z0-9\-_.!~*'()&=+$,%]*))?@)?
    (?P<host>{grammar.HOST})
    (?::(?P<port>[0-9]{{1,5}}))?
    (?P<parameters>(?:;[^?\s<>"]*)?)
    (?:\?(?P<headers>[^\s<>"]*))?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
# absoluteURI = scheme ":" ...: tel:, mailto:, urn: and the like, kept but not understood
_ABSOLUTE: Final = re.compile(r'[A-Za-z][A-Za-z0-9+\-.]*:[^\s<>"]+')
_PARAMETER: Final = re.compile(
    r";([A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+)(?:=([^;]*))?"
)  # "=" in a value: some phones send base64
# Parameters that make two URIs differ when only one has them (§19.1.4 and its examples).
_TELLING: Final = frozenset({"user", "ttl", "method", "maddr", "transport"})


@dataclass(frozen=True, slots=True)
class SipUri:
    """The parts of a sip: or sips: URI; `text` is what was parsed, byte for byte."""

    text: str
    scheme: str  # lower case
    user: str  # as it stands, escapes unresolved; empty when absent
    password: str
    host: str  # lower case
    port: int | None
    parameters: grammar.Parameters
    headers: str

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" for one without a value, None for an absent one."""
        return grammar.parameter(self.parameters, name)

    def address_of_record(self, *, use_domain: bool, case_sensitive: bool = True) -> str:
        """§10.3 step 5: no parameters, escapes resolved; user@host, or the user alone."""
        user = grammar.unescape(self.user)
        if not case_sensitive:
            user = user.lower()
        return f"{user}@{self.host}" if use_domain else user

    def matches(self, other: "SipUri") -> bool:
        """Equality by §19.1.4."""
        if (self.scheme, self.host, self.port) != (other.scheme, other.host, other.port):
            return False
        if grammar.normalize_escapes(self.user) != grammar.normalize_escapes(other.user):
            return False
        if grammar.normalize_escapes(self.password) != grammar.normalize_escapes(other.password):
            return False
        mine, theirs = dict(self.parameters), dict(other.parameters)
        for name in mine.keys() | theirs.keys():
            if name in mine and name in theirs:
                if _folded(mine[name]) != _folded(theirs[name]):
                    return False
            elif name in _TELLING:
                return False
        return _headers(self.headers) == _headers(other.headers)


def _folded(value: str | None) -> str:
    return grammar.normalize_escapes(value or "").lower()


def _headers(text: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return sorted((name.lower(), grammar.normalize_escapes(value)) for name, _, value in pairs)


def parse_uri(text: str) -> SipUri:
    """A sip: or sips: URI. ParseError otherwise; 416 for another scheme (§8.2.2.1)."""
    # One request asks for the same few URIs again and again; what is long is not kept.
    return _remembered(text) if len(text) <= 128 else _parse(text)


def _parse(text: str) -> SipUri:
    match = _URI.fullmatch(text)
    if match is None:
        if _ABSOLUTE.fullmatch(text) and not text.lower().startswith(("sip:", "sips:")):
            raise ParseError("Unsupported URI Scheme", 416)
        raise ParseError("Bad URI")
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65535:
        raise ParseError("Bad URI")
    return SipUri(
        text=text,
        scheme=match["scheme"].lower(),
        user=match["user"] or "",
        password=match["password"] or "",
        host=match["host"].lower(),
        port=port,
        parameters=_parameters(match["parameters"]),
        headers=match["headers"] or "",
    )


_remembered = lru_cache(maxsize=4096)(_parse)


def _parameters(text: str) -> grammar.Parameters:
    found: list[tuple[str, str | None]] = []
    names: set[str] = set()
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise ParseError("Bad URI parameter")
        name = match[1].lower()
        if name in names:  # §19.1.1: at most once
            raise ParseError("Repeated URI parameter")
        names.add(name)
        found.append((name, match[2]))
        at = match.end()
    return tuple(found)


def is_absolute_uri(text: str) -> bool:
    """Whether it is a URI of any scheme, as a Contact may hold (§10.3 step 7)."""
    return _ABSOLUTE.fullmatch(text) is not None
