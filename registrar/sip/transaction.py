"""Server transactions of non-INVITE requests over an unreliable transport (RFC 3261 §17.2.2).

Only what a registrar that answers at once needs: a final response is kept until Timer J fires, so
that a retransmission gets the same bytes and is never processed twice. Bounded in bytes: the
oldest go first, and what was evicted is answered again from the location store.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from registrar.sip.message import Request

TIMER_J: Final = 32.0  # seconds; 64*T1 (§17.1.2.2)
MAGIC_COOKIE: Final = "z9hG4bK"

Key = tuple[str, ...]


def key(request: Request, source: tuple[str, int]) -> Key:
    """§17.2.3, with the source added, so that nobody else gets somebody's response; Call-ID and
    CSeq are part of it for the phones that use a branch twice, or none (RFC 2543)."""
    return (
        request.via.parameter("branch") or "",
        request.via.sent_by,
        request.method,
        request.call_id,
        str(request.cseq.number),
        request.from_.parameter("tag") or "",
        source[0],
        str(source[1]),
    )


@dataclass(frozen=True, slots=True)
class _Completed:
    response: bytes
    destination: tuple[str, int]
    until: float
    request_digest: int


class ServerTransactions:
    """Final responses by transaction. `now` grows; entries leave by Timer J or by the bound."""

    def __init__(self, max_bytes: int = 32 << 20) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._completed: OrderedDict[Key, _Completed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._completed)

    def response(self, key: Key, data: bytes) -> tuple[bytes, tuple[str, int]] | None:
        """The stored response and where it went, when `data` is the same request again."""
        completed = self._completed.get(key)
        if completed is None or completed.request_digest != hash(data):
            return None
        return completed.response, completed.destination

    def complete(
        self,
        key: Key,
        data: bytes,
        response: bytes,
        destination: tuple[str, int],
        now: float,
    ) -> None:
        """Keeps the final response to the request `data`."""
        self.forget(key)
        self._completed[key] = _Completed(response, destination, now + TIMER_J, hash(data))
        self._bytes += len(response)
        while self._completed and (
            self._bytes > self.max_bytes or next(iter(self._completed.values())).until <= now
        ):
            _, oldest = self._completed.popitem(last=False)
            self._bytes -= len(oldest.response)

    def forget(self, key: Key) -> None:
        completed = self._completed.pop(key, None)
        if completed is not None:
            self._bytes -= len(completed.response)
