"""Who gets in, and what every answer carries."""

import re

import pytest
from sqlalchemy import select, text

from tests.webadmin.conftest import ADMIN_PASSWORD, Browser, Site
from webadmin import create_app, models
from webadmin.config import from_environment
from webadmin.db import db
from webadmin.models import Admin
from webadmin.pages import HEADERS
from webadmin.throttle import FREE, LONGEST, Throttle, network

PAGES = ["/extensions", "/extensions/new", "/extensions/1001", "/"]


@pytest.mark.parametrize("path", PAGES)
def test_it_asks_for_a_log_in_first(light: Site, path: str) -> None:
    response = light.app.test_client().get(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=")


def test_it_logs_in_and_goes_where_the_user_wanted(light: Site) -> None:
    light.create_admin()
    browser = light.browser()
    browser.get("/login?next=/extensions/new")
    browser.post("/login?next=/extensions/new", username="admin", password=ADMIN_PASSWORD)
    assert "<h1>New extension</h1>" in browser.text
    browser.post("/logout")
    assert "<h1>Log in to Qayd</h1>" in browser.get("/extensions/new", follow_redirects=True)


TARGETS = [
    *("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", ""),
    *("\\\\evil.example", "/\t/evil.example", "/\r\nX-Evil: 1", "evil.example", "/\x00"),
]


def test_it_never_redirects_to_another_host(browser: Browser) -> None:
    for target in TARGETS:
        response = browser.client.get("/login", query_string={"next": target})
        assert response.status_code == 302
        assert response.headers["Location"] == "/extensions", target
        assert "X-Evil" not in response.headers
    assert browser.client.get("/login?next=/extensions/new").location == "/extensions/new"


@pytest.mark.parametrize(("username", "password"), [("admin", "wrong"), ("nobody", "wrong")])
def test_it_refuses_without_saying_which_half_is_wrong(
    light: Site, username: str, password: str
) -> None:
    light.create_admin()
    browser = light.browser()
    text = browser.log_in(password, username)
    assert browser.status == 403
    assert "Username or password is wrong." in text


def test_it_hashes_for_an_unknown_user_too(light: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work for both, so that the time tells nothing."""
    seen = []
    original = models.HASHER.verify

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            seen.append(hashed)
            return original(hashed, password)

    monkeypatch.setattr(models, "HASHER", Counting())
    light.browser().log_in("wrong", "nobody")
    assert len(seen) == 1
    assert seen[0].startswith("$argon2id$")


def test_it_starts_a_new_session_at_log_in(light: Site) -> None:
    light.create_admin()
    browser = light.browser()
    browser.get("/login")
    before = browser.token
    browser.log_in()
    assert browser.token != before
    # and a new password ends every session
    with light.app.app_context():
        db.session.scalars(select(Admin)).one().set_password("another one, please")
        db.session.commit()
    assert "<h1>Log in to Qayd</h1>" in browser.get("/extensions", follow_redirects=True)


def test_it_ends_every_session_at_log_out(light: Site) -> None:
    light.create_admin()
    browser, copied = light.browser(), light.browser()
    browser.log_in()
    cookie = browser.client.get_cookie("qayd")
    assert cookie is not None
    copied.client.set_cookie("qayd", cookie.value)
    assert "<h1>Extensions</h1>" in copied.get("/extensions")
    browser.get("/extensions")
    browser.post("/logout")
    assert "<h1>Log in to Qayd</h1>" in copied.get("/extensions", follow_redirects=True)


def test_it_slows_down_guessing_and_lets_a_known_browser_in(light: Site) -> None:
    light.create_admin()
    owner, guesser = light.browser(), light.browser()
    owner.log_in()
    owner.post("/logout")
    for _ in range(FREE):
        guesser.log_in("wrong")
        assert guesser.status == 403
    guesser.log_in(ADMIN_PASSWORD)
    assert guesser.status == 429
    assert guesser.headers["Retry-After"] in ("1", "2")
    assert "Too many failed attempts" in guesser.text
    # the same address, but a browser that has been here before
    assert "<h1>Extensions</h1>" in owner.log_in()


def test_it_never_makes_anybody_wait_for_longer_than_a_minute() -> None:
    throttle = Throttle()
    for second in range(200):
        throttle.failed("a", float(second))
    assert 0 < throttle.wait("a", 200.0) <= LONGEST
    assert throttle.wait("a", 200.0 + LONGEST) == 0.0
    assert throttle.wait("b", 200.0) == 0.0
    throttle.succeeded("a")
    assert throttle.wait("a", 200.0) == 0.0
    for index in range(20_000):
        throttle.failed(str(index), 0.0)
    assert len(throttle._failures) <= 10_000


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_it_counts_by_network(address: str | None, source: str) -> None:
    assert network(address) == source


POSTS = [
    *("/login", "/logout", "/language", "/extensions/new", "/extensions/1001"),
    *("/extensions/1001/password", "/extensions/1001/disable", "/extensions/1001/delete"),
    *("/extensions/1001/recover", "/extensions/1001/rename"),
]


def test_it_refuses_a_post_without_a_csrf_token(browser: Browser, light: Site) -> None:
    light.run("extension", "add", "1001", "--generate")
    before = light.file.read_bytes()
    for path in POSTS:
        response = browser.client.post(path, data={"language": "uz", "number": "1002"})
        assert response.status_code == 400
        assert "Nothing was changed" in response.get_data(as_text=True)
    assert light.run("extension", "list").count("\n") == 1
    assert light.file.read_bytes() == before


def test_it_sends_the_same_headers_with_everything(browser: Browser) -> None:
    for path in ("/login", "/extensions", "/nowhere", "/health", "/language"):
        browser.get(path)
        for name, value in HEADERS.items():
            assert browser.headers[name] == value
        assert browser.headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in browser.headers


def test_it_has_no_inline_script_or_style_and_no_external_host(browser: Browser) -> None:
    for path in ("/login", "/extensions", "/extensions/new"):
        text = browser.get(path)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", text)
        assert not re.search(r'(src|href|action)="(https?:)?//', text)


def test_it_marks_its_cookies(light: Site) -> None:
    light.create_admin()
    for base, secure in (("http://localhost", False), ("https://localhost", True)):
        client = light.app.test_client()
        page = client.get("/login", base_url=base)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))
        assert found
        response = client.post(
            "/login",
            base_url=base,
            headers={"Referer": f"{base}/login"},
            data={"csrf_token": found[1], "username": "admin", "password": ADMIN_PASSWORD},
        )
        cookies = response.headers.getlist("Set-Cookie")
        assert len(cookies) == 2
        for cookie in cookies:
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
            assert ("Secure" in cookie) == secure
        assert ("Strict-Transport-Security" in response.headers) == secure


def test_it_believes_a_proxy_only_when_told_to(light: Site) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    plain = light.app.test_client().get("/login", headers=forwarded)
    assert "Strict-Transport-Security" not in plain.headers
    app = create_app(from_environment({**light.environment(), "QAYD_PROXIES": "1"}))
    behind = app.test_client().get("/login", headers=forwarded)
    assert "Strict-Transport-Security" in behind.headers


def test_its_error_pages_say_nothing_of_the_inside(
    browser: Browser, light: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert "There is no such page" in browser.get("/extensions/4711")
    assert browser.status == 404

    def explode(*_: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("webadmin.directory.page", explode)
    text = browser.get("/extensions")
    assert browser.status == 500
    assert "42" not in text
    assert "Something went wrong" in text


def test_it_says_when_the_database_does_not_answer(
    browser: Browser, light: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with light.app.app_context():
        db.session.execute(text("ALTER TABLE admin RENAME TO away"))
        db.session.commit()
    page = browser.get("/extensions")
    assert browser.status == 503
    assert "The database does not answer" in page
    assert "SELECT" not in page + caplog.text
