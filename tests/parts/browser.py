"""The administrator: Debian's Chromium, driven by Playwright through the pages of webadmin."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# Without these it would look up and call its maker's hosts.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a fresh browser, in English."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=list(QUIET),
            chromium_sandbox=False,  # it has none as root, and sees these pages only
        )
        try:
            context = browser.new_context(locale="en-US")
            context.set_default_timeout(20_000)
            yield context.new_page()
        finally:
            browser.close()


@dataclass(frozen=True, slots=True)
class Issued:
    """A password that the admin has shown once, and what the page says of its being in force."""

    password: str
    in_force: str
    milliseconds: int | None  # None: it is not in force yet


class Administrator:
    """Somebody who works with the admin: clicks and reads what is to be read."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    def log_in(self, username: str, password: str) -> None:
        self.page.goto(f"{self._url}/login")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", name="Extensions")).to_be_visible()

    def create_extension(self, number: str, name: str) -> Issued:
        self.page.goto(f"{self._url}/extensions")
        self.page.get_by_role("link", name="New extension").click()
        self.page.get_by_label("Number").fill(number)
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Generate a password").check()
        self.page.get_by_role("button", name="Create").click()
        return self._read_issued()

    def reset_password(self, number: str) -> Issued:
        self.page.goto(f"{self._url}/extensions")
        self.page.get_by_role("link", name=number, exact=True).click()
        self.page.get_by_label("Generate a password").check()
        self.page.get_by_role("button", name="Reset password").click()
        return self._read_issued()

    def read_row(self, number: str) -> str:
        """What the list says of an extension, as one line."""
        self.page.goto(f"{self._url}/extensions")
        row = self.page.get_by_role("row").filter(
            has=self.page.get_by_role("link", name=number, exact=True)
        )
        return re.sub(r"\s+", " ", row.inner_text())

    def _read_issued(self) -> Issued:
        password = self.page.locator("#one-time-password").inner_text()
        in_force = self.page.locator("#in-force")
        milliseconds = in_force.get_attribute("data-milliseconds")
        return Issued(
            password, in_force.inner_text(), None if milliseconds is None else int(milliseconds)
        )
