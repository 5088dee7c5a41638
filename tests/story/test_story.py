"""The story that Qayd exists for, with real parts: MariaDB, webadmin in a browser, the registrar,
and two phones (PJSIP set as MicroSIP, and baresip) that stay registered through a kill -9 of it
all, with the password that they have always had.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts.baresip import Baresip
from tests.parts.browser import Administrator, browser_page
from tests.parts.capture import Capture, Message, has_valid_credentials, never_seen
from tests.parts.mariadb import MariaDB
from tests.parts.phone import Phone
from tests.parts.qayd import Qayd

NUMBER = "1002"
# Seconds. Long enough to kill and start everything before the first phone refreshes by itself.
EXPIRES = 20
MICROSIP = "MicroSIP/3.22.3"
AGENTS = {MICROSIP, "baresip"}

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything real, before anything happens: only MariaDB runs, with an empty database."""

    mariadb: MariaDB
    qayd: Qayd
    capture: Capture
    phone: Phone
    baresip: Baresip
    new_directory: Callable[[], Path]


@pytest.fixture
def stage(new_directory: Callable[[], Path]) -> Iterator[Stage]:
    with MariaDB(new_directory()) as mariadb:
        url = mariadb.create_database("qayd", "of no consequence")
        with (
            Qayd(new_directory(), url) as qayd,
            Capture(qayd.sip_port) as capture,
            Phone(new_directory()) as phone,
            Baresip(new_directory()) as baresip,
        ):
            qayd.flask("db", "upgrade")
            yield Stage(mariadb, qayd, capture, phone, baresip, new_directory)


@pytest.fixture
def administrator(stage: Stage) -> Iterator[Administrator]:
    """Not logged in yet."""
    with browser_page() as page:
        yield Administrator(page, stage.qayd.url)


def log_in(stage: Stage, administrator: Administrator) -> None:
    created = stage.qayd.flask("create-admin", "--username", "admin", "--generate")
    administrator.log_in("admin", created.splitlines()[-1])


def register_both(stage: Stage, password: str) -> None:
    server = stage.qayd.sip_server
    first = stage.phone.register(server, NUMBER, password, expires=EXPIRES)
    assert first.is_registered, first
    second = stage.baresip.register(server, NUMBER, password, expires=EXPIRES)
    assert second.is_registered, second


def check_bindings(stage: Stage) -> None:
    """Both phones are bound, with what was left of their time."""
    bindings = stage.qayd.bindings(NUMBER)
    agents = sorted(binding["User-Agent"].split()[0] for binding in bindings)
    assert agents == sorted(AGENTS)
    for binding in bindings:
        assert binding["Address"].startswith(f"sip:{NUMBER}")
        assert 0 < binding["Expires"] <= EXPIRES


def check_that_both_refresh(stage: Stage, password: str) -> None:
    """By themselves, with their password; and on the wire is nothing that they must never see."""
    seen: list[Message] = []
    while missing := AGENTS - authenticated_agents(seen, password):
        phone = stage.phone if MICROSIP in missing else stage.baresip
        refreshed = phone.wait_for_registration()
        assert refreshed.is_registered, refreshed
        seen += stage.capture.take()
    assert never_seen(seen, {NUMBER: [password]}) == []


def authenticated_agents(seen: list[Message], password: str) -> set[str]:
    """Who had a 200 for a REGISTER that carried this password."""
    succeeded = {(message.call, message.cseq) for message in seen if message.status == 200}
    return {
        message.header("user-agent").split()[0]
        for message in seen
        if (message.call, message.cseq) in succeeded and has_valid_credentials(message, [password])
    }


def tell_the_story(stage: Stage, administrator: Administrator) -> None:
    """Restart everything, then change the password."""
    qayd = stage.qayd
    qayd.start_webadmin()
    qayd.start_registrar()
    log_in(stage, administrator)
    issued = administrator.create_extension(NUMBER, "Front desk")
    assert issued.in_force.startswith("In force in the registrar after"), issued.in_force
    register_both(stage, issued.password)
    assert "Online" in administrator.read_row(NUMBER)

    qayd.kill_registrar()
    qayd.kill_webadmin()
    stage.mariadb.kill()
    before = stage.capture.take()
    assert never_seen(before, {NUMBER: [issued.password]}) == []

    qayd.start_registrar()
    check_bindings(stage)
    assert [str(message) for message in stage.capture.take()] == [], "a phone spoke too early"
    check_that_both_refresh(stage, issued.password)

    stage.mariadb.start()
    qayd.start_webadmin()
    assert "Online" in administrator.read_row(NUMBER), "and nobody had to log in again"
    stage.baresip.quit()
    # From here on no phone refreshes by itself: the next minute is the administrator's.
    stage.phone.register(qayd.sip_server, NUMBER, issued.password, expires=300)
    stage.capture.take()

    changed = administrator.reset_password(NUMBER)
    assert changed.milliseconds is not None, changed.in_force
    assert changed.milliseconds < 1000
    old = stage.phone.refresh()
    assert old.shows_incorrect_password, old
    new = stage.phone.change_password(changed.password)
    assert new.is_registered, new
    with Baresip(stage.new_directory()) as second:
        old = second.register(qayd.sip_server, NUMBER, issued.password, expires=EXPIRES)
        assert not old.is_registered, old
        second.forget_account()
        new = second.register(qayd.sip_server, NUMBER, changed.password, expires=EXPIRES)
        assert new.is_registered, new
    seen = stage.capture.take()
    valid = {NUMBER: [changed.password]}
    assert never_seen(seen, valid, wrong_passwords_were_tried=True) == []
    assert authenticated_agents(seen, issued.password) == set(), "the old password was taken"
    assert authenticated_agents(seen, changed.password) == AGENTS
    tried = [
        message.header("user-agent")
        for message in seen
        if has_valid_credentials(message, [issued.password])
    ]
    assert tried.count(MICROSIP) == 1, "it asks its user once, and does not try by itself"


def tell_it_without_the_admin(stage: Stage, administrator: Administrator) -> None:
    """webadmin and MariaDB are down from before the first REGISTER until after the last."""
    qayd = stage.qayd
    qayd.start_webadmin()
    log_in(stage, administrator)
    issued = administrator.create_extension(NUMBER, "Front desk")
    assert issued.in_force.startswith("Saved, not yet in force"), issued.in_force
    qayd.kill_webadmin()
    stage.mariadb.kill()

    qayd.start_registrar()
    register_both(stage, issued.password)
    qayd.kill_registrar()
    before = stage.capture.take()
    assert never_seen(before, {NUMBER: [issued.password]}) == []
    qayd.start_registrar()
    check_bindings(stage)
    assert [str(message) for message in stage.capture.take()] == [], "a phone spoke too early"
    check_that_both_refresh(stage, issued.password)

    stage.mariadb.start()
    qayd.start_webadmin()
    assert "Online" in administrator.read_row(NUMBER)


def test_phones_stay_registered_through_a_restart(
    stage: Stage, administrator: Administrator
) -> None:
    tell_the_story(stage, administrator)


def test_phones_need_neither_webadmin_nor_its_database(
    stage: Stage, administrator: Administrator
) -> None:
    tell_it_without_the_admin(stage, administrator)


@pytest.mark.long
@pytest.mark.parametrize("time", range(1, 21))
def test_the_story_again(stage: Stage, administrator: Administrator, time: int) -> None:
    tell_the_story(stage, administrator)


@pytest.mark.long
@pytest.mark.parametrize("time", range(1, 21))
def test_the_story_without_the_admin_again(
    stage: Stage, administrator: Administrator, time: int
) -> None:
    tell_it_without_the_admin(stage, administrator)
