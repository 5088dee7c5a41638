"""What a peer's message can be refused with: a SIP status and a reason phrase (RFC 3261 §21)."""


class SipError(Exception):
    """Becomes a response with this status and reason. `headers` are added to it."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers


class ParseError(SipError):
    """The bytes are not the message, URI or header value that they should be."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(status, reason)
