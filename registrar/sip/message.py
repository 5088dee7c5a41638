"""SIP messages (RFC 3261 §7): bytes to Request or Response, and a Request's Response to bytes.

The lines of each header keep their order, and their values byte for byte; names are compared in
lower case with the compact forms resolved. Parsed values are made when they are asked for. No
sockets, no clock.
"""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from registrar.sip import grammar, headers
from registrar.sip.errors import ParseError

_FOLD: Final = re.compile(r"\n[ \t]+")
# A lone LF as line end is tolerated, as deployed servers do (§7.5 wants CRLF).
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE: Final = re.compile(
    rf"({grammar.TOKEN}) +(\S+) +(SIP/[0-9]+\.[0-9]+)", re.ASCII | re.IGNORECASE
)
_STATUS_LINE: Final = re.compile(
    r"(SIP/[0-9]+\.[0-9]+) +([1-6][0-9]{2})(?: (.*))?", re.ASCII | re.IGNORECASE
)
# §8.1.1: without these a message can be neither processed nor answered
_MANDATORY: Final = ("to", "from", "cseq", "call-id", "via")
_SINGLE: Final = ("to", "from", "cseq", "call-id", "max-forwards", "content-length")
MAX_HEADERS: Final = 256


Fields = dict[str, list[str]]


class Message:
    """What requests and responses share. `fields`: each header's lines, by lower-case name."""

    def __init__(self, fields: Fields, body: bytes) -> None:
        self.fields = fields
        self.body = body

    def values(self, name: str) -> list[str]:
        """Every value of a header, in order, each line as it stands. `name` in lower case."""
        return self.fields.get(name, [])

    def items(self, name: str) -> list[str]:
        """The values of a comma-separated header, all its lines together."""
        return [item for value in self.values(name) for item in grammar.split_list(value)]

    def value(self, name: str) -> str | None:
        lines = self.fields.get(name)
        return lines[0] if lines else None

    @cached_property
    def via(self) -> headers.Via:
        """The topmost Via."""
        first_line = grammar.split_list(self.value("via") or "")
        return headers.parse_via(first_line[0] if first_line else "")

    @cached_property
    def to(self) -> headers.Address:
        return headers.parse_address(self.value("to") or "", "To")

    @cached_property
    def from_(self) -> headers.Address:
        return headers.parse_address(self.value("from") or "", "From")

    @cached_property
    def cseq(self) -> headers.CSeq:
        return headers.parse_cseq(self.value("cseq") or "")

    @cached_property
    def call_id(self) -> str:
        return (self.value("call-id") or "").strip()


class Request(Message):
    def __init__(self, method: str, uri: str, fields: Fields, body: bytes = b"") -> None:
        super().__init__(fields, body)
        self.method = method
        self.uri = uri

    @cached_property
    def contacts(self) -> "list[headers.Address] | None":
        """The Contact values; None stands for `*`. ParseError if `*` stands beside others."""
        items = self.items("contact")
        if "*" in items:
            if items != ["*"]:
                raise ParseError("Contact * beside other contacts")
            return None
        return [headers.parse_address(item, "Contact") for item in items]


class Response(Message):
    def __init__(self, status: int, reason: str, fields: Fields, body: bytes = b"") -> None:
        super().__init__(fields, body)
        self.status = status
        self.reason = reason


class BadMessage(ParseError):
    """A request that is wrong, but whole enough to be answered."""

    def __init__(self, request: Request, error: ParseError) -> None:
        super().__init__(error.reason, error.status)
        self.request = request


def parse(data: bytes) -> Request | Response:
    """One datagram. ParseError if it cannot even be answered, BadMessage if it can."""
    data = data.lstrip(b"\r\n")  # §7.5: leading CRLFs
    end = _END_OF_HEAD.search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    text = head.decode("utf-8", "surrogateescape")
    first_line, _, rest = text.partition("\n")
    fields = _parse_fields(rest)
    first_line = first_line.rstrip("\r")
    status = _STATUS_LINE.fullmatch(first_line)
    if status:
        return Response(int(status[2]), status[3] or "", fields, body)
    line = _REQUEST_LINE.fullmatch(first_line)
    if line is None:
        raise ParseError("Bad request line")
    request = Request(line[1], line[2], fields, body)
    try:
        _check(request, line[3])
    except ParseError as error:
        raise BadMessage(request, error) from error
    return request


def _parse_fields(text: str) -> Fields:
    text = text.replace("\r\n", "\n")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)  # §7.3.1: a folded line is one line with a space
    lines = text.split("\n")
    if len(lines) > MAX_HEADERS:
        raise ParseError("Too many headers")
    fields: Fields = {}
    has_stray = "\r" in text or "\0" in text
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon and not line.strip():
            continue
        canonical = _CANONICAL.get(name) or _canonical(name)
        if has_stray and ("\r" in line or "\0" in line):
            canonical = ""  # answered as it came, it could end a line for somebody else
        # A line that is no header is kept under a name that no header has.
        fields.setdefault(canonical, []).append(value.strip(" \t") if canonical else line)
    return fields


def _canonical(name: str) -> str:
    """A header's name in lower case, its compact form resolved; empty if it is no token."""
    name = name.rstrip(" \t").lower()
    return headers.COMPACT.get(name, name) if grammar.is_token(name) else ""


_USUAL: Final = (
    "Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Expires", "User-Agent",
    "Allow", "Authorization", "Content-Length", "Route", "Supported",
)  # fmt: skip
# the spellings that nearly every phone uses, so that they cost one look-up
_CANONICAL: Final = {name: _canonical(name) for name in _USUAL}


def _check(request: Request, version: str) -> None:
    """§8.2: what every request must have. Raises with the status that it is to be answered with."""
    fields = request.fields
    for name in _MANDATORY:
        if name not in fields:
            raise ParseError(f"Missing {name.title()} header")
    for name in _SINGLE:
        if len(fields.get(name, ())) > 1:
            raise ParseError(f"Repeated {name.title()} header")
    if version.upper() != "SIP/2.0":
        raise ParseError("Version Not Supported", 505)
    if "" in fields:
        raise ParseError("Bad header line")
    if request.cseq.method != request.method:
        raise ParseError("CSeq method does not match request method")
    assert request.via
    assert request.to
    assert request.from_
    if len(request.call_id.split()) != 1:
        raise ParseError("Bad Call-Id header")
    if request.from_.parameter("tag") == "":
        raise ParseError("Bad From header")
    _cut_body(request)


def _cut_body(request: Request) -> None:
    """§18.3: on a datagram a longer body is cut, a shorter one is an error."""
    length = request.value("content-length")
    if length is None:
        return
    size = grammar.number(length)
    if size is None:
        raise ParseError("Bad Content-Length header")
    if size > len(request.body):
        raise ParseError("Content-Length is larger than the body")
    request.body = request.body[:size]


def respond(
    request: Request,
    status: int,
    reason: str,
    *,
    tag: str,
    received: tuple[str, int | None] | None = None,
    fields: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The response's bytes (§8.2.6.2). `tag` is added to To if it has none; `received` is what the
    topmost Via is told of its sender: the address, and the port if it is to be told (RFC 3581)."""
    lines = [f"SIP/2.0 {status} {reason}"]
    for at, via in enumerate(request.values("via")):
        lines.append("Via: " + (_told(via, *received) if at == 0 and received else via))
    lines.extend(f"From: {value}" for value in request.values("from"))
    suffix = f";tag={tag}" if status != 100 and _wants_tag(request) else ""
    lines.extend(f"To: {value}{suffix}" for value in request.values("to"))
    lines.extend(f"Call-ID: {value}" for value in request.values("call-id"))
    lines.extend(f"CSeq: {value}" for value in request.values("cseq"))
    lines.extend(f"{name}: {value}" for name, value in fields)
    lines.append("Content-Length: 0\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _wants_tag(request: Request) -> bool:
    try:
        return request.to.parameter("tag") is None
    except ParseError:
        return False  # not to be touched: it goes back as it came


_RPORT: Final = re.compile(r";\s*rport\s*(?=[;,]|$)", re.IGNORECASE)
_RECEIVED: Final = re.compile(rf';\s*received\s*=\s*(?:{grammar.QUOTED}|[^;,"\s]*)', re.IGNORECASE)


def _told(line: str, address: str, port: int | None) -> str:
    """The first value of a Via line with received= (§18.2.1) and rport= (RFC 3581 §4)."""
    first, *others = grammar.split_list(line)
    first = _RECEIVED.sub("", first)
    if port is not None:
        first, found = _RPORT.subn(f";rport={port}", first, count=1)
        if not found:
            first += f";rport={port}"
    first += f";received={address}"
    return ", ".join([first, *others])
