"""The location service (RFC 3261 §10.3): who is bound where, and the rules of registering.

Every change is handed to `record` as it is made, so that a journal can keep it. Calls never yield
and are atomic: a request is either applied whole or refused whole. Time is an argument.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from registrar.location.binding import Binding
from registrar.sip.errors import ParseError, SipError
from registrar.sip.uri import parse_uri


class RegistrationError(SipError):
    """The registration is refused, and nothing of it was done."""


class Result(Enum):
    """What register() did; the values are what Kamailio's save() returns."""

    INSERTED = 1
    UPDATED = 2
    REMOVED = 3
    QUERIED = 4


@dataclass(frozen=True, slots=True)
class ContactUpdate:
    """One Contact of a REGISTER. `expires` in seconds, already within limits; 0 removes."""

    uri: str
    parameters: str
    q: float | None
    expires: int
    instance: str
    methods: str


@dataclass(frozen=True, slots=True)
class Registration:
    """A REGISTER as the location service sees it. `contacts` None is `Contact: *`, () a query."""

    aor: str
    contacts: tuple[ContactUpdate, ...] | None
    call_id: str
    cseq: int
    user_agent: str
    received: str
    socket: str
    path: str = ""


def same_contact(left: str, right: str) -> bool:
    """§10.3 step 7: compared by the rules of the URI's scheme; other schemes as strings."""
    if left == right:
        return True
    try:
        return parse_uri(left).matches(parse_uri(right))
    except ParseError:
        return False


class LocationStore:
    """Bindings by AOR. `record` receives ("put", {...}) and ("del", ruid) as changes happen."""

    def __init__(self, record: Callable[[str, Any], None]) -> None:
        self._record = record
        self._bindings: dict[str, tuple[Binding, ...]] = {}
        self._to_sweep: list[str] = []

    def lookup(self, aor: str, now: float) -> tuple[Binding, ...]:
        """What is bound and not expired, in the order in which it was first registered."""
        bindings = self._bindings.get(aor, ())
        return tuple(binding for binding in bindings if not binding.is_expired(now))

    def aors(self) -> Iterator[str]:
        return iter(list(self._bindings))

    def count(self) -> int:
        return sum(map(len, self._bindings.values()))

    def register(
        self,
        registration: Registration,
        now: float,
        max_contacts: int = 0,
        *,
        replaces: bool = False,
    ) -> Result:
        """§10.3 steps 6 to 8. RegistrationError leaves everything as it was. Above `max_contacts`
        (0: none is) it is refused, or `replaces` the bindings that were refreshed longest ago."""
        bound = self.lookup(registration.aor, now)
        if registration.contacts is None:
            changes = self._remove_all(registration, bound)
        else:
            changes = self._plan(registration, bound, now)
        if not changes:
            return Result.QUERIED
        after = self._after(bound, changes)
        if max_contacts and len(after) > max(max_contacts, len(bound)):
            if not replaces:
                raise RegistrationError(503, "Too many registered contacts")
            ghosts = sorted(after, key=lambda one: one.modified)[: len(after) - max_contacts]
            changes = [(old, None if new in ghosts else new) for old, new in changes]
            changes += [(ghost, None) for ghost in ghosts if ghost in bound]
            after = tuple(one for one in after if one not in ghosts)
        self._apply(registration.aor, after, changes)
        if any(old is None for old, new in changes if new):
            return Result.INSERTED
        return Result.UPDATED if any(new for _, new in changes) else Result.REMOVED

    def _plan(
        self, registration: Registration, bound: tuple[Binding, ...], now: float
    ) -> "list[_Change]":
        """What each contact changes: (old or None, new or None)."""
        assert registration.contacts is not None
        changes: list[_Change] = []
        for contact in registration.contacts:
            old = next((one for one in bound if same_contact(one.contact, contact.uri)), None)
            if old is not None:
                if any(old is taken for taken, _ in changes):
                    continue  # the same contact twice in one request: the first counts
                if not _is_newer(registration, old):
                    continue
            new = self._bind(registration, contact, old, now) if contact.expires else None
            if old is None and new is None:
                continue  # the removal of what is not bound is no error
            repeated = new is not None and any(
                taken is None and other is not None and same_contact(other.contact, new.contact)
                for taken, other in changes
            )
            if not repeated:
                changes.append((old, new))
        return changes

    def _remove_all(
        self, registration: Registration, bound: tuple[Binding, ...]
    ) -> "list[_Change]":
        """`Contact: *`: §10.3 step 6 demands the same order as for single contacts."""
        return [(old, None) for old in bound if _is_newer(registration, old)]

    def _bind(
        self, registration: Registration, contact: ContactUpdate, old: Binding | None, now: float
    ) -> Binding:
        return Binding(
            aor=registration.aor,
            contact=contact.uri,
            parameters=contact.parameters,
            q=contact.q,
            expires_at=now + contact.expires,
            call_id=registration.call_id,
            cseq=registration.cseq,
            user_agent=registration.user_agent,
            received=registration.received,
            socket=registration.socket,
            path=registration.path,
            methods=contact.methods,
            instance=contact.instance,
            ruid=old.ruid if old else secrets.token_hex(8),
            registered=old.registered if old else now,
            modified=now,
        )

    def _after(self, bound: tuple[Binding, ...], changes: "list[_Change]") -> tuple[Binding, ...]:
        news = {old.ruid: new for old, new in changes if old is not None}
        kept = [news.get(binding.ruid, binding) for binding in bound]
        added = [new for old, new in changes if old is None]
        return tuple(binding for binding in kept + added if binding is not None)

    def _apply(self, aor: str, after: tuple[Binding, ...], changes: "list[_Change]") -> None:
        for old, new in changes:
            if new is not None:
                self._record("put", new.to_json())
            elif old is not None:
                self._record("del", old.ruid)
        if after:
            self._bindings[aor] = after
        else:
            self._bindings.pop(aor, None)

    def remove(self, aor: str, contact: str | None = None) -> tuple[Binding, ...]:
        """Unbinds all of an AOR, or one contact; returns what was removed."""
        bound = self._bindings.get(aor, ())
        gone = tuple(
            binding
            for binding in bound
            if contact is None or same_contact(binding.contact, contact)
        )
        changes: list[_Change] = [(binding, None) for binding in gone]
        self._apply(aor, self._after(bound, changes), changes)
        return gone

    def expire(self, now: float, most: int) -> None:
        """Forgets what has expired; looks at `most` AORs, and at the others in later calls. Needs
        no record: the time itself says it, and lookup() never shows it."""
        if not self._to_sweep:
            self._to_sweep = list(self._bindings)
        for _ in range(min(most, len(self._to_sweep))):
            aor = self._to_sweep.pop()
            if kept := self.lookup(aor, now):
                self._bindings[aor] = kept
            else:
                self._bindings.pop(aor, None)

    def load(self, bindings: "list[Binding]") -> None:
        """Takes over what a journal kept."""
        self._bindings.clear()
        for binding in bindings:
            self._bindings[binding.aor] = (*self._bindings.get(binding.aor, ()), binding)

    def records(self) -> Iterator[Any]:
        """Every binding as a record, for the journal's next base."""
        for aor in self.aors():
            for binding in self._bindings.get(aor, ()):
                yield binding.to_json()


_Change = tuple[Binding | None, Binding | None]


def _is_newer(registration: Registration, old: Binding) -> bool:
    """§10.3 step 7: with the same Call-ID only a higher CSeq may change a binding. False for the
    request that made the binding, which changes nothing; RegistrationError for an older one."""
    if registration.call_id != old.call_id or registration.cseq > old.cseq:
        return True
    if registration.cseq == old.cseq:
        return False
    raise RegistrationError(500, "Out of order request")
