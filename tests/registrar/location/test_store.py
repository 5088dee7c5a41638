"""RFC 3261 §10.3, steps 6 to 8."""

from typing import Any

import pytest

from registrar.location.store import (
    ContactUpdate,
    LocationStore,
    Registration,
    RegistrationError,
    Result,
)

NOW = 1000.0


@pytest.fixture
def records() -> list[tuple[str, Any]]:
    return []


@pytest.fixture
def store(records: list[tuple[str, Any]]) -> LocationStore:
    return LocationStore(lambda kind, value: records.append((kind, value)))


def contact(uri: str, expires: int = 300, parameters: str = "") -> ContactUpdate:
    return ContactUpdate(uri, parameters, None, expires, "", "")


def registration(
    *contacts: ContactUpdate, call_id: str = "c1", cseq: int = 1, aor: str = "1002"
) -> Registration:
    return Registration(
        aor, contacts, call_id, cseq, "MicroSIP", "sip:192.0.2.9:5060", "udp:0.0.0.0:5060"
    )


def star(call_id: str = "c1", cseq: int = 9) -> Registration:
    return Registration("1002", None, call_id, cseq, "", "", "")


A, B = "sip:1002@10.0.0.1:5060;ob", "sip:1002@10.0.0.2:5060"


def bound(store: LocationStore, now: float = NOW) -> list[str]:
    return [binding.contact for binding in store.lookup("1002", now)]


def test_add_refresh_remove_query(store: LocationStore) -> None:
    assert store.register(registration(contact(A)), NOW) is Result.INSERTED
    first = store.lookup("1002", NOW)[0]
    assert store.register(registration(contact(A, 600), cseq=2), NOW + 10) is Result.UPDATED
    again = store.lookup("1002", NOW + 10)[0]
    assert (again.registered, again.modified, again.expires_at) == (NOW, NOW + 10, NOW + 610)
    assert again.ruid == first.ruid
    assert store.register(registration(cseq=3), NOW + 11) is Result.QUERIED
    assert store.register(registration(contact(A, 0), cseq=4), NOW + 12) is Result.REMOVED
    assert bound(store) == []
    assert store.register(registration(contact(A, 0), cseq=5), NOW + 13) is Result.QUERIED


def test_the_same_uri_written_otherwise_is_the_same_binding(store: LocationStore) -> None:
    store.register(registration(contact("sip:1002@Phone.Example:5060;ob")), NOW)
    store.register(registration(contact("sip:%31002@phone.example:5060"), cseq=2), NOW)
    assert bound(store) == ["sip:%31002@phone.example:5060"]


def test_several_contacts_at_once(store: LocationStore) -> None:
    store.register(registration(contact(A), contact(B)), NOW)
    assert bound(store) == [A, B]
    store.register(registration(contact(A, 0), contact("sip:c@d"), cseq=2), NOW)
    assert bound(store) == [B, "sip:c@d"]


def test_a_refused_request_changes_nothing(store: LocationStore, records: list[Any]) -> None:
    store.register(registration(contact(A), cseq=5), NOW)
    del records[:]
    with pytest.raises(RegistrationError) as refusal:
        store.register(registration(contact(B), contact(A, 0), cseq=4), NOW)
    assert refusal.value.status == 500
    assert bound(store) == [A]
    assert records == []


def test_order_counts_within_a_call_id_only(store: LocationStore) -> None:
    store.register(registration(contact(A), cseq=5), NOW)
    assert store.register(registration(contact(A, 60), cseq=5), NOW) is Result.QUERIED
    assert store.lookup("1002", NOW)[0].expires_at == NOW + 300
    restarted = registration(contact(A, 60), call_id="c2", cseq=1)
    assert store.register(restarted, NOW) is Result.UPDATED


def test_star_removes_all(store: LocationStore, records: list[Any]) -> None:
    store.register(registration(contact(A), contact(B)), NOW)
    del records[:]
    assert store.register(star(), NOW) is Result.REMOVED
    assert bound(store) == []
    assert [kind for kind, _ in records] == ["del", "del"]


def test_star_out_of_order_removes_nothing(store: LocationStore) -> None:
    store.register(registration(contact(A), cseq=10), NOW)
    with pytest.raises(RegistrationError):
        store.register(star(cseq=9), NOW)
    assert bound(store) == [A]


def test_expired_bindings_are_gone_at_once(store: LocationStore) -> None:
    store.register(registration(contact(A, 60)), NOW)
    assert bound(store, NOW + 59.9) == [A]
    assert bound(store, NOW + 60) == []
    late = registration(contact(A, 60), call_id="c2")
    assert store.register(late, NOW + 61) is Result.INSERTED
    assert store.lookup("1002", NOW + 61)[0].registered == NOW + 61
    store.expire(NOW + 200, most=1)
    assert store.count() == 0


def test_too_many_contacts(store: LocationStore) -> None:
    store.register(registration(contact(A)), NOW, max_contacts=1)
    with pytest.raises(RegistrationError) as refusal:
        store.register(registration(contact(B), cseq=2), NOW, max_contacts=1)
    assert refusal.value.status == 503
    swap = registration(contact(A, 0), contact(B), cseq=3)
    assert store.register(swap, NOW, max_contacts=1) is Result.INSERTED
    assert bound(store) == [B]


def test_a_contact_too_many_takes_the_oldest_ones_place(
    store: LocationStore, records: list[tuple[str, Any]]
) -> None:
    for second, uri in enumerate(("sip:a@b", "sip:c@d")):
        store.register(registration(contact(uri), cseq=second + 1), NOW + second)
    store.register(registration(contact("sip:a@b"), cseq=3), NOW + 2)
    del records[:]
    new = registration(contact("sip:e@f"), cseq=4)
    assert store.register(new, NOW + 3, max_contacts=2, replaces=True) is Result.INSERTED
    assert bound(store, NOW + 3) == ["sip:a@b", "sip:e@f"]
    assert [kind for kind, _ in records] == ["put", "del"]


def test_more_new_contacts_than_there_is_place_for(
    store: LocationStore, records: list[tuple[str, Any]]
) -> None:
    """What the journal keeps is what is bound."""
    store.register(registration(contact("sip:a@b")), NOW)
    many = registration(*(contact(f"sip:c{number}@d") for number in range(4)), cseq=2)
    store.register(many, NOW + 1, max_contacts=2, replaces=True)
    kept = {value["ruid"]: value["contact"] for kind, value in records if kind == "put"}
    for kind, value in records:
        if kind == "del":
            del kept[value]
    assert sorted(kept.values()) == sorted(bound(store, NOW + 1))
    assert len(kept) == 2


def test_expiry_goes_round_in_slices(store: LocationStore) -> None:
    for number in range(5):
        store.register(registration(contact(A, 60), aor=str(number)), NOW)
    counts = []
    for _ in range(3):
        store.expire(NOW + 100, most=2)
        counts.append(store.count())
    assert counts == [3, 1, 0]


def test_the_same_new_contact_twice_binds_once(store: LocationStore) -> None:
    store.register(registration(contact("sip:a@b"), contact("sip:a@B")), NOW)
    assert len(bound(store)) == 1


def test_remove_by_hand(store: LocationStore, records: list[Any]) -> None:
    store.register(registration(contact(A), contact(B)), NOW)
    del records[:]
    assert [one.contact for one in store.remove("1002", "sip:1002@10.0.0.1:5060")] == [A]
    assert bound(store) == [B]
    assert len(store.remove("1002")) == 1
    assert store.remove("1002") == ()
    assert [kind for kind, _ in records] == ["del", "del"]


def test_what_is_loaded_is_what_was_recorded(
    store: LocationStore, records: list[tuple[str, Any]]
) -> None:
    store.register(registration(contact(A, parameters=';+x="a;b"'), contact(B)), NOW)
    again = LocationStore(lambda _kind, _value: None)
    again.load(list(store.lookup("1002", NOW)))
    assert again.lookup("1002", NOW) == store.lookup("1002", NOW)
    assert list(again.records()) == [value for _, value in records]
