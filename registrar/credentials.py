"""The credentials in force: the newest snapshot that was accepted, and what it must not lose."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from registrar.credential import Credential
from registrar.snapshot import Snapshot, SnapshotOlder


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a newer snapshot changed: `ended` were disabled or deleted by the administrator,
    `lost` were there before and are gone without a tombstone, which is a fault."""

    ended: tuple[Credential, ...]
    lost: tuple[Credential, ...]


class CredentialStore:
    """Swapped whole, by one attribute; look-ups never see half of a snapshot."""

    def __init__(self, highest: int = 0) -> None:
        """`highest` is the highest serial that an earlier run accepted."""
        self.snapshot: Snapshot | None = None
        self.highest = highest
        self.count = 0  # extensions, tombstones not counted
        self._lost: dict[tuple[str, str], Credential] = {}
        self._marked: list[str] = []

    @property
    def serial(self) -> int:
        return self.snapshot.serial if self.snapshot else 0

    def lookup(self, realm: str, username: str) -> Credential | None:
        """The record in force; None for an extension that does not exist, or was deleted."""
        assert self.snapshot is not None
        credential = self.snapshot.credentials.get((realm, username))
        return None if credential is None or credential.deleted is not None else credential

    def is_lost(self, realm: str, username: str) -> bool:
        """Whether it was known and then vanished through a fault, not by a deletion."""
        return (realm, username) in self._lost

    def lost(self) -> list[str]:
        return [username for _, username in self._lost]

    def faults(self) -> list[str]:
        """The alarms: records that webadmin marked, and records that vanished."""
        return self._marked + [f"{name}: vanished from the snapshot" for name in self.lost()]

    def replace(self, snapshot: Snapshot) -> Replacement:
        """Puts a newer snapshot in force. SnapshotOlder names both serials and changes nothing."""
        if snapshot.serial < self.highest:
            raise SnapshotOlder(
                f"serial {snapshot.serial} is older than {self.highest}, which was in force:"
                f" an old file came back; publish again, or restart with the newest file"
            )
        if snapshot is self.snapshot:
            return Replacement((), ())
        before: Mapping[tuple[str, str], Credential] = {}
        if self.snapshot is not None:
            before = self.snapshot.credentials
        after = snapshot.credentials
        lost = [old for key, old in before.items() if key not in after and old.deleted is None]
        self._lost = {key: old for key, old in self._lost.items() if key not in after}
        self._lost.update((old.key, old) for old in lost)
        self.snapshot = snapshot
        self.highest = snapshot.serial
        self.count = snapshot.count()
        self._marked = [f"{one.username}: {one.fault}" for one in after.values() if one.fault]
        return Replacement(tuple(_ended(before, after.values())), tuple(lost))


def _ended(
    before: Mapping[tuple[str, str], Credential], after: Iterable[Credential]
) -> Iterator[Credential]:
    """Those that may not register any more, and might before."""
    for credential in after:
        if credential.deleted is not None or not credential.enabled:
            old = before.get(credential.key)
            if old is None or (old.deleted is None and old.enabled):
                yield credential
