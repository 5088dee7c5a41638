"""The pages of extensions: what is done there is in force, and no password outlives its page."""

import hashlib
import re
from pathlib import Path

import pytest
from sqlalchemy import MetaData, delete, select, update

from registrar.snapshot import Secret
from tests.webadmin.conftest import PASSWORD, REALM, Browser, Site
from tests.webadmin.registrar_stub import RegistrarStub, contact
from webadmin.db import db
from webadmin.models import Extension, PublishState


def create(browser: Browser, number: str, **fields: str) -> str:
    browser.get("/extensions/new")
    data = {"number": number, "name": "", "language": "en", "how": "generate"} | fields
    return browser.post("/extensions/new", **data)


def shown(text: str) -> str:
    found = re.search(r'id="one-time-password">([^<]+)<', text)
    assert found, text
    return found[1]


def test_it_creates_an_extension_and_shows_its_password_once(
    site: Site, registrar: RegistrarStub, browser: Browser
) -> None:
    text = create(browser, "1002", name="Aziza Karimova", language="uz")
    password = shown(text)
    assert re.fullmatch(r"[a-hjkmnp-z2-9]{4}(-[a-hjkmnp-z2-9]{4}){3}", password)
    assert 'data-serial="1"' in text
    assert int(re.search(r'data-milliseconds="(\d+)"', text)[1]) < 2000
    assert browser.headers["Cache-Control"] == "no-store"
    assert ">localhost<" in text  # the server to type into MicroSIP
    record = site.record("1002")
    assert record.current == Secret.derive("1002", REALM, password)
    assert record.language == "uz"
    again = browser.get("/extensions/1002")
    assert "Aziza Karimova" in again
    assert password not in again


def test_it_keeps_a_password_nowhere(
    site: Site, registrar: RegistrarStub, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    generated = shown(create(browser, "1002"))
    create(browser, "1003", how="type", password=PASSWORD, again=PASSWORD)
    reset = shown(browser.post("/extensions/1003/password", how="generate"))
    cookies = "".join(str(cookie) for cookie in browser.client._cookies.values())
    everything = [cookies.encode(), caplog.text.encode(), dump_of(site)]
    everything += [path.read_bytes() for path in site.home.rglob("*") if path.is_file()]
    digests = [
        Secret.derive(number, REALM, password).packed
        for number, password in (("1002", generated), ("1003", PASSWORD), ("1003", reset))
    ]
    for text in everything:
        for password in (generated, PASSWORD, reset):
            assert password.encode() not in text
        for digest in digests:
            for start in range(0, 160, 32):
                assert digest[start : start + 16] not in text
                assert digest[start : start + 16].hex().encode() not in text


def dump_of(site: Site) -> bytes:
    """Everything that the database would tell a thief."""
    with site.app.app_context():
        metadata = MetaData()
        metadata.reflect(db.engine)
        with db.engine.connect() as connection:
            tables = [connection.execute(select(table)) for table in metadata.sorted_tables]
            values = [value for rows in tables for row in rows for value in row]
    return b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in values)


def test_it_takes_a_typed_password(light: Site, registrar: RegistrarStub, browser: Browser) -> None:
    text = create(browser, "1002", how="type", password=PASSWORD, again=PASSWORD)
    assert "one-time-password" not in text
    assert "the one that you have just typed" in text
    assert light.record("1002").current == Secret.derive("1002", REALM, PASSWORD)


BAD_PASSWORDS = [
    ("short", "short", "must have 12 to 64"),
    (PASSWORD, PASSWORD + "x", "not the same"),
    ("x1002-password-x", "x1002-password-x", "must not contain the number"),
    ("aaaaaaaaaaaabb", "aaaaaaaaaaaabb", "repeats too few"),
    (" " + PASSWORD, " " + PASSWORD, "no space at its ends"),
    ("пароль-для-телефона", "пароль-для-телефона", "Latin letters"),
    ("", "", "must have 12 to 64"),
]


def test_it_judges_a_typed_password(light: Site, browser: Browser) -> None:
    for password, again, complaint in BAD_PASSWORDS:
        text = create(browser, "1002", how="type", password=password, again=again)
        assert complaint in text
        assert not password or password not in text
    create(browser, "1002", how="nonsense")
    assert "There are no extensions yet" in browser.get("/extensions")


def test_it_refuses_what_is_no_number(light: Site, browser: Browser) -> None:
    for number in ("", "10 02", "1002@pbx", "a" * 65, "..", "new", '10"2', "é", "1002;x", "a/b"):
        text = create(browser, number)
        assert "one-time-password" not in text
        assert 'aria-invalid="true"' in text
    assert "There are no extensions yet" in browser.get("/extensions")


def test_it_refuses_a_number_that_exists(site: Site, browser: Browser) -> None:
    create(browser, "1002")
    before = site.record("1002")
    assert "There is already an extension 1002." in create(browser, "1002")
    assert site.record("1002") == before
    # to SIP, these are two
    create(browser, "Bob")
    assert "one-time-password" in create(browser, "bob")


def test_it_resets_disables_enables_edits_and_deletes(
    site: Site, registrar: RegistrarStub, browser: Browser
) -> None:
    old = shown(create(browser, "1002"))
    new = shown(browser.post("/extensions/1002/password", how="generate"))
    assert new != old
    assert site.record("1002").current == Secret.derive("1002", REALM, new)
    assert site.record("1002").previous is None
    browser.get("/extensions/1002")
    assert 'data-serial="3"' in browser.post("/extensions/1002/disable")
    assert not site.record("1002").enabled
    assert "Disabled" in browser.text
    browser.post("/extensions/1002/enable")
    assert site.record("1002").enabled
    browser.post("/extensions/1002", name="<b>Ойбек</b>", language="ru")
    assert site.record("1002").language == "ru"
    assert "&lt;b&gt;Ойбек&lt;/b&gt;" in browser.text
    assert site.record("1002").current == Secret.derive("1002", REALM, new)
    browser.get("/extensions/1002/delete")
    assert site.record("1002").deleted is None
    assert "Extension 1002 was deleted." in browser.post("/extensions/1002/delete")
    assert site.record("1002").deleted is not None
    browser.get("/extensions/1002")
    assert browser.status == 404


def test_it_renames_with_a_new_password_only(
    site: Site, registrar: RegistrarStub, browser: Browser
) -> None:
    create(browser, "1002", name="Aziza")
    create(browser, "1004")
    browser.get("/extensions/1002/rename")
    assert "needs a new password" in browser.text
    assert "already an extension 1004" in browser.post(
        "/extensions/1002/rename", number="1004", how="generate"
    )
    password = shown(browser.post("/extensions/1002/rename", number="1003", how="generate"))
    assert site.record("1002").deleted is not None
    assert site.record("1003").current == Secret.derive("1003", REALM, password)
    assert "Aziza" in browser.get("/extensions/1003")


def test_it_says_why_a_change_is_not_in_force_yet(light: Site, browser: Browser) -> None:
    text = create(browser, "1002")
    assert "Saved, not yet in force: the registrar does not answer" in text
    assert "data-serial" not in text
    light.file.parent.rename(light.home / "elsewhere")
    text = create(browser, "1003")
    assert "Saved, not yet in force" in text
    assert "No such file or directory" in text
    assert "one-time-password" in text


def test_it_says_which_serial_a_stuck_registrar_works_with(
    light: Site,
    registrar: RegistrarStub,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webadmin.delivery.PATIENCE", 0.05)
    create(browser, "1001")
    registrar.stuck = True
    assert "it works with serial 1" in create(browser, "1002")


def test_it_shows_who_is_online(light: Site, registrar: RegistrarStub, browser: Browser) -> None:
    for number in ("1001", "1002", "1003"):
        create(browser, number)
    registrar.bound["1002"] = [contact("1002", "Linphone", 5062), contact("1002")]
    registrar.calls.clear()
    text = browser.get("/extensions")
    row = re.search(r'<tr data-number="1002">.*?</tr>', text, re.DOTALL)[0]
    address = "203.0.113.9:49152"
    for part in ("Online", "2 hours", address, "MicroSIP/3.22.3", "287 s", "and 1 more"):
        assert part in row
    assert "Offline" in re.search(r'<tr data-number="1001">.*?</tr>', text, re.DOTALL)[0]
    assert registrar.calls.count("ul.lookup") == 3
    text = browser.get("/extensions/1002")
    assert "Linphone" in text
    assert "203.0.113.9:5062" in text


def test_it_lists_searches_and_pages(light: Site, browser: Browser) -> None:
    with light.app.app_context(), light.change() as change:
        for number in range(1000, 1120):
            secret = Secret.derive(str(number), REALM, PASSWORD)
            change.create(str(number), secret, display_name=f"Nomi {number} 50%")
    text = browser.get("/extensions")
    assert "120 extensions" in text
    assert "Page 1 of 3" in text
    assert "1050" not in text
    assert 'data-number="1050"' in browser.get("/extensions?page=2")
    assert "Page 3 of 3" in browser.get("/extensions?page=99")
    assert 'data-number="1077"' in browser.get("/extensions?q=077")
    assert 'data-number="1078"' not in browser.text
    assert "120 extensions" in browser.get("/extensions?q=50%25")
    assert "Nothing was found" in browser.get("/extensions?q=_")
    assert "&lt;script&gt;" in browser.get("/extensions?q=<script>")


def test_it_raises_an_alarm_and_takes_back_what_is_in_force(
    light: Site, registrar: RegistrarStub, browser: Browser
) -> None:
    create(browser, "1002")
    record = light.record("1002")
    with light.app.app_context():
        db.session.execute(delete(Extension))
        db.session.get_one(PublishState, 1).serial = 0
        db.session.commit()
    light.services.publisher.publish()
    text = browser.get("/extensions")
    assert "1 extension needs attention" in text
    assert "The database has lost this extension" in text
    assert "/extensions/1002/recover" in text
    assert "The database has it again." in browser.post("/extensions/1002/recover")
    assert "needs attention" not in browser.text
    assert light.record("1002").current == record.current


def test_it_says_that_a_change_to_an_unreadable_row_is_not_in_force(
    light: Site, registrar: RegistrarStub, browser: Browser
) -> None:
    create(browser, "1002")
    with light.app.app_context():
        db.session.execute(update(Extension).values(sealed_current=b"x" * 192))
        db.session.commit()
    text = browser.post("/extensions/1002/disable")
    assert "Saved, not yet in force: it could not be published." in text
    assert "Its password in the database cannot be read." in text
    assert not light.record("1002").enabled, "what can be read of the row counts"
    browser.post("/extensions/1002/recover")
    browser.get("/extensions/1002")
    assert "data-serial" in browser.post("/extensions/1002/enable")
    assert light.record("1002").enabled


def test_it_recovers_nothing_where_there_is_nothing(light: Site, browser: Browser) -> None:
    create(browser, "1002")
    browser.get("/extensions/1002")
    browser.post("/extensions/9999/recover")
    assert browser.status == 404


@pytest.mark.parametrize("action", ["edit", "enable"])
def test_it_refuses_to_put_an_old_password_in_force(
    light: Site, browser: Browser, action: str
) -> None:
    """As after a dump was restored: the published record is newer than the row."""
    create(browser, "1002")
    with light.app.app_context():
        row = db.session.scalars(select(Extension)).one()
        old = {name: getattr(row, name) for name in ("sealed_current", "changed", "revision")}
    browser.get("/extensions/1002")
    browser.post("/extensions/1002/password", how="generate")
    newer = light.record("1002").current
    with light.app.app_context():
        db.session.execute(update(Extension).values(**old))
        db.session.commit()
    browser.get("/extensions/1002")
    if action == "edit":
        text = browser.post("/extensions/1002", name="New", language="en")
    else:
        text = browser.post("/extensions/1002/enable")
    assert browser.status == 409
    assert "older state of 1002 than is in force" in text
    light.services.publisher.publish(everything=True)
    assert light.record("1002").current == newer
    browser.get("/extensions/1002")
    browser.post("/extensions/1002/recover")
    browser.get("/extensions/1002")
    browser.post("/extensions/1002/disable")
    assert browser.status == 200
    record = light.record("1002")
    assert (record.current, record.enabled, record.fault) == (newer, False, "")


LOG_IN = [("en", "Log in"), ("uz", "Kirish"), ("ru", "Войти")]


@pytest.mark.parametrize(("language", "word"), LOG_IN)
def test_it_speaks_the_language_of_the_browser(light: Site, language: str, word: str) -> None:
    text = light.browser().get("/login", headers={"Accept-Language": f"{language}, de;q=0.5"})
    assert f'<html lang="{language}">' in text
    assert f"<button>{word}</button>" in text


def test_it_speaks_the_language_that_was_chosen(light: Site) -> None:
    browser = light.browser()
    browser.get("/login")
    text = browser.post("/language", language="ru", next="/login")
    assert '<html lang="ru">' in text
    assert '<html lang="ru">' in browser.post("/language", language="xx", next="//evil.example")


def test_it_shows_every_page_in_every_language(
    light: Site, registrar: RegistrarStub, browser: Browser
) -> None:
    create(browser, "1001")
    registrar.bound["1001"] = [contact("1001")]
    pages = ["/extensions", "/extensions?q=x", "/extensions/new", "/extensions/1001"]
    pages += ["/extensions/1001/rename", "/extensions/1001/delete", "/nowhere"]
    texts = {}
    for language in ("en", "uz", "ru"):
        browser.get("/extensions")
        browser.post("/language", language=language, next="/extensions")
        for page in pages:
            texts[language, page] = browser.get(page)
            assert f'<html lang="{language}">' in browser.text
            assert browser.status in (200, 404)
        browser.get("/extensions/new")
        texts[language, "password"] = create(browser, f"2-{language}")
        assert "one-time-password" in browser.text
    for page in [*pages, "password"]:
        heads = {re.search(r"<title>(.*?) ·", texts[code, page])[1] for code in ("en", "uz", "ru")}
        assert len(heads) == 3, page


def test_its_style_is_the_file_that_was_checked() -> None:
    vendor = Path("webadmin/static/vendor")
    digest = hashlib.sha256((vendor / "pico.min.css").read_bytes()).hexdigest()
    assert digest in (vendor / "README.md").read_text()
