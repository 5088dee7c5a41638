"""An old dump of the database comes back under a live registrar: no phone loses its password, and
publishing goes on."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.parts.mariadb import MariaDB
from tests.parts.phone import Phone
from tests.parts.qayd import Qayd
from tests.registrar.process import eventually

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]


def generated(output: str) -> str:
    return output.splitlines()[-1]


def test_an_old_dump_comes_back_under_a_live_registrar(
    new_directory: Callable[[], Path],
) -> None:
    with MariaDB(new_directory()) as mariadb:
        url = mariadb.create_database("qayd", "of no consequence")
        with Qayd(new_directory(), url) as qayd:
            qayd.flask("db", "upgrade")
            first = generated(qayd.flask("extension", "add", "1001", "--generate"))
            old = generated(qayd.flask("extension", "add", "1002", "--generate"))
            qayd.flask("extension", "add", "1004", "--generate")
            qayd.start_registrar()
            dump = mariadb.dump("qayd")

            # all of this happens after the dump, and the restore takes it back in the database
            new = generated(qayd.flask("extension", "set-password", "1002", "--generate"))
            later = generated(qayd.flask("extension", "add", "1003", "--generate"))
            qayd.flask("extension", "delete", "1004", "--yes")
            before = qayd.rpc("qayd.snapshot")["serial"]

            mariadb.restore("qayd", dump)
            qayd.start_webadmin()  # its watch publishes what it finds
            eventually(lambda: qayd.rpc("qayd.snapshot")["serial"] > before, "a higher serial")
            told = qayd.rpc("qayd.snapshot")
            assert told["refused"] == ""
            assert sorted(fault.split(":")[0] for fault in told["faults"]) == [
                "1002",
                "1003",
                "1004",
            ]
            for number, password in (("1001", first), ("1002", new), ("1003", later)):
                with Phone(new_directory()) as phone:
                    registration = phone.register(qayd.sip_server, number, password)
                    assert registration.is_registered, (number, registration)

            # publishing goes on, and an administrator's change is the newest of all
            newest = generated(qayd.flask("extension", "set-password", "1002", "--generate"))
            assert len({old, new, newest}) == 3
            with Phone(new_directory()) as phone:
                registration = phone.register(qayd.sip_server, "1002", newest)
                assert registration.is_registered, registration

            qayd.flask("extension", "recover")
            eventually(lambda: qayd.rpc("qayd.snapshot")["faults"] == [], "no alarm any more")
            listed = io.StringIO(qayd.flask("extension", "list"))
            assert [line.split()[0] for line in listed] == ["1001", "1002", "1003"]
