"""One clear sentence for everything that keeps webadmin from starting."""

import re

import pytest

from tests.webadmin.conftest import REALM, Site
from webadmin.config import ConfigError, from_environment


def test_it_finds_everything_in_its_home(light: Site) -> None:
    config = from_environment({"QAYD_HOME": str(light.home)})
    assert config.database_url == f"sqlite:///{light.home}/webadmin.db"
    assert config.snapshot == light.home / "published" / "credentials.snapshot"
    assert config.registrar_socket == light.home / "registrar.sock"
    assert config.realm == REALM
    for secret in (*config.store_keys, *config.snapshot_keys, *config.session_keys):
        assert repr(secret) not in repr(config)


def test_it_reads_the_address_of_the_database_from_a_file(light: Site) -> None:
    file = light.home / "url"
    file.write_text("mysql+pymysql://user:password@host/db\n")
    file.chmod(0o600)
    environment = {"QAYD_HOME": str(light.home), "QAYD_DATABASE_URL_FILE": str(file)}
    config = from_environment(environment)
    assert config.database_url == "mysql+pymysql://user:password@host/db"
    assert "password" not in repr(config)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="every user of this machine"):
        from_environment(environment)
    with pytest.raises(ConfigError, match="both set"):
        from_environment({**environment, "QAYD_DATABASE_URL": "sqlite://"})


@pytest.mark.parametrize("name", ["store", "snapshot", "session"])
def test_it_refuses_a_missing_or_exposed_key(light: Site, name: str) -> None:
    key = light.home / "keys" / f"{name}.key"
    key.chmod(0o604)
    with pytest.raises(ConfigError, match=re.escape(str(key)) + ".*chmod o-rwx"):
        from_environment(light.environment())
    key.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        from_environment(light.environment())


def test_it_chooses_the_realm_once(light: Site) -> None:
    environment = light.environment()
    assert from_environment({**environment, "QAYD_REALM": REALM}).realm == REALM
    with pytest.raises(ConfigError, match="every password would need a reset"):
        from_environment({**environment, "QAYD_REALM": "other"})
    (light.home / "realm").unlink()
    with pytest.raises(ConfigError, match="no realm was chosen"):
        from_environment(environment)
    assert from_environment({**environment, "QAYD_REALM": "other"}).realm == "other"


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a$b", "a\nb", "x" * 256, "  "])
def test_it_refuses_what_is_no_realm(light: Site, realm: str) -> None:
    (light.home / "realm").write_text(realm)
    with pytest.raises(ConfigError):
        from_environment(light.environment())


def test_it_refuses_a_number_that_is_none(light: Site) -> None:
    with pytest.raises(ConfigError, match="QAYD_PROXIES is 'many'"):
        from_environment({**light.environment(), "QAYD_PROXIES": "many"})
