"""A program that a test runs beside itself: its output line by line, and its end.

Nothing here sleeps: a reader thread notes each line and whoever waits is woken by it.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


class ProgramError(AssertionError):
    """The program did not do what the test waited for; str() says what it did instead."""


class Program:
    """A child process in its own session, with stdout and stderr as one stream of lines."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._closed = False
        self._process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=directory,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=f"{name}'s output", daemon=True
        )
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            with self._news:
                self.lines.append(line.decode(errors="replace").rstrip("\r\n"))
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def write(self, line: str) -> None:
        """One line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait_for_line(self, pattern: str, *, timeout: float, after: int = 0) -> re.Match[str]:
        """The first line from number `after` on in which the pattern is found."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for number in range(after, len(self.lines)):
                    if found := re.search(pattern, self.lines[number]):
                        return found
                after = len(self.lines)
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    what = "ended" if self._closed else f"ran for {timeout:g} s"
                    raise ProgramError(
                        f"{self.name} {what} without a line like {pattern!r}:\n{self.output}"
                    )
                self._news.wait(left)

    def wait(self, timeout: float) -> int:
        """Its exit status (-9: killed by signal 9), once its output has been read to the end."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProgramError(
                f"{self.name} was still running after {timeout:g} s:\n{self.output}"
            ) from None
        self._reader.join(timeout)
        return status

    def send(self, number: signal.Signals) -> None:
        """To the program alone, as `kill` does it."""
        self._process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """To the program and all that it started, as a terminal does it at Ctrl-C."""
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """kill -9, the program and whatever it started: what a power cut looks like from here."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.wait(10)

    def stop(self, timeout: float = 15) -> int:
        """SIGTERM and its exit status; a program that stays is killed and fails the test."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except ProgramError:
            self.kill()
            raise
