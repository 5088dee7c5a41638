"""Every page in a real browser: three languages, a telephone's width and a desk's.

Screenshots are left in build/screenshots, to be looked at.
"""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright

from tests.parts.program import Program
from tests.webadmin.conftest import ADMIN_PASSWORD, Site
from tests.webadmin.registrar_stub import RegistrarStub, contact

SCREENSHOTS = Path("build/screenshots")
PEOPLE = [
    ("1002", "Aziza Karimova", "uz"),
    ("1003", "Бахтиёр Юсупов", "ru"),
    ("1004", "Reception", "en"),
    ("1005", "Dilshod O‘rinboyev", "uz"),
]
PLAYWRIGHT_ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []


@pytest.fixture
def chromium() -> Iterator[Chromium]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=PLAYWRIGHT_ARGUMENTS
        )
        yield browser
        browser.close()


@pytest.fixture
def base(light: Site) -> Iterator[str]:
    """webadmin under gunicorn; its address."""
    light.create_admin()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    server = Program(
        "gunicorn",
        [sys.executable, "-m", "gunicorn", "-c", "webadmin/gunicorn_conf.py"],
        environment={**os.environ, **light.environment(), "QAYD_HTTP": address},
    )
    try:
        server.wait_for_line("Booting worker", timeout=20)
        yield f"http://{address}"
    finally:
        server.stop()


class Visit:
    """One user, in one language, at one width."""

    def __init__(self, chromium: Chromium, base: str, language: str, width: int) -> None:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            locale=language,
            color_scheme="dark" if (language == "uz") == (width > 1000) else "light",
        )
        self.page: Page = context.new_page()
        self.base, self.tag, self.width = base, f"{language}-{width}", width
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note_foreign)

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def log_in(self) -> None:
        self.go("/login")
        self.look("login")
        self.page.fill("#username", "admin")
        self.page.fill("#password", ADMIN_PASSWORD)
        self.page.click("main form button")
        self.page.wait_for_url("**/extensions")

    def look(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"{name}-{self.tag}.png", full_page=True)
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, name

    def _note(self, message: object) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _note_foreign(self, request: object) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.complaints.append(f"asked another host: {request.url}")


@pytest.mark.parts
def test_it_is_good_to_look_at_everywhere(
    light: Site, registrar: RegistrarStub, base: str, chromium: Chromium
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    registrar.bound["1002"] = [contact("1002")]
    registrar.bound["1003"] = [contact("1003", "Yealink SIP-T46U 108.86.0.20", 5062)]
    registrar.bound["1003"].append(contact("1003", "Linphone-Desktop/5.2.6"))
    first = Visit(chromium, base, "en", 1280)
    first.log_in()
    for number, name, language in PEOPLE:
        _create(first, number, name, language)
    for language in ("en", "uz", "ru"):
        for width in (1280, 375):
            visit = Visit(chromium, base, language, width)
            visit.log_in()
            _look_at_every_page(visit)
            assert visit.complaints == []
            visit.page.context.close()
    assert first.complaints == []


def _create(visit: Visit, number: str, name: str, language: str) -> None:
    """By the names that a user reads, or hears."""
    page = visit.page
    visit.go("/extensions")
    page.get_by_role("link", name="New extension").click()
    page.get_by_label("Number").fill(number)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Language").select_option(language)
    page.get_by_role("button", name="Create").click()
    assert page.locator("#one-time-password").inner_text()
    assert page.locator("#in-force").get_attribute("data-serial")


def _look_at_every_page(visit: Visit) -> None:
    page = visit.page
    visit.go("/extensions")
    visit.look("list")
    visit.go("/extensions/new")
    visit.look("create")
    page.check("input[value=type]")
    page.fill("#number", "1002")
    page.fill("#password", "short")
    page.click("main form button")
    visit.look("refused")
    visit.go("/extensions/1005")
    page.click("form[action$=password] button")
    visit.look("password")
    visit.go("/extensions/1003")
    visit.look("edit")
    page.click("form[action$=disable] button")
    visit.look("saved")
    page.click("form[action$=enable] button")
    visit.go("/extensions/1003/rename")
    visit.look("rename")
    visit.go("/extensions/1003/delete")
    visit.look("delete")
    visit.go("/extensions/nobody")
    visit.look("missing")
    visit.complaints = [text for text in visit.complaints if "status of 404" not in text]


@pytest.mark.parts
def test_it_can_be_used_with_the_keyboard_alone(
    light: Site, registrar: RegistrarStub, base: str, chromium: Chromium
) -> None:
    visit = Visit(chromium, base, "en", 1280)
    page = visit.page
    visit.go("/login")
    page.keyboard.type("admin")  # the field has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(ADMIN_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/extensions")
    visit.go("/extensions/new")
    page.keyboard.type("1002")
    page.keyboard.press("Enter")
    page.wait_for_selector("#one-time-password")
