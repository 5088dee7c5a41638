"""The tables, and the secrets in them."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text

from registrar.snapshot import Secret, new_key_line
from tests.webadmin.conftest import PASSWORD, REALM, Site
from webadmin.db import Base, db
from webadmin.models import Extension
from webadmin.sealing import SealError, Store

SECRET = Secret.derive("1001", REALM, PASSWORD)


def key() -> bytes:
    return new_key_line()[:32].encode()


def test_its_migrations_make_the_tables_of_the_models(site: Site) -> None:
    with site.app.app_context():
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
        downgrade(revision="base")
        assert inspect(db.engine).get_table_names() == ["alembic_version"]
        upgrade()
        assert db.session.scalar(text("SELECT revision FROM publish_state")) == 0


@pytest.mark.parts
def test_it_uses_innodb_and_four_byte_letters(mariadb_url: str, light: Site) -> None:
    light.database_url = mariadb_url
    light.app = light.start()
    with light.app.app_context():
        upgrade()
        rows = db.session.execute(
            text(
                "SELECT engine, table_collation FROM information_schema.tables"
                " WHERE table_schema = database() AND table_name IN ('admin', 'extension')"
            )
        ).all()
        assert len(rows) == 2
        for engine, collation in rows:
            assert engine == "InnoDB"
            assert collation.startswith("utf8mb4")
        with light.change() as change:
            change.create("1001", SECRET, display_name="Гулноза 😀 O‘g‘li")
        found = db.session.scalars(db.select(Extension)).one()
        assert found.display_name == "Гулноза 😀 O‘g‘li"


def test_it_gives_every_change_its_number_and_a_later_time(site: Site) -> None:
    with site.app.app_context():
        seen = []
        for _ in range(3):
            with site.change() as change:
                extension = (
                    change.edit("1001", display_name="x", language="en")
                    if seen
                    else change.create("1001", SECRET)
                )
                extension.changed += 1e6 * (not seen)  # from a machine whose clock is ahead
                seen.append((extension.revision, extension.changed))
        assert [revision for revision, _ in seen] == [1, 2, 3]
        assert seen[0][1] < seen[1][1] < seen[2][1]


def test_it_rolls_a_failed_change_back(site: Site) -> None:
    class Stop(Exception):
        pass

    with site.app.app_context():

        def fail() -> None:
            with site.change() as change:
                change.create("1001", SECRET)
                raise Stop

        with pytest.raises(Stop):
            fail()
        with site.change() as change:
            assert change.revision == 1


def test_it_opens_a_secret_in_its_own_place_only() -> None:
    store = Store((key(),))
    sealed = store.seal(SECRET, "1001", REALM, "current")
    assert store.open(sealed, "1001", REALM, "current") == SECRET
    assert store.seal(SECRET, "1001", REALM, "current") != sealed
    assert SECRET.packed[:16] not in sealed
    for place in (("1002", REALM, "current"), ("1001", "other", "current")):
        with pytest.raises(SealError, match="moved from another row"):
            store.open(sealed, *place)
    with pytest.raises(SealError, match="moved from another row"):
        store.open(sealed, "1001", REALM, "previous")
    for at in range(4, len(sealed)):
        flipped = bytearray(sealed)
        flipped[at] ^= 1
        with pytest.raises(SealError):
            store.open(bytes(flipped), "1001", REALM, "current")
    for size in range(len(sealed)):
        with pytest.raises(SealError):
            store.open(sealed[:size], "1001", REALM, "current")


def test_it_opens_with_every_key_and_seals_with_the_first() -> None:
    old, new = key(), key()
    sealed = Store((old,)).seal(SECRET, "1001", REALM, "current")
    both = Store((new, old))
    assert both.open(sealed, "1001", REALM, "current") == SECRET
    assert not both.seals_with(sealed)
    with pytest.raises(SealError, match="which is not given"):
        Store((new,)).open(sealed, "1001", REALM, "current")


def test_it_keeps_the_previous_secret_for_as_long_as_it_is_told(light: Site) -> None:
    store = Store((key(),))
    extension = Extension(username="1001", realm=REALM, changed=1.0, language="en", enabled=True)
    extension.set_password(store, PASSWORD, now=100.0)
    extension.set_password(store, "another password", now=200.0, grace=50.0)
    credential = extension.credential(store)
    assert credential.current == Secret.derive("1001", REALM, "another password")
    assert credential.previous == SECRET
    assert credential.previous_until == 250.0
    extension.set_password(store, PASSWORD, now=300.0)
    assert extension.credential(store).previous is None
