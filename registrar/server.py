"""The registrar's life: opens sockets, reads what an earlier run kept, watches the snapshot, stops.

Sockets are bound first, so that what arrives meanwhile waits in them, and are read only when
everything is there: until then the registrar is silent, which phones take for a lost datagram.
"""

import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterable
from typing import Any, Final

import gevent
from gevent.event import Event

from registrar.authentication import Authenticator
from registrar.context import Services
from registrar.credentials import CredentialStore
from registrar.engine import Engine
from registrar.files import AppendFile, LastGood, StateError, lock, nonce_keys
from registrar.location.journal import Journal, Replay, replay
from registrar.location.store import LocationStore
from registrar.nonce import NonceCounts, NonceSource, NonceUse
from registrar.rpc import RpcServer
from registrar.rpc_methods import Methods
from registrar.script.compiler import Program
from registrar.settings import Settings
from registrar.snapshot import (
    Credential,
    Reading,
    Snapshot,
    SnapshotError,
    SnapshotFile,
    SnapshotMissing,
    read_keys,
)
from registrar.transport import udp

VERSION: Final = "0.1.0"
TICK: Final = 1.0  # seconds between two rounds of expiry
SWEEP: Final = 1000  # extensions that one round looks at
PAUSE: Final = 60.0  # seconds before a compaction that failed is tried again
POLL: Final = 0.2  # seconds between two looks at the snapshot, should no event tell of a change

logger = logging.getLogger("registrar")
# Kamailio's -1 (errors) to 3 (debug) as logging's levels
LEVELS: Final = {0: logging.WARNING, 1: logging.INFO, 2: logging.INFO, 3: logging.DEBUG}


def log(level: int, text: str) -> None:
    logger.log(LEVELS.get(level, logging.ERROR if level < 0 else logging.DEBUG), "%s", text)


class StartError(Exception):
    """The registrar cannot start; str() is one sentence for the operator."""


class Server:
    """run() serves until a signal comes."""

    def __init__(self, program: Program, settings: Settings) -> None:
        self._settings = settings
        self._stop = Event()
        self._compact_after = 0.0
        self._started = time.time()
        self._sockets = [_bind(listen.host, listen.port) for listen in settings.listen]
        self._lock = _claim(settings)
        kept = _read_journal(settings)
        journal = Journal(AppendFile(settings.journal, kept.end), kept.records)
        location = LocationStore(journal.append)
        location.load([one for one in kept.bindings if not one.is_expired(self._started)])
        self._keys = read_keys(settings.snapshot_key)
        self._last_good = LastGood(settings.last_good)
        self._published = SnapshotFile(settings.snapshot, self._keys)
        self._seen: tuple[int, ...] = ()
        self._in_force: Snapshot | None = None  # what the published file said last
        self._credentials = CredentialStore()
        authenticator = Authenticator(
            self._credentials,
            NonceSource(
                nonce_keys(settings.nonce_keys),
                float(settings.nonce_expire),
                self._started,
                secrets.randbits(32),
            ),
            _counts(kept, self._started),
            settings.algorithms,
        )
        services = Services(
            location,
            authenticator,
            log,
            settings.server_header,
            secrets.token_bytes(16),
        )
        self._engine = Engine(program, services, journal)
        self._methods = Methods(self._engine, self._credentials, time.time, VERSION, self._started)
        self._listeners = [
            udp.UdpListener(bound, self._engine, time.time) for bound in self._sockets
        ]
        log(2, f"{location.count()} bindings read from {settings.journal}")

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._stop.set)
        rpc = self._start_rpc()
        self._begin_with_last_good()
        watcher = gevent.get_hub().loop.stat(str(self._settings.snapshot), POLL)
        changed = Event()
        watcher.start(changed.set)
        helpers: list[Any] = [gevent.spawn(self._watch, changed), gevent.spawn(self._tick)]
        self._stop.wait()
        log(2, "stopping")
        watcher.stop()
        gevent.killall(helpers)
        for listener in self._listeners:
            listener.close()
        if rpc is not None:
            rpc.stop()
        self._engine.commit()
        os.close(self._lock)

    def _start_rpc(self) -> RpcServer | None:
        path = self._settings.rpc_socket
        if path is None:
            return None
        try:
            rpc = RpcServer(path, self._methods.table, log)
        except OSError as error:
            raise StartError(f"the RPC socket {path} cannot be opened: {error}") from error
        rpc.start()
        return rpc

    def _begin_with_last_good(self) -> None:
        """What was in force when the last run ended; the published file then has to be newer."""
        try:
            reading = self._last_good.read(self._keys)
        except SnapshotError as error:
            log(-1, f"{error}; nothing is known of what was in force before")
            return
        if reading is not None:
            self._unbind(self._credentials.replace(reading.snapshot).ended)

    def _watch(self, changed: Any) -> None:
        """Puts each newer snapshot in force; starts listening as soon as there is any."""
        while True:
            self._look()
            if self._credentials.snapshot is not None and not self._methods.ready:
                self._listen()
            changed.wait(POLL)
            changed.clear()

    def _look(self) -> None:
        """Reads the published file if it is another one than at the last look."""
        seen = _signature(self._settings.snapshot)
        if seen == self._seen and self._methods.ready:
            return
        try:
            reading = self._published.read()
            self._accept(reading)
            self._refuse(reading.waiting_for, level=2)
        except SnapshotMissing as error:
            seen = ()  # it may be there, or readable, at the next look
            self._refuse(str(error))
        except SnapshotError as error:
            self._in_force = None
            self._last_good.forget_position()
            self._refuse(str(error))
        except Exception as error:  # noqa: BLE001 - our bug: the watch must go on
            self._refuse(f"{self._settings.snapshot}: {error!r}")
        self._seen = seen

    def _accept(self, reading: Reading) -> None:
        before = self._credentials.serial
        replacement = self._credentials.replace(reading.snapshot, self._changed(reading))
        if self._credentials.serial != before or not self._methods.ready:
            log(2, f"snapshot serial {self._credentials.serial} is in force")
        for credential in replacement.lost:
            log(-1, f"extension {credential.username} vanished from the snapshot: publish again")
        self._in_force = reading.snapshot
        if not self._unbind(replacement.ended) or self._credentials.has_lost:
            # The next start must see again what ended, or what was lost.
            self._last_good.forget_position()
            return
        try:
            self._last_good.keep(reading, self._published)
        except (OSError, SnapshotError) as error:
            log(-1, f"{self._settings.last_good} cannot be written: {error}")

    def _changed(self, reading: Reading) -> frozenset[tuple[str, str]] | None:
        """Whom the reading changes, if the reading before it is what is in force."""
        return reading.changed if self._credentials.snapshot is self._in_force else None

    def _unbind(self, ended: Iterable[Credential]) -> bool:
        """Ends the bindings of whom the administrator disabled or deleted; whether durably."""
        for credential in ended:
            self._engine.services.location.remove(credential.username)
        return self._engine.commit()

    def _refuse(self, why: str, level: int = -1) -> None:
        if why and why != self._methods.refused:
            in_force = f"serial {self._credentials.serial} stays in force"
            if self._credentials.snapshot is None:
                in_force = "no snapshot is in force, phones get no answer"
            log(level, f"{why}; {in_force}")
        self._methods.refused = why

    def _listen(self) -> None:
        for listener in self._listeners:
            listener.serve()
        self._methods.ready = True
        sockets = ", ".join(map(str, self._settings.listen))
        log(2, f"ready: {self._methods.core_version()} on {sockets}")

    def _tick(self) -> None:
        """Expiry, and a smaller journal when most of it is superseded."""
        while True:
            gevent.sleep(TICK)
            try:
                self._round(time.time())
            except Exception as error:  # noqa: BLE001 - our bug: the rounds must go on
                log(-1, f"a round of expiry failed: {error!r}")

    def _round(self, now: float) -> None:
        services = self._engine.services
        authenticator = services.authenticator
        services.location.expire(now, SWEEP)
        authenticator.counts.expire(authenticator.nonces.oldest_fresh(now), SWEEP)
        self._engine.commit()
        if now < self._compact_after:
            return
        live = services.location.count() + authenticator.counts.count()
        if self._engine.journal.wants_compaction(live):
            self._compact()

    def _compact(self) -> None:
        services, journal = self._engine.services, self._engine.journal

        def records() -> Any:
            for binding in services.location.records():
                yield "put", binding
            for use in services.authenticator.counts.records():
                yield "use", use

        try:
            for _ in journal.compact(records()):
                gevent.sleep(0)
        except OSError as error:
            self._compact_after = time.time() + PAUSE
            log(-1, f"the location journal could not be made smaller: {error}")


def _bind(host: str, port: int) -> socket.socket:
    try:
        return udp.bind(host, port)
    except OSError as error:
        raise StartError(f"cannot listen on udp:{host}:{port}: {error.strerror}") from error


def _claim(settings: Settings) -> int:
    try:
        settings.journal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return lock(settings.journal)
    except (OSError, StateError) as error:
        raise StartError(str(error)) from error


def _read_journal(settings: Settings) -> Replay:
    try:
        data = settings.journal.read_bytes() if settings.journal.exists() else b""
    except OSError as error:
        raise StartError(f"{settings.journal} cannot be read: {error}") from error
    kept = replay(data)
    if kept.foreign:
        raise StartError(f"{settings.journal} is not a location journal: move it away")
    if kept.damaged:
        log(-1, f"{settings.journal}: {kept.damaged} damaged records were left out")
    return kept


def _counts(kept: Replay, started: float) -> NonceCounts:
    counts = NonceCounts(floor=started)
    for username, nonce, stamp, count, request in kept.uses:
        counts.accept(username, NonceUse(nonce, stamp, count, request))
    return counts


def _signature(path: Any) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
