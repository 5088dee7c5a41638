"""Header values as RFC 3261 §20 defines them: Via, name-addr, Contact, CSeq, expires, q."""

import re
from dataclasses import dataclass
from typing import Final

from registrar.sip import grammar
from registrar.sip.errors import ParseError
from registrar.sip.uri import SipUri, is_absolute_uri, parse_uri

# §7.3.3 and §20: the compact forms; RFC 3327, 3903, 6665 and others added theirs
COMPACT: Final = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

# sent-protocol LWS sent-by *( SEMI via-params )
_VIA: Final = re.compile(
    rf"(?P<protocol>{grammar.TOKEN})\s*/\s*(?P<version>{grammar.TOKEN})\s*/\s*"
    rf"(?P<transport>{grammar.TOKEN})\s+(?P<host>{grammar.HOST})(?:\s*:\s*(?P<port>[0-9]{{1,5}}))?"
    r"\s*(?P<parameters>;.*)?",
    re.DOTALL,
)
# Possessive quantifiers: a long run of blanks must not cost more than its length.
_NAME_ADDR: Final = re.compile(
    rf"(?P<name>{grammar.QUOTED}|(?:{grammar.TOKEN}\s++)*+(?:{grammar.TOKEN})?+)\s*+"
    r"<\s*+(?P<uri>[^<>\s]+)\s*+>\s*+(?P<parameters>;.*)?",
    re.DOTALL,
)
_ADDR_SPEC: Final = re.compile(r'(?P<uri>[^<>\s;,?"]+)\s*(?P<parameters>;.*)?', re.DOTALL)
_CSEQ: Final = re.compile(rf"(?P<number>[0-9]{{1,10}})\s+(?P<method>{grammar.TOKEN})")
_QVALUE: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value (§20.42); `sent_by` is host[:port], lower case."""

    transport: str  # upper case
    host: str
    port: int | None
    parameters: grammar.Parameters

    @property
    def sent_by(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def parameter(self, name: str) -> str | None:
        """The value, "" for a parameter without one, None for an absent one."""
        return grammar.parameter(self.parameters, name)


@dataclass(frozen=True, slots=True)
class Address:
    """A name-addr or addr-spec with its header parameters: From, To, Contact, Path, Route."""

    name: str  # display name, unquoted
    uri: str  # as it stands
    parameters: grammar.Parameters
    parameters_text: str  # as they stood, from the first ";" on

    def parameter(self, name: str) -> str | None:
        """The value, unquoted; "" for a parameter without one, None for an absent one."""
        value = grammar.parameter(self.parameters, name)
        return None if value is None else grammar.unquote(value)

    def sip_uri(self) -> SipUri:
        """ParseError when the URI is no SIP URI."""
        return parse_uri(self.uri)


@dataclass(frozen=True, slots=True)
class CSeq:
    number: int
    method: str


def parse_via(text: str) -> Via:
    match = _VIA.fullmatch(text.strip())
    parameters = match and grammar.parameters((match["parameters"] or "").strip())
    if match is None or parameters is None:
        raise ParseError("Bad Via header")
    if (match["protocol"].upper(), match["version"]) != ("SIP", "2.0"):
        raise ParseError("Bad Via header")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise ParseError("Bad Via header")
    return Via(match["transport"].upper(), match["host"].lower(), port, parameters)


def parse_address(text: str, header: str) -> Address:
    """`header` names it in the error. A URI with "," ";" or "?" must stand in <> (§20.10)."""
    text = text.strip()
    match = _NAME_ADDR.fullmatch(text) or _ADDR_SPEC.fullmatch(text)
    if match is None:
        raise ParseError(f"Bad {header} header")
    parameters_text = (match["parameters"] or "").strip()
    parameters = grammar.parameters(parameters_text)
    if parameters is None or not is_absolute_uri(match["uri"]):
        raise ParseError(f"Bad {header} header")
    name = grammar.unquote((match.groupdict().get("name") or "").strip())
    return Address(name, match["uri"], parameters, parameters_text)


def parse_cseq(text: str) -> CSeq:
    match = _CSEQ.fullmatch(text.strip())
    if match is None or int(match["number"]) > grammar.MAX_NUMBER:  # §8.1.1.5: a 32-bit integer
        raise ParseError("Bad CSeq header")
    return CSeq(int(match["number"]), match["method"])


def parse_expires(text: str) -> int | None:
    """delta-seconds, at most 2**32-1 (§20.19); None for anything else: §10.2.1.1 then says that
    the default counts."""
    return grammar.number(text)


def parse_qvalue(text: str) -> float | None:
    """0 to 1 with at most three digits (§25.1); None for anything else."""
    return float(text) if _QVALUE.fullmatch(text) else None
