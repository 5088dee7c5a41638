"""`make run` from the outside: the first run, the second, what it refuses, and how it ends."""

import os
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts.browser import Administrator, browser_page
from tests.parts.phone import Phone
from tests.parts.ports import free_port
from tests.parts.program import Program
from tools.home import ROOT, Home
from tools.run import Address

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]

REALM = "office"
FIRST_RUN = 180  # seconds: it may have to make the virtual environment
READY = "Ctrl-C stops Qayd"


@dataclass(frozen=True, slots=True)
class Laptop:
    """A home and free ports, for several runs."""

    home: Home
    http_port: int
    sip_port: int
    directory: Path

    def make_run(self, **environment: str) -> Program:
        settings = {
            "QAYD_HOME": str(self.home.path),
            "QAYD_HTTP": f"127.0.0.1:{self.http_port}",
            "QAYD_SIP": f"127.0.0.1:{self.sip_port}",
            "QAYD_REALM": REALM,
            **environment,
        }
        return Program("make run", ["make", "run"], environment=settings, directory=self.directory)

    def refused(self, **environment: str) -> str:
        """What it says before it gives up."""
        run = self.make_run(**environment)
        status = run.wait(FIRST_RUN)
        assert status == 2, run.output  # make's, for a command that failed
        assert "Traceback" not in run.output
        (said,) = (line for line in run.lines if line.startswith("Qayd: "))
        return said

    def processes(self) -> list[int]:
        """Everything that runs with this home in its command line or its environment."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.home.path) in told and process.name != str(os.getpid()):
                found.append(int(process.name))
        return found

    def process(self, command: str) -> int:
        """The process of this home with that in its command line, not those that it started."""
        found = {
            number
            for number in self.processes()
            if command.encode() in Path(f"/proc/{number}/cmdline").read_bytes()
        }
        (first,) = (number for number in found if parent(number) not in found)
        return first


def parent(number: int) -> int:
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2]
    return int(fields.split()[1])


def laptop_in(directory: Path, home: Path) -> Laptop:
    http_port, sip_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    return Laptop(Home(home), http_port, sip_port, directory)


@pytest.fixture
def laptop(new_directory: Callable[[], Path]) -> Iterator[Laptop]:
    laptop = laptop_in(ROOT, new_directory() / "var")
    yield laptop
    for number in laptop.processes():
        os.kill(number, signal.SIGKILL)


def press_ctrl_c(run: Program, laptop: Laptop) -> None:
    """As a terminal does it, and see that nothing is left and nothing was said that alarms."""
    run.send_to_group(signal.SIGINT)
    run.wait(20)
    assert run.lines[-1] == "Qayd has stopped."
    for alarming in ("Traceback", "***", "is killed", "Exception"):
        assert alarming not in run.output
    assert laptop.processes() == []


def test_a_first_and_a_second_run(laptop: Laptop, new_directory: Callable[[], Path]) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    password = run.wait_for_line(r"^  Password +(\S+) +\(shown only now", timeout=1)[1]
    url = run.wait_for_line(r"^  Click +(\S+)/$", timeout=1)[1]
    server = run.wait_for_line(r"^  SIP server +(\S+)$", timeout=1)[1]
    with Phone(new_directory()) as phone, browser_page() as page:
        administrator = Administrator(page, url)
        administrator.log_in("admin", password)
        issued = administrator.create_extension("1002", "Front desk")
        assert phone.register(server, "1002", issued.password).is_registered
        assert "Online" in administrator.read_row("1002")
        press_ctrl_c(run, laptop)

        again = laptop.make_run(QAYD_REALM="")
        again.wait_for_line(READY, timeout=FIRST_RUN)
        assert "shown only now" not in again.output
        assert password not in again.output
        assert "Online" in administrator.read_row("1002"), "the browser is still logged in"
        assert phone.refresh().is_registered
    press_ctrl_c(again, laptop)
    assert laptop.home.realm.read_text() == f"{REALM}\n"


def test_what_it_makes_is_private(laptop: Laptop) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    press_ctrl_c(run, laptop)
    for path in (laptop.home.path, *laptop.home.path.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o037 == 0, path


def test_another_realm_is_refused(laptop: Laptop) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    press_ctrl_c(run, laptop)
    said = laptop.refused(QAYD_REALM="elsewhere")
    assert "'elsewhere'" in said
    assert "'office'" in said
    assert "every password would need a reset" in said
    assert laptop.home.realm.read_text() == f"{REALM}\n"


def test_a_lost_key_is_not_replaced(laptop: Laptop) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    press_ctrl_c(run, laptop)
    laptop.home.store_key.unlink()
    assert f"{laptop.home.store_key} is missing" in laptop.refused()
    assert not laptop.home.store_key.exists()


@pytest.mark.parametrize(
    ("kind", "variable"),
    [(socket.SOCK_STREAM, "QAYD_HTTP"), (socket.SOCK_DGRAM, "QAYD_SIP")],
    ids=["http", "sip"],
)
def test_a_port_in_use(laptop: Laptop, kind: socket.SocketKind, variable: str) -> None:
    port = laptop.http_port if variable == "QAYD_HTTP" else laptop.sip_port
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        said = laptop.refused()
    assert f"port {port} is in use on 127.0.0.1" in said
    assert f"{variable}=127.0.0.1:{port + 1} make run" in said
    assert not laptop.home.realm.exists()
    assert laptop.processes() == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"QAYD_HTTP": "8080"}, "QAYD_HTTP=127.0.0.1:8080"),
        ({"QAYD_HTTP": "localhost:http"}, "QAYD_HTTP=127.0.0.1:8080"),
        ({"QAYD_SIP": "::1:5060"}, "QAYD_SIP=0.0.0.0:5060"),
        ({"QAYD_SIP": "127.0.0.1:70000"}, "from 1 to 65535"),
        ({"QAYD_SIP": "198.51.100.1:5060"}, "QAYD_SIP"),
        ({"QAYD_REALM": 'a "b"'}, "QAYD_REALM"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "=".join(*value.items()),
)
def test_what_cannot_be_meant(laptop: Laptop, environment: dict[str, str], said: str) -> None:
    assert said in laptop.refused(**environment)
    assert not laptop.home.realm.exists()


def test_one_run_at_a_time(laptop: Laptop) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    other = laptop_in(ROOT, laptop.home.path)
    assert f"Qayd already runs in {laptop.home.path}" in other.refused()
    press_ctrl_c(run, laptop)


def test_a_run_that_is_ended_early_has_told_the_password(
    laptop: Laptop, new_directory: Callable[[], Path]
) -> None:
    laptop.home.path.mkdir(mode=0o700)
    laptop.home.database.touch(0o600)  # as a command leaves it that was run too early
    run = laptop.make_run()
    told = r"^The first administrator is admin, with the password (\S+)$"
    password = run.wait_for_line(told, timeout=FIRST_RUN)[1]
    press_ctrl_c(run, laptop)
    again = laptop.make_run()
    again.wait_for_line(READY, timeout=FIRST_RUN)
    assert "The first administrator" not in again.output
    with browser_page() as page:
        Administrator(page, f"http://127.0.0.1:{laptop.http_port}").log_in("admin", password)
    press_ctrl_c(again, laptop)


def test_a_killed_run_is_told_to_the_next(laptop: Laptop) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    os.kill(laptop.process("tools.run"), signal.SIGKILL)
    run.wait(20)
    said = laptop.refused()
    assert f"Qayd already runs in {laptop.home.path}" in said
    assert str(laptop.process("-m\0registrar")) in said


@pytest.mark.parametrize(
    ("listens", "typed"),
    [("192.0.2.1:5060", "192.0.2.1"), ("192.0.2.1:5062", "192.0.2.1:5062"),
     ("[2001:db8::1]:5060", "[2001:db8::1]")],
)  # fmt: skip
def test_sips_own_port_goes_without_saying(listens: str, typed: str) -> None:
    assert Address.parse("QAYD_SIP", listens).for_a_phone() == typed


@pytest.mark.parametrize("name", ["registrar", "gunicorn"])
def test_a_program_that_dies_ends_the_other(laptop: Laptop, name: str) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    os.kill(laptop.process(f"-m\0{name}"), signal.SIGKILL)
    assert run.wait(20) == 2, run.output
    who = {"gunicorn": "webadmin"}.get(name, name)
    assert f"Qayd: {who} has ended by itself (SIGKILL); see above" in run.lines
    assert laptop.processes() == []


def test_sigterm_ends_it_cleanly(laptop: Laptop) -> None:
    run = laptop.make_run()
    run.wait_for_line(READY, timeout=FIRST_RUN)
    os.kill(laptop.process("tools.run"), signal.SIGTERM)
    assert run.wait(20) == 0, run.output
    assert laptop.processes() == []


@pytest.mark.long
def test_a_fresh_clone(new_directory: Callable[[], Path]) -> None:
    """What git knows and nothing else: no virtual environment, no compiled translations."""
    clone = new_directory() / "qayd"
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, files.split("\0")):
        target = clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    laptop = laptop_in(clone, clone / "var")
    run = laptop.make_run(QAYD_HOME="", QAYD_REALM="")
    run.wait_for_line(READY, timeout=FIRST_RUN)
    run.send_to_group(signal.SIGINT)
    run.wait(20)
    assert run.lines[-1] == "Qayd has stopped."
    assert laptop.home.realm.read_text().strip() == socket.gethostname()
    assert list(clone.glob("webadmin/translations/uz/LC_MESSAGES/*.mo"))
