"""One request on its way through the configuration: what functions and variables work on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from registrar.authentication import Authenticator, Verdict
from registrar.location.store import LocationStore
from registrar.sip import message
from registrar.sip.message import Request


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message came from, and the socket that it came in by. Addresses are numeric."""

    host: str
    port: int
    local_host: str
    local_port: int
    transport: str = "udp"

    @property
    def uri(self) -> str:
        """As a SIP URI, for Received; UDP is the default and not said."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        transport = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:{host}:{self.port}{transport}"

    @property
    def socket(self) -> str:
        host = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"{self.transport}:{host}:{self.local_port}"


@dataclass(frozen=True, slots=True)
class Services:
    """What outlives a request. `log(level, text)`: level as Kamailio numbers them, -1 to 3."""

    location: LocationStore
    authenticator: Authenticator
    log: Callable[[int, str], None]
    server_header: str
    tag_key: bytes


@dataclass(slots=True)
class Answer:
    """What one request was answered with."""

    status: int
    data: bytes


class Context:
    """`retcode` is Kamailio's $rc. `answer` is what goes back, if anything."""

    def __init__(
        self, request: Request, data: bytes, source: Source, now: float, services: Services
    ) -> None:
        self.request = request
        self.data = data
        self.source = source
        self.now = now
        self.services = services
        self.retcode = 1
        self.answer: Answer | None = None
        self.variables: dict[str, Any] = {}
        self.reply_fields: list[tuple[str, str]] = []
        self.verdict: Verdict | None = None
        self.answers_to_source_port = False

    @cached_property
    def fingerprint(self) -> str:
        """Names the request's very bytes."""
        return hashlib.blake2b(self.data, digest_size=8).hexdigest()

    def reply(self, status: int, reason: str, fields: tuple[tuple[str, str], ...] = ()) -> None:
        """Answers, once: a second answer to a request is a mistake of the configuration."""
        if self.answer is not None:
            self.services.log(0, f"a second reply, {status} {reason}, is not sent")
            return
        via = self.request.via
        port = self.source.port if self._goes_to_source_port() else None
        received: tuple[str, int | None] | None = (self.source.host, port)
        if port is None and via.host.strip("[]") == self.source.host:
            received = None  # RFC 3261 §18.2.1: nothing to add
        every = [*fields, *self.reply_fields]
        if self.services.server_header:
            every.append(("Server", self.services.server_header))
        data = message.respond(
            self.request, status, reason, tag=self._tag(), received=received, fields=every
        )
        self.answer = Answer(status, data)

    def _tag(self) -> str:
        """§8.2.7: the same To tag for each retransmission, without remembering anything."""
        about = "\0".join(
            (
                self.request.value("call-id") or "",
                self.request.value("from") or "",
                self.request.via.parameter("branch") or "",
                self.request.value("cseq") or "",
            )
        )
        key = self.services.tag_key
        raw = about.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(raw, key=key, digest_size=8).hexdigest()

    def destination(self) -> tuple[str, int]:
        """Where the answer goes: RFC 3261 §18.2.2, RFC 3581 §4. Always to the address that the
        request came from; maddr is not followed, for it would send answers to strangers."""
        if self._goes_to_source_port():
            return self.source.host, self.source.port
        return self.source.host, self.request.via.port or 5060

    def _goes_to_source_port(self) -> bool:
        return self.answers_to_source_port or self.request.via.parameter("rport") is not None
