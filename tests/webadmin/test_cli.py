"""The commands: what they say, what they change, and that no password is an argument."""

import csv
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from registrar.snapshot import Secret, ha1
from tests.webadmin.conftest import PASSWORD, REALM, Site, new_key
from tests.webadmin.registrar_stub import RegistrarStub
from webadmin.db import db
from webadmin.models import Admin, Extension

BCRYPT = "$2b$12$" + "a" * 53


def test_it_creates_an_administrator_and_prints_the_password_last(site: Site) -> None:
    output = site.run("create-admin", "--username", "admin", "--generate")
    password = output.splitlines()[-1]
    assert len(password) == 19
    assert site.browser().log_in(password).count("<h1>Extensions</h1>") == 1
    assert "already an administrator" in site.run(
        "create-admin", "--username", "admin", "--generate", status=1
    )
    site.run(
        "create-admin", "--username", "admin", "--reset", stdin="a new one, 12\na new one, 12\n"
    )
    assert "<h1>Extensions</h1>" in site.browser().log_in("a new one, 12")
    with site.app.app_context():
        assert "argon2id" in db.session.scalars(select(Admin.password_hash)).one()


def test_it_wants_ten_characters_for_an_administrator(light: Site) -> None:
    arguments = ("create-admin", "--username", "admin", "--password-stdin")
    assert "at least 10" in light.run(*arguments, stdin="short\n", status=1)


def test_it_adds_changes_and_deletes_extensions(site: Site, registrar: RegistrarStub) -> None:
    output = site.run(
        "extension", "add", "1001", "--name", "Aziza", "--language", "uz", "--generate"
    )
    assert "In force in the registrar after" in output
    password = output.splitlines()[-1]
    assert site.record("1001").current == Secret.derive("1001", REALM, password)
    site.run("extension", "set-password", "1001", "--password-stdin", stdin=PASSWORD + "\n")
    assert site.record("1001").current == Secret.derive("1001", REALM, PASSWORD)
    site.run("extension", "set-password", "1001", stdin=f"{PASSWORD}2\n{PASSWORD}2\n")
    assert site.record("1001").current == Secret.derive("1001", REALM, PASSWORD + "2")
    site.run("extension", "disable", "1001")
    assert "1001\tdisabled\tuz\tAziza" in site.run("extension", "list")
    site.run("extension", "enable", "1001")
    assert site.record("1001").enabled
    site.run("extension", "delete", "1001", stdin="n\n", status=1)
    site.run("extension", "delete", "1001", "--yes")
    assert site.record("1001").deleted is not None
    assert "There is no extension 1001" in site.run("extension", "enable", "1001", status=1)


def test_it_refuses_a_weak_password(light: Site) -> None:
    arguments = ("extension", "add", "1001", "--password-stdin")
    assert "must have 12 to 64" in light.run(*arguments, stdin="short\n", status=1)
    assert light.run("extension", "list") == ""


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines", "\x1b[31m"])
def test_it_refuses_a_name_that_cannot_be_shown(light: Site, name: str) -> None:
    said = light.run("extension", "add", "1001", "--generate", "--name", name, status=1)
    assert "A name has at most 100 characters" in said
    assert light.run("extension", "list") == ""


@pytest.mark.parametrize(
    "command",
    [
        ("create-admin", "--username", "ann", "--generate"),
        ("extension", "list"),
        ("extension", "export"),
        ("extension", "add", "1001", "--generate"),
    ],
    ids=" ".join,
)
def test_it_says_in_one_sentence_that_there_are_no_tables(
    light: Site, command: tuple[str, ...]
) -> None:
    with light.app.app_context():
        for table in ("extension", "admin", "publish_state"):
            db.session.execute(text(f"DROP TABLE {table}"))
        db.session.commit()
    said = light.run(*command, status=1)
    assert "Error: the database does not answer: no such table" in said
    assert "Traceback" not in said


def test_it_publishes_on_command(light: Site) -> None:
    light.run("extension", "add", "1001", "--generate")
    light.file.unlink()
    assert "serial 2, 1 records changed" in light.run("publish")
    light.file.parent.rename(light.home / "elsewhere")
    assert "No such file" in light.run("publish", status=1)


def test_its_doctor_finds_nothing_wrong(site: Site, registrar: RegistrarStub) -> None:
    site.create_admin()
    site.run("extension", "add", "1001", "--generate")
    output = site.run("doctor")
    assert "problem" not in output
    assert "warning" not in output
    assert "the store key opens every one of 1 extensions" in output
    assert "the registrar works with serial 1" in output


def test_its_doctor_names_what_is_wrong(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webadmin.doctor.CATCH_UP_SECONDS", 0.0)
    site.run("extension", "add", "1001", "--generate")
    site.run("extension", "add", "1002", "--generate")
    output = site.run("doctor")
    assert "warning: there is no administrator" in output
    assert "warning: the registrar does not answer" in output

    with site.app.app_context(), site.change() as change:
        change.set_enabled("1001", False)
    assert "problem: the snapshot is older than the database in 1 extensions" in site.run(
        "doctor", status=1
    )
    assert "1001" in site.run("doctor", status=1)
    site.run("publish")

    with site.app.app_context():
        db.session.execute(update(Extension).values(sealed_current=b"x" * 192))
        db.session.commit()
    output = site.run("doctor", status=1)
    assert "problem: 2 of 2 extensions cannot be read" in output
    assert "1001, 1002" in output
    site.file.unlink()
    assert "problem: the snapshot: " in site.run("doctor", status=1)


def test_its_doctor_sees_a_registrar_on_another_serial(
    light: Site, registrar: RegistrarStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webadmin.doctor.CATCH_UP_SECONDS", 0.0)
    monkeypatch.setattr("webadmin.delivery.PATIENCE", 0.0)
    light.run("extension", "add", "1001", "--generate")
    registrar.stuck = True
    light.run("extension", "add", "1002", "--generate")
    output = light.run("doctor", status=1)
    assert "problem: the registrar works with serial 1, published is serial 2" in output


def test_its_doctor_sees_missing_tables(light: Site) -> None:
    light.run("db", "downgrade", "base")
    assert "run flask --app webadmin db upgrade" in light.run("doctor", status=1)


def test_it_seals_anew_after_the_store_key_was_rotated(site: Site) -> None:
    site.run("extension", "add", "1001", "--password-stdin", stdin=PASSWORD + "\n")
    path = site.home / "keys" / "store.key"
    old = path.read_text()
    new_key(path)
    new = path.read_text()
    path.write_text(new + old)
    site.app = site.start()
    assert "still sealed with an earlier store key" in site.run("doctor")
    assert "1 extensions sealed anew" in site.run("extension", "reseal")
    path.write_text(new)
    site.app = site.start()
    site.file.unlink()
    site.run("publish")
    assert site.record("1001").current == Secret.derive("1001", REALM, PASSWORD)


def import_csv(site: Site, text: str, *options: str, status: int = 0) -> str:
    file = site.home / "import.csv"
    file.write_text(text, encoding="utf-8")
    return site.run("extension", "import", str(file), *options, status=status)


def test_it_imports_passwords_and_hashes(site: Site) -> None:
    digest = ha1("MD5", "1003", REALM, "old secret")
    with_domain = ha1("MD5", f"1003@{REALM}", REALM, "old secret")
    text = (
        "username,password,display_name,language,ha1,ha1b,realm\n"
        '1001,short,"Karimova, Aziza",uz,,,\n'
        "1002,parolь,,,,,\n"
        f"1003,,Botir,ru,{digest.upper()},{with_domain},{REALM}\n"
    )
    assert "3 extensions imported, 0 lines skipped" in import_csv(site, text)
    assert site.record("1001").current == Secret.derive("1001", REALM, "short")
    assert site.record("1002").current == Secret.derive("1002", REALM, "parolь")
    record = site.record("1003")
    assert record.language == "ru"
    assert record.current.ha1("MD5") == digest
    assert record.current.ha1("MD5", with_domain=True) == with_domain
    assert record.current.ha1("SHA-256") is None
    assert site.published().serial == 1
    assert "1001\tenabled\tuz\tKarimova, Aziza" in site.run("extension", "list")


def test_it_applies_nothing_unless_every_line_is_good(site: Site) -> None:
    text = f"username,password\n1001,good one\n10 02,x\n1003,{BCRYPT}\n1001,again\n1004,\n"
    output = import_csv(site, text, status=1)
    assert "line 3: '10 02' is not a number" in output
    assert "line 4: 1003: bcrypt" in output
    assert "line 5: 1001 is on line 2 already" in output
    assert "line 6: it has neither a password nor a ha1" in output
    assert "4 lines are bad; nothing was changed" in output
    assert site.run("extension", "list") == ""
    assert "1 extensions imported, 4 lines skipped" in import_csv(site, text, "--skip-bad")


def test_it_generates_passwords_for_what_cannot_be_converted(site: Site) -> None:
    sheet = site.home / "sheet.csv"
    text = f"username,password,display_name\n1001,clear text,\n1002,{BCRYPT},Aziza\n"
    options = ("--generate-for-unconvertible", str(sheet))
    output = import_csv(site, text, *options)
    assert "2 extensions imported" in output
    assert sheet.stat().st_mode & 0o777 == 0o600
    (row,) = csv.DictReader(sheet.open())
    assert (row["username"], row["display_name"]) == ("1002", "Aziza")
    assert row["password"] not in output
    assert site.record("1002").current == Secret.derive("1002", REALM, row["password"])
    assert "exists already" in import_csv(site, text, *options, status=1)


def test_it_refuses_existing_extensions_unless_told_to_update(site: Site) -> None:
    site.run("extension", "add", "1001", "--name", "Aziza", "--language", "uz", "--generate")
    before = site.record("1001")
    text = "username,password\n1001,from the panel\n1002,new\n"
    assert "line 2: there is already an extension 1001" in import_csv(site, text, status=1)
    assert site.record("1001") == before
    import_csv(site, text, "--update")
    assert site.record("1001").current == Secret.derive("1001", REALM, "from the panel")
    assert "1001\tenabled\tuz\tAziza" in site.run("extension", "list")


def test_it_exports_and_imports_what_it_exported(site: Site) -> None:
    site.run("extension", "add", "1001", "--name", "Aziza", "--password-stdin", stdin=PASSWORD)
    site.run("extension", "add", "1002", "--language", "ru", "--generate")
    site.run("extension", "disable", "1002")
    assert site.run("extension", "export").splitlines() == [
        "username,display_name,language,enabled",
        "1001,Aziza,en,yes",
        "1002,,ru,no",
    ]
    file = site.home / "export.csv"
    output = site.run("extension", "export", "--with-ha1", str(file))
    assert "2 extensions written" in output
    assert file.stat().st_mode & 0o777 == 0o600
    (row, _) = csv.DictReader(file.open())
    assert row["ha1"] == ha1("MD5", "1001", REALM, PASSWORD)
    assert row["ha1b"] == ha1("MD5", f"1001@{REALM}", REALM, PASSWORD)
    assert "File exists" in site.run("extension", "export", "--with-ha1", str(file), status=1)
    for number in ("1001", "1002"):
        site.run("extension", "delete", number, "--yes")
    site.run("extension", "import", str(file))
    assert site.record("1001").current.ha1("MD5") == row["ha1"]
    assert not site.record("1002").enabled


def test_it_takes_no_password_as_an_argument(light: Site) -> None:
    for command in light.app.cli.commands["extension"].commands.values():
        for parameter in command.params:
            if "password" in (parameter.name or ""):
                assert parameter.is_flag, command.name


def test_it_reads_no_file_that_is_not_text(light: Site, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"username,password\n1001,\xff\xfe\n")
    assert "codec can't decode" in light.run("extension", "import", str(file), status=1)


def test_it_reads_what_docs_migrate_tells_to_export(site: Site) -> None:
    """mariadb --batch --raw, of Kamailio's subscriber and of FreePBX's sip."""
    digest = ha1("MD5", "1001", REALM, "kept")
    kamailio = f"username\tdomain\tpassword\tha1\tha1b\n1001\t{REALM}\t\t{digest}\t\n"
    import_csv(site, kamailio)
    assert site.record("1001").current == Secret.from_md5(digest)
    import_csv(site, "username\tpassword\tdisplay_name\n1002\tkept, too\tNULL\n")
    assert "1002\tenabled\ten\t\n" in site.run("extension", "list")
    assert site.record("1002").current == Secret.derive("1002", REALM, "kept, too")
