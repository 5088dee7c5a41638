"""Writing faulty published records back into the database: the way out after an old dump was
restored. The snapshot holds the HA1s; they are sealed anew with the store key."""

from registrar.snapshot import Snapshot
from webadmin.directory import Change

Key = tuple[str, str]


def recover_one(change: Change, published: Snapshot, key: Key) -> bool:
    """Whether there was something to recover for this extension."""
    record = published.credentials.get(key)
    if record is None or not record.fault:
        return False
    change.take(record)
    return True


def recover_all(change: Change, published: Snapshot) -> list[Key]:
    """Recovers every extension whose published record is marked; says which."""
    return [key for key in sorted(published.credentials) if recover_one(change, published, key)]
