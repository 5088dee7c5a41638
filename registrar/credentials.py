"""The credentials in force: the newest snapshot that was accepted, and what it must not lose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from registrar.credential import Credential
from registrar.snapshot import Snapshot, SnapshotOlder

Key = tuple[str, str]
NOTHING: Final[Mapping[Key, Credential]] = {}


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a newer snapshot changed: `ended` were disabled or deleted by the administrator,
    `lost` were there before and are gone without a tombstone, which is a fault."""

    ended: tuple[Credential, ...]
    lost: tuple[Credential, ...]


class CredentialStore:
    """Swapped whole, by one attribute; look-ups never see half of a snapshot."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.highest = 0  # serial ever in force
        self.count = 0  # extensions, tombstones not counted
        self._lost: dict[Key, Credential] = {}
        self._marked: dict[Key, str] = {}

    @property
    def serial(self) -> int:
        return self.snapshot.serial if self.snapshot else 0

    def lookup(self, realm: str, username: str) -> Credential | None:
        """The record in force; None for an extension that does not exist, or was deleted."""
        assert self.snapshot is not None
        credential = self.snapshot.credentials.get((realm, username))
        return None if credential is None or credential.deleted is not None else credential

    def lost(self, realm: str, username: str) -> Credential | None:
        """The record of an extension that was known and then vanished, through a fault and not
        by a deletion."""
        return self._lost.get((realm, username))

    @property
    def has_lost(self) -> bool:
        return bool(self._lost)

    def faults(self) -> list[str]:
        """The alarms: records that webadmin marked, and records that vanished."""
        marked = [f"{username}: {fault}" for (_, username), fault in self._marked.items()]
        return marked + [f"{username}: vanished from the snapshot" for _, username in self._lost]

    def replace(self, snapshot: Snapshot, changed: Iterable[Key] | None = None) -> Replacement:
        """Puts a newer snapshot in force; `changed` are the keys that may differ, None: all may.
        SnapshotOlder names both serials and changes nothing."""
        if snapshot.serial < self.highest:
            raise SnapshotOlder(
                f"serial {snapshot.serial} is older than {self.highest}, which was in force:"
                f" an old file came back; publish again, or restart with the newest file"
            )
        before = self.snapshot.credentials if self.snapshot else NOTHING
        after = snapshot.credentials
        ended, lost = [], []
        for key in dict.fromkeys((*before, *after)) if changed is None else changed:
            old, new = before.get(key), after.get(key)
            self.count += _lives(new) - _lives(old)
            self._marked.pop(key, None)
            if new is None:
                if old is not None and old.deleted is None:
                    self._lost[key] = old
                    lost.append(old)
                continue
            self._lost.pop(key, None)
            if new.fault:
                self._marked[key] = new.fault
            if not _may_register(new) and (old is None or _may_register(old)):
                ended.append(new)
        self.snapshot = snapshot
        self.highest = snapshot.serial
        return Replacement(tuple(ended), tuple(lost))


def _lives(credential: Credential | None) -> bool:
    return credential is not None and credential.deleted is None


def _may_register(credential: Credential) -> bool:
    return credential.deleted is None and credential.enabled
