"""Which credentials are in force."""

import pytest

from registrar.credential import Credential
from registrar.credentials import CredentialStore
from registrar.secret import Secret
from registrar.snapshot import Snapshot, SnapshotOlder

SECRET = Secret.derive("x", "office", "secret")


def one(username: str, **values: object) -> Credential:
    return Credential(username, "office", SECRET, **values)  # type: ignore[arg-type]


def snapshot(serial: int, *credentials: Credential) -> Snapshot:
    return Snapshot(serial, 1.0, 1, {credential.key: credential for credential in credentials})


def test_lookup_by_realm_and_username() -> None:
    store = CredentialStore()
    store.replace(snapshot(1, one("1002"), one("1003", deleted=5.0)))
    assert store.lookup("office", "1002") == one("1002")
    assert store.lookup("elsewhere", "1002") is None
    assert store.lookup("office", "1003") is None
    assert store.serial == 1


def test_older_serial_is_refused_and_both_are_named() -> None:
    store = CredentialStore()
    store.replace(snapshot(7, one("1002")))
    with pytest.raises(SnapshotOlder, match="serial 6 is older than 7"):
        store.replace(snapshot(6))
    assert store.lookup("office", "1002") is not None
    store.replace(snapshot(7, one("1002")))


def test_ended_are_those_disabled_or_deleted_now() -> None:
    store = CredentialStore()
    first = snapshot(1, one("1001"), one("1002"), one("1003", enabled=False))
    assert [ended.username for ended in store.replace(first).ended] == ["1003"]
    second = snapshot(
        2, one("1001", deleted=1.0), one("1002", enabled=False), one("1003", enabled=False)
    )
    assert [ended.username for ended in store.replace(second).ended] == ["1001", "1002"]


def test_vanished_is_lost_until_it_is_back_but_a_deletion_is_not() -> None:
    store = CredentialStore()
    store.replace(snapshot(1, one("1002"), one("1003", deleted=1.0)))
    replacement = store.replace(snapshot(2))
    assert [lost.username for lost in replacement.lost] == ["1002"]
    assert store.lost("office", "1002") == one("1002")
    assert store.lost("office", "1003") is None
    assert store.has_lost
    assert store.faults() == ["1002: vanished from the snapshot"]
    store.replace(snapshot(3, one("1002", fault="kept")))
    assert not store.has_lost
    assert store.faults() == ["1002: kept"]


def test_changed_keys_are_enough() -> None:
    """What comes of a change frame is what comes of comparing everything."""
    first = snapshot(1, one("1001"), one("1002"), one("1003"), one("1004", deleted=1.0))
    second = snapshot(
        2, one("1001", enabled=False), one("1002", deleted=1.0), one("1005", fault="kept")
    )
    stores = CredentialStore(), CredentialStore()
    changed = [("office", name) for name in ("1001", "1002", "1003", "1004", "1005")]
    replacements = []
    for store, keys in zip(stores, (None, changed), strict=True):
        store.replace(first)
        replacements.append(store.replace(second, keys))
    for store, replacement in zip(stores, replacements, strict=True):
        assert {ended.username for ended in replacement.ended} == {"1001", "1002"}
        assert [lost.username for lost in replacement.lost] == ["1003"]
        assert store.count == 2 == second.count()
        assert store.faults() == ["1005: kept", "1003: vanished from the snapshot"]
