"""What really was on the wire between phones and the registrar: tcpdump's packets as SIP messages,
and the list of what phones must never see.

Packets are read from tcpdump's stdout as they come. A capture is complete up to now when a marker
datagram that was sent now has come out of it, so nobody waits for a guess of time.
"""

import hashlib
import re
import secrets
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Self

from tests.parts.program import ProgramError

ETHERNET, LINUX_COOKED = 1, 113
HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message as it was in one datagram. Header names are in lower case."""

    time: float  # seconds since the epoch
    source: str  # "127.0.0.1:5060"
    destination: str
    start_line: str
    headers: tuple[tuple[str, str], ...]

    @property
    def status(self) -> int:
        """A response's status code; 0 for a request."""
        return int(self.start_line.split()[1]) if self.start_line.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        return self.header("cseq").split()[-1]

    @property
    def cseq(self) -> int:
        return int(self.header("cseq").split()[0])

    @property
    def call(self) -> str:
        return self.header("call-id")

    @property
    def user(self) -> str:
        """The user part of To: whose registration this is about."""
        found = re.search(r"sips?:([^@>;]*)@", self.header("to"))
        return found[1] if found else ""

    def header(self, name: str) -> str:
        """The first header of this name; empty if there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def __str__(self) -> str:
        return f"{self.time:.3f} {self.source} > {self.destination}: {self.start_line}"


def parse_message(data: bytes, when: float, source: str, destination: str) -> Message | None:
    """The message in a datagram; None for what is not SIP (keep-alives, markers)."""
    head = data.decode("utf-8", "replace").split("\r\n\r\n")[0]
    start_line, *rest = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    if "SIP/2.0" not in start_line:
        return None
    headers = []
    for line in rest:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.append((COMPACT.get(name, name), value.strip()))
    return Message(when, source, destination, start_line, tuple(headers))


def digest_parameters(value: str) -> dict[str, str]:
    """The parameters of an Authorization or WWW-Authenticate header, without their quotes."""
    pairs = re.findall(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', value.partition(" ")[2])
    return {name.lower(): quoted or token for name, quoted, token in pairs}


def has_valid_credentials(request: Message, passwords: Iterable[str]) -> bool:
    """RFC 7616 §3.4.1, computed here a second time: the judge must not be the judged."""
    given = digest_parameters(request.header("authorization"))
    algorithm = given.get("algorithm", "MD5").upper()
    if "response" not in given or algorithm not in HASHES:
        return False

    def h(text: str) -> str:
        return hashlib.new(HASHES[algorithm], text.encode()).hexdigest()

    ha2 = h(f"{request.method}:{given['uri']}")
    middle = [given["nonce"]]
    if "qop" in given:
        middle += [given["nc"], given["cnonce"], given["qop"]]
    return any(
        given["response"]
        == h(":".join([h(f"{given['username']}:{given['realm']}:{password}"), *middle, ha2]))
        for password in passwords
    )


def never_seen(
    messages: Sequence[Message],
    passwords: Mapping[str, Iterable[str]],
    *,
    wrong_passwords_were_tried: bool = False,
) -> list[str]:
    """Everything in the capture that a phone must never see, as sentences; empty when all is well.

    passwords: for each user those that were right during the whole capture. Forbidden are: a 403; a
    503; any other refusal (300 and up) but a challenge; a 401 to a request whose credentials
    were right, unless it says stale=true and a request after it in the same Call-ID has its 200.
    A 401 to wrong credentials is forbidden too, where nobody has tried any.
    """
    requests = {
        (message.call, message.cseq, message.source): message
        for message in messages
        if not message.status
    }
    found = []
    for number, answer in enumerate(messages):
        if answer.status < 300:
            continue
        request = requests.get((answer.call, answer.cseq, answer.destination))
        if answer.status != 401:
            found.append(f"{answer}")
        elif request is None:
            found.append(f"{answer} (the request is not in the capture)")
        elif has_valid_credentials(request, passwords.get(request.user, ())):
            challenge = digest_parameters(answer.header("www-authenticate"))
            succeeded = any(
                later.status == 200 and later.call == answer.call and later.cseq > answer.cseq
                for later in messages[number:]
            )
            if challenge.get("stale", "").lower() != "true":
                found.append(f"{answer} (the credentials were right)")
            elif not succeeded:
                found.append(f"{answer} (stale, and no success came after it)")
        elif request.header("authorization") and not wrong_passwords_were_tried:
            found.append(f"{answer} (the credentials were wrong)")
    return found


class Capture:
    """A running capture of one UDP port on an interface; needs the right to capture."""

    def __init__(self, port: int, *, interface: str = "lo") -> None:
        self.messages: list[Message] = []
        self._news = threading.Condition()
        self._markers: set[bytes] = set()
        self._marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._marker.bind(("127.0.0.1", 0))
        ports = f"udp and (port {port} or port {self._marker.getsockname()[1]})"
        self._process = subprocess.Popen(
            [*f"tcpdump -i {interface} -n -U --immediate-mode -s 65535 -w -".split(), ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        heading = self._process.stderr.readline()
        if b"listening on" not in heading:
            said = (heading + self._process.stderr.read()).decode(errors="replace")
            self.stop()
            raise ProgramError(
                f"tcpdump cannot capture: {said}Let it: sudo setcap cap_net_raw,cap_net_admin=eip"
                " $(command -v tcpdump)"
            )
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), daemon=True
        )
        self._reader.start()
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def flush(self, timeout: float = 10) -> None:
        """Return when everything that was on the wire before this call is in `messages`."""
        marker = secrets.token_bytes(16)
        deadline = time.monotonic() + timeout
        with self._news:
            self._marker.sendto(marker, self._marker.getsockname())
            while marker not in self._markers:
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise ProgramError("the capture has lost its marker")
                self._news.wait(left)
        self._marker.recv(64)

    def take(self) -> list[Message]:
        """All messages since the last take, complete up to now."""
        self.flush()
        with self._news:
            taken, self.messages = self.messages, []
        return taken

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._marker.close()

    def _read(self, stream: IO[bytes]) -> None:
        header = stream.read(24)
        magic, link = struct.unpack("=I16xI", header)
        assert magic == 0xA1B2C3D4, "a little pcap file of this machine"
        while len(record := stream.read(16)) == 16:
            seconds, microseconds, length, _ = struct.unpack("=IIII", record)
            packet = parse_packet(stream.read(length), link)
            if packet is None:
                continue
            source, destination, data = packet
            message = parse_message(data, seconds + microseconds / 1e6, source, destination)
            with self._news:
                if message is not None:
                    self.messages.append(message)
                elif len(data) == 16:
                    self._markers.add(data)
                    self._news.notify_all()


def parse_packet(frame: bytes, link: int) -> tuple[str, str, bytes] | None:
    """Source, destination and payload of a UDP datagram over IPv4."""
    packet = frame[{ETHERNET: 14, LINUX_COOKED: 16}[link] :]
    if packet[0] >> 4 != 4:
        return None
    start = (packet[0] & 15) * 4
    source_port, destination_port, length = struct.unpack("!HHH", packet[start : start + 6])
    return (
        f"{socket.inet_ntoa(packet[12:16])}:{source_port}",
        f"{socket.inet_ntoa(packet[16:20])}:{destination_port}",
        packet[start + 8 : start + length],
    )
