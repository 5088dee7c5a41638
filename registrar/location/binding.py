"""A binding of the location service (RFC 3261 §10): what is kept of one contact of one AOR."""

from dataclasses import dataclass, fields
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Binding:
    """Times are seconds since the epoch; texts are as the phone sent them."""

    aor: str
    contact: str  # the URI without <>
    parameters: str  # contact parameters but expires, from ";" on, byte for byte
    q: float | None
    expires_at: float
    call_id: str
    cseq: int
    user_agent: str
    received: str  # where the REGISTER came from, as a SIP URI
    socket: str  # where it arrived: "udp:192.0.2.1:5060"
    path: str
    methods: str  # the Allow header of the REGISTER, or the contact's methods parameter
    instance: str  # +sip.instance, unquoted (RFC 5626 §4.1)
    ruid: str  # our own name of this binding, unique
    registered: float  # since when without a gap
    modified: float

    def is_expired(self, now: float) -> bool:
        return self.expires_at <= now

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FIELDS}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Binding":
        """Fields of a later version are ignored. TypeError if one of ours is missing."""
        return cls(**{name: record[name] for name in FIELDS if name in record})


FIELDS: Final = tuple(field.name for field in fields(Binding))
