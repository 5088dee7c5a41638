"""The snapshot equals the last commit, whatever was lost, restored or locked away."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import MetaData, insert, select, text, update

from registrar.snapshot import Credential, Secret, Snapshot, SnapshotFile, key_id, read_keys
from tests.webadmin.conftest import PASSWORD, REALM, Site, new_key
from tests.webadmin.registrar_stub import RegistrarStub
from webadmin.db import db
from webadmin.merging import MISSING, OLDER
from webadmin.models import Extension, PublishState
from webadmin.publisher import Publisher, PublishError, watch

Dump = dict[str, list[dict[str, object]]]


def secret(number: str, password: str = PASSWORD) -> Secret:
    return Secret.derive(number, REALM, password)


def create(site: Site, *numbers: str) -> None:
    with site.app.app_context(), site.change() as change:
        for number in numbers:
            change.create(number, secret(number))


def set_password(site: Site, number: str, password: str) -> None:
    with site.app.app_context(), site.change() as change:
        change.set_password(number, secret(number, password))


def delete(site: Site, number: str) -> None:
    with site.app.app_context(), site.change() as change:
        change.delete(number)


def dump(site: Site) -> Dump:
    """Every row of every table, as mysqldump would take them."""
    with site.app.app_context():
        metadata = MetaData()
        metadata.reflect(db.engine)
        with db.engine.connect() as connection:
            return {
                table.name: [dict(row._mapping) for row in connection.execute(select(table))]
                for table in metadata.sorted_tables
            }


def restore(site: Site, taken: Dump) -> None:
    with site.app.app_context():
        metadata = MetaData()
        metadata.reflect(db.engine)
        with db.engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
                if taken[table.name]:
                    connection.execute(insert(table), taken[table.name])


def state(site: Site) -> tuple[int, int, int]:
    with site.app.app_context():
        row = db.session.get_one(PublishState, 1)
        return row.revision, row.published_revision, row.serial


def publish(site: Site) -> int:
    return site.services.publisher.publish().serial


def another(site: Site, clock: Callable[[], float] = time.time, highest: int = 0) -> Publisher:
    """A second worker's publisher; `highest` is what the registrar has had in force."""
    with site.app.app_context():
        engine = db.engine
    config = site.config
    return Publisher(
        config.snapshot, config.snapshot_keys, site.services.store, engine, lambda: highest, clock
    )


def test_it_publishes_what_was_committed(site: Site) -> None:
    create(site, "1001", "1002")
    assert publish(site) == 1
    record = site.record("1002")
    assert record.current == secret("1002")
    assert (record.enabled, record.language, record.deleted, record.fault) == (True, "en", None, "")
    assert site.file.stat().st_mode & 0o777 == 0o640
    assert state(site) == (1, 1, 1)


def test_it_appends_a_change_and_leaves_the_rest_of_the_file_alone(site: Site) -> None:
    create(site, "1001", "1002")
    publish(site)
    before = site.file.read_bytes()
    set_password(site, "1002", "another password")
    assert publish(site) == 2
    after = site.file.read_bytes()
    assert after.startswith(before)
    assert len(after) - len(before) < 600
    assert site.record("1002").current == secret("1002", "another password")
    assert site.record("1001").current == secret("1001")


def test_it_publishes_nothing_when_nothing_changed(site: Site) -> None:
    create(site, "1001")
    assert publish(site) == 1
    before = site.file.read_bytes()
    assert publish(site) == 1
    assert another(site).publish().serial == 1
    assert site.file.read_bytes() == before
    assert not site.services.publisher.is_behind()


def test_it_writes_a_new_base_when_the_changes_outgrow_it(light: Site) -> None:
    create(light, "1001")
    publish(light)
    inode = light.file.stat().st_ino
    for _ in range(200):
        set_password(light, "1001", PASSWORD)
        publish(light)
    assert light.file.stat().st_size < 2 * (1 << 16) + 1000
    assert light.file.stat().st_ino != inode
    assert light.published().serial == 201


def test_it_publishes_a_deletion_as_a_tombstone_and_forgets_it_after_a_week(site: Site) -> None:
    create(site, "1001", "1002")
    delete(site, "1002")
    publish(site)
    tombstone = site.record("1002")
    assert tombstone.deleted is not None
    assert tombstone.current is None
    in_six_days = another(site, lambda: time.time() + 6 * 86400)
    assert in_six_days.publish().serial == 1
    never_told = another(site, lambda: time.time() + 8 * 86400)
    assert never_told.publish().serial == 1
    assert not never_told.is_behind()
    in_eight_days = another(site, lambda: time.time() + 8 * 86400, highest=1)
    assert in_eight_days.is_behind()
    assert in_eight_days.publish().serial == 2
    assert set(site.published().credentials) == {(REALM, "1001")}
    with site.app.app_context():
        assert db.session.scalars(select(Extension.username)).all() == ["1001"]
    assert not in_eight_days.is_behind()


def test_it_publishes_a_number_that_was_deleted_and_created_again(site: Site) -> None:
    create(site, "1001")
    publish(site)
    delete(site, "1001")
    publish(site)
    create(site, "1001")
    publish(site)
    assert site.record("1001").deleted is None
    assert site.record("1001").current == secret("1001")


def test_it_refuses_a_missing_directory_in_one_sentence(light: Site) -> None:
    light.file.parent.rmdir()
    with pytest.raises(PublishError, match="No such file or directory"):
        publish(light)


@pytest.mark.parametrize("damage", ["missing", "torn", "flipped", "foreign", "exposed"])
def test_it_replaces_a_file_that_cannot_be_used(site: Site, damage: str) -> None:
    create(site, "1001", "1002")
    set_password(site, "1001", "another password")
    publish(site)
    create(site, "1003")
    publish(site)
    data = bytearray(site.file.read_bytes())
    if damage == "missing":
        site.file.unlink()
    elif damage == "torn":
        site.file.write_bytes(data[:-10])
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        site.file.write_bytes(data)
    elif damage == "foreign":
        site.file.write_text("nothing of ours\n")
    else:
        site.file.chmod(0o644)
    assert site.services.publisher.is_behind()
    assert publish(site) == 3
    assert set(site.published().credentials) == {(REALM, f"100{i}") for i in (1, 2, 3)}
    assert site.file.stat().st_mode & 0o777 == 0o640
    aside = site.file.with_name(site.file.name + ".refused")
    if damage in ("flipped", "foreign", "exposed"):
        assert aside.stat().st_mode & 0o777 == 0o600
    assert publish(site) == 3


def test_it_writes_a_base_under_the_new_key_when_the_snapshot_key_was_rotated(light: Site) -> None:
    create(light, "1001")
    publish(light)
    path = light.home / "keys" / "snapshot.key"
    old = path.read_text()
    new_key(path)
    path.write_text(path.read_text() + old)
    rotated = light.start().config["QAYD_SERVICES"].publisher
    assert rotated.is_behind()
    assert rotated.publish().serial == 2
    first_line = light.file.read_bytes().partition(b"\n")[0].decode()
    assert f"key={key_id(read_keys(path)[0])}" in first_line
    assert light.record("1001").fault == ""


def test_it_goes_on_from_the_highest_serial_that_the_registrar_has_seen(
    light: Site, registrar: RegistrarStub
) -> None:
    registrar.highest = 41
    create(light, "1001")
    assert publish(light) == 42
    assert not light.services.publisher.is_behind()
    registrar.highest = 50
    assert light.services.publisher.is_behind()
    assert publish(light) == 51


def test_it_publishes_a_commit_whose_publish_was_lost(site: Site) -> None:
    create(site, "1001")
    stop = threading.Event()
    watching = threading.Thread(
        target=watch, args=(site.services.publisher, site.app.logger, stop.wait)
    )
    watching.start()
    try:
        _eventually(lambda: site.file.exists() and site.published().serial == 1)
        # the worker died between the commit and the publish
        set_password(site, "1001", "another password")
        committed = time.monotonic()
        _eventually(lambda: site.record("1001").current == secret("1001", "another password"))
        assert time.monotonic() - committed < 5
    finally:
        stop.set()
        watching.join()


def test_it_watches_through_an_outage_and_says_so_once(
    light: Site, caplog: pytest.LogCaptureFixture
) -> None:
    create(light, "1001")
    publish(light)
    hidden = light.file.parent.with_name("elsewhere")
    turns = 0

    def wait(_seconds: float) -> bool:
        nonlocal turns
        turns += 1
        if turns == 2:
            light.file.parent.rename(hidden)
        if turns == 6:
            hidden.rename(light.file.parent)
        return turns == 9

    watch(light.services.publisher, light.app.logger, wait)
    messages = [record.getMessage() for record in caplog.records]
    assert len([line for line in messages if "cannot publish" in line]) == 1
    assert len([line for line in messages if "works again" in line]) == 1


def test_it_keeps_the_newest_credentials_when_an_old_dump_is_restored(
    site: Site, registrar: RegistrarStub
) -> None:
    create(site, "edited", "deleted", "untouched", "again")
    publish(site)
    taken = dump(site)
    set_password(site, "edited", "the newest password")
    delete(site, "deleted")
    create(site, "created")
    serial = publish(site)
    revision = state(site)[0]
    restore(site, taken)

    publisher = site.start().config["QAYD_SERVICES"].publisher  # webadmin is started again
    assert publisher.publish().serial == serial + 1
    assert state(site) == (revision, revision, serial + 1)
    assert site.record("edited").current == secret("edited", "the newest password")
    assert site.record("edited").fault == OLDER
    assert site.record("deleted").deleted is not None
    assert site.record("deleted").fault == OLDER
    assert site.record("created").current == secret("created")
    assert site.record("created").fault == MISSING
    assert site.record("untouched").fault == ""
    assert set(publisher.faults()) == {(REALM, n) for n in ("edited", "deleted", "created")}

    # life goes on, and the registrar follows
    create(site, "later")
    set_password(site, "again", "a later password")
    assert publisher.publish().serial == serial + 2
    assert site.record("later").current == secret("later")
    assert site.record("again").current == secret("again", "a later password")
    assert site.record("edited").fault == OLDER
    # what the administrator does now is later than what was restored
    set_password(site, "edited", "the very newest password")
    assert publisher.publish().serial == serial + 3
    assert site.record("edited").current == secret("edited", "the very newest password")
    assert site.record("edited").fault == ""
    found = site.services.registrar.in_force()
    assert (found.serial, found.refused) == (serial + 3, "")


def test_it_notices_a_restored_dump_while_it_runs(site: Site) -> None:
    create(site, "1001")
    publish(site)
    taken = dump(site)
    set_password(site, "1001", "the newest password")
    create(site, "1002")
    publish(site)
    restore(site, taken)
    assert site.services.publisher.is_behind()
    assert publish(site) == 3
    assert site.record("1001").current == secret("1001", "the newest password")
    assert site.record("1002").fault == MISSING


def test_it_never_forgets_a_tombstone_whose_row_a_dump_brought_back(light: Site) -> None:
    create(light, "1001")
    publish(light)
    taken = dump(light)
    delete(light, "1001")
    publish(light)
    restore(light, taken)
    in_a_month = another(light, lambda: time.time() + 30 * 86400)
    in_a_month.publish()
    assert light.record("1001").deleted is not None
    assert light.record("1001").fault == OLDER


def test_it_recovers_into_the_database_what_is_in_force(site: Site) -> None:
    create(site, "edited", "deleted")
    publish(site)
    taken = dump(site)
    set_password(site, "edited", "the newest password")
    with site.app.app_context(), site.change() as change:
        change.set_enabled("edited", False)
    delete(site, "deleted")
    create(site, "created")
    publish(site)
    restore(site, taken)
    publish(site)
    output = site.run("extension", "recover")
    assert "3 extensions recovered" in output
    assert not site.services.publisher.faults()
    assert site.record("edited").current == secret("edited", "the newest password")
    assert not site.record("edited").enabled
    assert "deleted" not in site.run("extension", "list")
    assert "created" in site.run("extension", "list")
    # the database alone is enough again
    site.file.unlink()
    publish(site)
    assert site.record("edited").current == secret("edited", "the newest password")
    assert site.record("created").current == secret("created")


def test_it_keeps_the_last_good_record_of_a_row_that_the_store_key_does_not_open(
    site: Site,
) -> None:
    create(site, "1001", "1002")
    publish(site)
    with site.app.app_context():
        db.session.execute(
            update(Extension).where(Extension.username == "1001").values(sealed_current=b"x" * 192)
        )
        db.session.commit()
    with site.app.app_context(), site.change() as change:
        change.edit("1001", display_name="Aziza", language="uz")
        change.edit("1002", display_name="Botir", language="ru")
    publish(site)
    assert site.record("1001").current == secret("1001")
    assert "cannot be used" in site.record("1001").fault
    assert (site.record("1002").fault, site.record("1002").language) == ("", "ru")
    set_password(site, "1001", "another password")
    publish(site)
    assert site.record("1001").fault == ""
    assert site.record("1001").current == secret("1001", "another password")


def test_it_keeps_every_record_when_the_store_key_is_another_one(light: Site) -> None:
    create(light, "1001", "1002")
    publish(light)
    path = light.home / "keys" / "store.key"
    right = path.read_text()
    new_key(path)
    wrong = light.start().config["QAYD_SERVICES"].publisher
    wrong.publish()
    assert light.record("1001").current == secret("1001")
    assert "store key" in light.record("1001").fault
    light.file.unlink()
    with pytest.raises(PublishError, match="give back the store key"):
        wrong.publish()
    assert not light.file.exists()
    path.write_text(right)
    light.start().config["QAYD_SERVICES"].publisher.publish()
    assert light.record("1001").fault == ""


def test_it_leaves_out_a_new_row_that_cannot_be_read_and_raises_an_alarm(light: Site) -> None:
    create(light, "1001")
    publish(light)
    create(light, "1002")
    with light.app.app_context():
        db.session.execute(
            update(Extension).where(Extension.username == "1002").values(sealed_current=None)
        )
        db.session.commit()
    assert set(light.services.publisher.publish().unpublished) == {(REALM, "1002")}
    assert set(light.published().credentials) == {(REALM, "1001")}
    assert (REALM, "1002") in light.services.publisher.faults()
    set_password(light, "1002", PASSWORD)
    publish(light)
    assert light.services.publisher.faults() == {}


def test_it_publishes_right_when_two_publishers_do_it_at_once(site: Site) -> None:
    create(site, "0")
    publishers = [site.services.publisher, another(site), another(site)]

    def work(publisher: Publisher, name: str) -> None:
        for index in range(15):
            with site.app.app_context(), site.change() as change:
                change.create(f"{name}{index}", secret(f"{name}{index}"))
            publisher.publish()

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(work, *pair) for pair in zip(publishers, "abc", strict=True)]:
            done.result()
    names = {username for _, username in site.published().credentials}
    assert names == {"0"} | {f"{name}{index}" for name in "abc" for index in range(15)}
    revision, published_revision, serial = state(site)
    assert revision == published_revision == 46
    assert serial == site.published().serial


def test_it_says_which_lock_is_held(light: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    create(light, "1001")
    monkeypatch.setattr("webadmin.publisher.LOCK_SECONDS", 0.05)
    with another(light)._locked(), pytest.raises(PublishError, match="holds the lock"):
        publish(light)


def test_it_holds_no_lock_when_the_database_is_away(light: Site) -> None:
    publisher = light.services.publisher
    with light.app.app_context():
        db.session.execute(text("ALTER TABLE publish_state RENAME TO away"))
        db.session.commit()
        with pytest.raises(PublishError, match="the database does not answer"):
            publisher.publish()
        db.session.execute(text("ALTER TABLE away RENAME TO publish_state"))
        db.session.commit()
    create(light, "1001")
    assert publisher.publish().serial == 1


def test_it_moves_past_a_snapshot_file_that_an_old_backup_brought_back(
    light: Site, registrar: RegistrarStub
) -> None:
    create(light, "1001")
    publish(light)
    old = light.file.read_bytes()
    for _ in range(3):
        set_password(light, "1001", "the newest password")
        publish(light)
    light.services.registrar.in_force()
    os.replace(_written(light, old), light.file)
    assert light.services.publisher.is_behind()
    assert publish(light) == 5
    assert light.record("1001").current == secret("1001", "the newest password")
    assert light.services.registrar.in_force().serial == 5


def test_it_keeps_what_a_foreign_tool_published(light: Site) -> None:
    """A record of another realm is not ours to drop."""
    create(light, "1001")
    publish(light)
    reader = SnapshotFile(light.file, light.config.snapshot_keys)
    taken = reader.read().snapshot
    other = Secret.derive("9", "other", PASSWORD)
    credentials = dict(taken.credentials)
    credentials["other", "9"] = Credential("9", "other", other, changed=1.0)
    reader.write_base(Snapshot(taken.serial + 1, taken.published, taken.revision, credentials))
    publish(light)
    assert light.published().credentials["other", "9"].current == other


def _written(site: Site, data: bytes) -> str:
    path = site.home / "old"
    path.write_bytes(data)
    path.chmod(0o640)
    return str(path)


def _eventually(claim: Callable[[], bool], seconds: float = 10.0) -> None:
    patience = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < patience
        time.sleep(0.02)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_it_leaves_nothing_of_roots_in_somebody_elses_directory(light: Site) -> None:
    create(light, "1001")
    os.chown(light.file.parent, 65534, -1)
    with pytest.raises(PublishError, match="sudo -u '#65534'"):
        publish(light)
    assert list(light.file.parent.iterdir()) == []
