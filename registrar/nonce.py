"""Nonces (RFC 7616 §3.3, §5.4): issued under a persisted key ring, so that they outlive a restart,
and the counts that were accepted with them, so that a request counts once.

A nonce is 44 characters: the stamp (milliseconds since the epoch) in 12 hex digits, a counter in 8,
the key's name in 8, a MAC in 16. Stamps never go back while the program runs, whatever the clock
does. No clock, no file in here: `now` is an argument, keys and records come from outside.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

_NONCE: Final = re.compile(r"([0-9a-f]{12})([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{16})")
REMEMBERED: Final = 8  # nonces whose counts are kept for one extension


class Age(Enum):
    """What a nonce that came back is to us."""

    FRESH = "fresh"
    STALE = "stale"  # ours in form, but too old or of a key that we do not have
    FOREIGN = "foreign"  # never issued by us


@dataclass(frozen=True, slots=True)
class Seen:
    """A nonce that came back, and when it was issued (milliseconds since the epoch)."""

    age: Age
    stamp: int


class NonceSource:
    """Issues and recognises nonces. `keys`: the first signs, all verify; at least one."""

    def __init__(
        self, keys: tuple[bytes, ...], lifetime: float, start: float, first_count: int = 0
    ) -> None:
        """`first_count` is random in earnest, so that two runs never issue the same nonce, even
        when the clock was set back between them."""
        self.lifetime = lifetime
        self._keys = {hashlib.sha256(b"nonce key" + key).hexdigest()[:8]: key for key in keys}
        self._signing = next(iter(self._keys))
        self._seen = start
        self._set_back = 0.0
        self._count = first_count

    def _mac(self, name: str, head: str) -> str:
        return hashlib.blake2b(head.encode(), key=self._keys[name], digest_size=8).hexdigest()

    def issue(self, now: float) -> str:
        stamp = self._stamp_at(now)
        self._count = (self._count + 1) & 0xFFFFFFFF
        head = f"{stamp:012x}{self._count:08x}{self._signing}"
        return head + self._mac(self._signing, head)

    def _stamp_at(self, now: float) -> int:
        """Goes on at the clock's pace when the clock is set back, and is always above the
        start's, so that no nonce of this run looks like an earlier run's."""
        self._set_back += max(0.0, self._seen - now)
        self._seen = now
        return int((now + self._set_back) * 1000) + 1

    def oldest_fresh(self, now: float) -> int:
        """The stamp before which every nonce is stale by age."""
        return self._stamp_at(now) - int(self.lifetime * 1000)

    def recognise(self, nonce: str, now: float) -> Seen:
        match = _NONCE.fullmatch(nonce)
        if match is None:
            return Seen(Age.FOREIGN, 0)
        stamp, name = int(match[1], 16), match[3]
        if name not in self._keys:
            return Seen(Age.STALE, stamp)
        if not hmac.compare_digest(self._mac(name, nonce[:28]), match[4]):
            return Seen(Age.FOREIGN, 0)
        current = self._stamp_at(now)
        if current - stamp > self.lifetime * 1000 or stamp > current:
            return Seen(Age.STALE, stamp)
        return Seen(Age.FRESH, stamp)


class Count(Enum):
    """What the nonce count of verified credentials says of the request."""

    NEW = "new"
    RETRANSMISSION = "retransmission"  # the very request that was accepted last with this nonce
    REPLAY = "replay"
    UNKNOWN = "unknown"  # an earlier run may have accepted it already


@dataclass(frozen=True, slots=True)
class NonceUse:
    """The highest count accepted with a nonce, and which request it came with."""

    nonce: str
    stamp: int
    count: int
    request: str  # fingerprint of the accepted request, byte for byte

    def to_json(self, username: str) -> list[object]:
        return [username, self.nonce, self.stamp, self.count, self.request]


class NonceCounts:
    """The highest nonce count accepted per extension and nonce. What is not known and was issued
    no later than `floor` may have been used: before this run began, or before it was forgotten."""

    def __init__(self, floor: float) -> None:
        self._floor = int(floor * 1000)
        self._uses: dict[str, list[NonceUse]] = {}
        self._floors: dict[str, int] = {}
        self._to_sweep: list[str] = []

    def judge(self, username: str, nonce: str, stamp: int, count: int, request: str) -> Count:
        """Changes nothing; accept() is for afterwards."""
        for use in self._uses.get(username, ()):
            if use.nonce == nonce:
                if count > use.count:
                    return Count.NEW
                same = count == use.count and request == use.request
                return Count.RETRANSMISSION if same else Count.REPLAY
        if stamp <= max(self._floor, self._floors.get(username, 0)):
            return Count.UNKNOWN
        return Count.NEW

    def accept(self, username: str, use: NonceUse) -> None:
        uses = [known for known in self._uses.get(username, ()) if known.nonce != use.nonce]
        uses.append(use)
        while len(uses) > REMEMBERED:
            oldest = min(uses, key=lambda known: known.stamp)
            uses.remove(oldest)
            self._floors[username] = max(self._floors.get(username, 0), oldest.stamp)
        self._uses[username] = uses

    def expire(self, oldest_fresh: int, most: int) -> None:
        """Forgets nonces with stamps below that; looks at `most` extensions, and at the others in
        later calls."""
        if not self._to_sweep:
            self._to_sweep = list(self._uses)
        for _ in range(min(most, len(self._to_sweep))):
            username = self._to_sweep.pop()
            kept = [use for use in self._uses.get(username, ()) if use.stamp >= oldest_fresh]
            if kept:
                self._uses[username] = kept
            else:
                self._uses.pop(username, None)
                self._floors.pop(username, None)

    def count(self) -> int:
        return sum(map(len, self._uses.values()))

    def records(self) -> list[list[object]]:
        """Everything, for the journal's next base."""
        return [use.to_json(username) for username, uses in self._uses.items() for use in uses]
