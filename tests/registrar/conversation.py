"""An engine with the shipped configuration, and a phone to talk to it: bytes in, bytes out, time
moved by hand."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registrar.authentication import Authenticator
from registrar.context import Services, Source
from registrar.credentials import CredentialStore
from registrar.engine import Engine
from registrar.location.journal import Journal, replay
from registrar.location.store import LocationStore
from registrar.modules import CORE, MODULES
from registrar.nonce import NonceCounts, NonceSource, NonceUse
from registrar.script.compiler import compile_file
from registrar.secret import ALGORITHMS
from registrar.snapshot import Credential, Secret, Snapshot
from tests.registrar.location.test_journal import MemoryFile

SHIPPED = str(Path(__file__).parents[2] / "registrar" / "registrar.cfg")
REALM = "office"
NOW = 1_800_000_000.0
PHONE = Source("192.0.2.9", 49152, "192.0.2.1", 5060)


def credential(username: str, password: str = "secret", **values: Any) -> Credential:
    return Credential(username, REALM, Secret.derive(username, REALM, password), **values)


def snapshot(serial: int, *credentials: Credential) -> Snapshot:
    return Snapshot(serial, NOW, serial, {one.key: one for one in credentials})


class Registrar:
    """restart() is a kill: only what commit() made durable, and the nonce key, are left."""

    def __init__(self, *credentials: Credential, algorithms: tuple[str, ...] = ("MD5",)) -> None:
        self.now = NOW
        self.log: list[str] = []
        self.file = MemoryFile()
        self.credentials = CredentialStore()
        self.credentials.replace(snapshot(1, *(credentials or (credential("1002"),))))
        self.program = compile_file(SHIPPED, MODULES, CORE, {"REALM": f'"{REALM}"'})
        self.algorithms = algorithms
        self.nonce_key = b"n" * 32
        self.starts = 0
        self.start()

    def start(self) -> None:
        kept = replay(self.file.data)
        journal = Journal(self.file)
        self.location = LocationStore(journal.append)
        self.location.load(kept.bindings)
        counts = NonceCounts(floor=self.now)
        for username, *use in kept.uses:
            counts.accept(username, NonceUse(*use))
        self.starts += 1
        nonces = NonceSource((self.nonce_key,), 300.0, self.now, first_count=1000 * self.starts)
        authenticator = Authenticator(self.credentials, nonces, counts, self.algorithms)
        services = Services(
            self.location,
            authenticator,
            lambda level, text: self.log.append(f"{level} {text}"),
            "Qayd",
            b"tag",
        )
        self.engine = Engine(self.program, services, journal)

    restart = start

    def publish(self, *credentials: Credential) -> None:
        self.credentials.replace(snapshot(self.credentials.serial + 1, *credentials))

    def receive(self, data: bytes, source: Source = PHONE) -> bytes | None:
        """The one answer, as it leaves after the commit; None for silence."""
        answers = self.engine.receive(data, source, self.now)
        if not self.engine.commit():
            return None
        assert len(answers) <= 1
        return answers[0].data if answers else None

    def bound(self, aor: str = "1002") -> list[str]:
        return [binding.contact for binding in self.location.lookup(aor, self.now)]


def status(answer: bytes | None) -> int:
    assert answer is not None, "no answer came"
    return int(answer.split(b" ", 2)[1])


def header(answer: bytes | None, name: str) -> list[str]:
    assert answer is not None, "no answer came"
    found = re.findall(rf"(?im)^{re.escape(name)}: (.*?)\r$", answer.decode())
    return [str(value) for value in found]


@dataclass
class Phone:
    """Says what MicroSIP says: each REGISTER first without credentials."""

    registrar: Registrar
    username: str = "1002"
    password: str = "secret"
    algorithm: str = "MD5"
    source: Source = PHONE
    contact: str = "<sip:1002@192.168.1.7:49152;ob>"
    call_id: str = "c1"
    cseq: int = 0
    user: str = ""  # of From and To, when it is not the username
    nonce: str = ""
    count: int = 0
    sent: list[bytes] = field(default_factory=list)

    def request(
        self, method: str = "REGISTER", extra: str = "", contact: str | None = None
    ) -> bytes:
        self.cseq += 1
        contact = self.contact if contact is None else contact
        user = self.user or self.username
        lines = [
            f"{method} sip:{REALM} SIP/2.0",
            f"Via: SIP/2.0/UDP 192.168.1.7:49152;rport;branch=z9hG4bK{self.call_id}{self.cseq}",
            "Max-Forwards: 70",
            f"From: <sip:{user}@{REALM}>;tag=a1",
            f"To: <sip:{user}@{REALM}>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {method}",
            "User-Agent: MicroSIP/3.22.3",
        ]
        if contact and method == "REGISTER":
            lines.append(f"Contact: {contact}")
        data = ("\r\n".join(lines) + "\r\n" + extra + "Content-Length: 0\r\n\r\n").encode()
        self.sent.append(data)
        return data

    def send(self, data: bytes) -> bytes | None:
        return self.registrar.receive(data, self.source)

    def authorization(self, **changes: str) -> str:
        """The header for the nonce at hand; `changes` replace fields before or after digesting."""
        self.count += 1
        fields = {
            "username": self.username,
            "realm": REALM,
            "nonce": self.nonce,
            "uri": f"sip:{REALM}",
            "cnonce": "c0ffee",
            "nc": f"{self.count:08x}",
            "qop": "auth",
            "algorithm": self.algorithm,
            **changes,
        }
        if "response" not in changes:
            fields["response"] = self.response(fields)
        bare = ("nc", "qop", "algorithm")
        text = ", ".join(
            f"{name}={value}" if name in bare else f'{name}="{value}"'
            for name, value in fields.items()
            if value
        )
        return f"Authorization: Digest {text}\r\n"

    def response(self, fields: dict[str, str]) -> str:
        def digest(text: str) -> str:
            return hashlib.new(ALGORITHMS[self.algorithm][0], text.encode()).hexdigest()

        a1 = digest(f"{fields['username']}:{fields['realm']}:{self.password}")
        a2 = digest(f"REGISTER:{fields['uri']}")
        if fields["qop"]:
            middle = f"{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
        else:
            middle = fields["nonce"]
        return digest(f"{a1}:{middle}:{a2}")

    def challenged(self) -> bytes:
        """Asks without credentials, and takes the nonce."""
        answer = self.send(self.request())
        assert status(answer) == 401
        assert answer is not None
        self.take_nonce(answer)
        return answer

    def take_nonce(self, answer: bytes) -> None:
        for challenge in header(answer, "WWW-Authenticate"):
            if f"algorithm={self.algorithm}" in challenge:
                self.nonce = re.findall('nonce="([^"]+)"', challenge)[0]
                self.count = 0

    def register(self, extra: str = "Expires: 300\r\n", contact: str | None = None) -> bytes | None:
        """Challenge and answer; returns the second answer."""
        self.challenged()
        return self.send(self.request(extra=self.authorization() + extra, contact=contact))
