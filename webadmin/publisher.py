"""The only writer of the credential snapshot: what was committed, and is not in the file yet.

First the file lock, then a new transaction: it sees every commit before it. Of the database's row
and the published record of one extension the later change counts, so a restored dump of the
database never takes a newer password out of force; what it lacks is kept, marked, and an alarm.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registrar.snapshot import Snapshot, SnapshotError, SnapshotFile, replace_file
from webadmin.merging import Row, Verdict, merge
from webadmin.models import Extension, PublishState
from webadmin.sealing import SealError, Store

TOMBSTONE_DAYS: Final = 7
LOCK_SECONDS: Final = 10.0
WATCH_SECONDS: Final = 2.0
BATCH: Final = 500

Key = tuple[str, str]


class PublishError(Exception):
    """The snapshot could not be brought up to the database; str() says why."""


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing came to. `unpublished`: rows that no record stands for, and why."""

    serial: int
    changes: int
    unpublished: dict[Key, str] = field(default_factory=dict)


class Publisher:
    """One per process. `highest` asks the registrar for the highest serial that it ever accepted,
    0 if it does not say."""

    def __init__(
        self,
        path: Path,
        keys: tuple[bytes, ...],
        store: Store,
        engine: Engine,
        highest: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path, self.store = path, store
        self.unpublished: dict[Key, str] = {}
        self._keys, self._engine, self._highest, self._clock = keys, engine, highest, clock
        self._file = SnapshotFile(path, keys)
        self._mutex = threading.RLock()  # the greenlets of one worker share the file's reader
        self._faults: dict[Key, str] = {}
        self._faults_of: Snapshot | None = None
        self._signature: tuple[int, ...] = ()
        self._waiting_for = ""
        self._compared = False  # whether this process has held every row against the file

    def publish(self, *, everything: bool = False) -> Published:
        """Brings the file up to the database. Never call it inside an open transaction."""
        highest = self._highest()
        try:
            with self._locked(), self._mutex:
                refused = self._refresh()
                if refused and self.path.exists():
                    aside = self.path.with_name(self.path.name + ".refused")
                    replace_file(aside, self.path.read_bytes(), 0o600)
                return self._publish(highest, everything or bool(refused) or not self._compared)
        except SnapshotError as error:
            raise PublishError(str(error)) from error
        except OSError as error:
            raise PublishError(f"{self.path}: {error.strerror or error}") from error
        except SQLAlchemyError as error:
            raise PublishError(f"the database does not answer: {cause(error)}") from error

    def is_behind(self) -> bool:
        """A cheap look: is there a commit, a lost file or a restored state to publish?"""
        with self._mutex:
            if self._refresh() or not self._compared or not self._is_whole():
                return True
            taken = self._taken()
        try:
            with Session(self._engine) as session:
                state = session.get_one(PublishState, 1)
                behind = not _matches(state, taken) or state.revision != taken.revision
                oldest = session.scalar(select(func.min(Extension.deleted_at)))
        except SQLAlchemyError as error:
            raise PublishError(f"the database does not answer: {cause(error)}") from error
        highest = self._highest()
        expired = oldest is not None and oldest < self._cutoff(highest, taken)
        return behind or expired or highest > taken.serial

    def faults(self) -> dict[Key, str]:
        """Every extension whose published record is not what the database says, and why."""
        with self._mutex:
            self._refresh()
            snapshot = self._file.snapshot
            if snapshot is not self._faults_of:
                records = snapshot.credentials.values() if snapshot else ()
                self._faults = {record.key: record.fault for record in records if record.fault}
                self._faults_of = snapshot
            return self.unpublished | self._faults

    def snapshot(self) -> Snapshot:
        """What is published. PublishError if the file cannot be used."""
        with self._mutex:
            refused = self._refresh()
            if refused:
                raise PublishError(refused)
            return self._taken()

    def compare(self) -> Verdict:
        """Holds every row against the file and changes nothing."""
        taken = self.snapshot()
        try:
            with Session(self._engine) as session:
                return self._judge(session, taken, True, self._highest())
        except SQLAlchemyError as error:
            raise PublishError(f"the database does not answer: {cause(error)}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One publisher at a time, whichever process it is in."""
        self._refuse_a_stray_root()
        lock = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            patience = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > patience:
                        raise PublishError(f"{lock}: another publisher holds the lock") from None
                    time.sleep(0.005)  # under gevent this lets other requests run
            yield
        finally:
            os.close(descriptor)

    def _refuse_a_stray_root(self) -> None:
        """What root writes here, neither webadmin nor the registrar could read or replace."""
        owner = os.stat(self.path.parent).st_uid
        if os.geteuid() == 0 != owner:
            raise PublishError(
                f"{self.path.parent} belongs to another user: run this as that user, with"
                f" sudo -u '#{owner}'"
            )

    def _refresh(self) -> str:
        """Reads what is new in the file; returns why it cannot be used, or nothing."""
        try:
            signature = _signature(self.path)
            if self._file.snapshot is None or signature != self._signature:
                self._waiting_for = self._file.read().waiting_for
                self._signature = signature
        except (SnapshotError, OSError) as error:
            self._file, self._signature = SnapshotFile(self.path, self._keys), ()
            self._waiting_for = ""
            return str(error)
        return ""

    def _taken(self) -> Snapshot:
        return self._file.snapshot or Snapshot(0, 0.0, 0, {})

    def _publish(self, highest: int, everything: bool) -> Published:
        taken = self._taken()
        with Session(self._engine) as session:
            # a restored database counts on from where the file is
            session.execute(
                update(PublishState)
                .where(PublishState.id == 1, PublishState.revision < taken.revision)
                .values(revision=taken.revision)
            )
            session.commit()
            state = session.get_one(PublishState, 1)
            everything = everything or not _matches(state, taken)
            revision, serial = state.revision, max(state.serial, taken.serial, highest)
            verdict = self._judge(session, taken, everything, highest)
            session.rollback()
            if verdict.unpublished and self._file.snapshot is None:
                raise PublishError(_would_drop(verdict.unpublished))
            up_to_date = taken.serial >= serial and taken.revision == revision
            if not (up_to_date and self._is_whole()) or verdict.changes or verdict.forget:
                serial += 1
                self._write(verdict, serial, revision)
            self._record(session, verdict, serial, revision)
        self.unpublished = verdict.unpublished
        self._compared = True
        return Published(serial, len(verdict.changes), verdict.unpublished)

    def _is_whole(self) -> bool:
        return (
            self._file.snapshot is not None
            and not self._waiting_for
            and not self._file.wants_new_base()
        )

    def _judge(self, session: Session, taken: Snapshot, everything: bool, highest: int) -> Verdict:
        """Holds rows against published records: those that changed, or all of them."""
        rows = select(Extension)
        if not everything:
            rows = rows.where(Extension.revision > taken.revision)
        verdict = Verdict(self._cutoff(highest, taken))
        seen = set()
        for index, extension in enumerate(session.scalars(rows.execution_options(yield_per=BATCH))):
            if index % BATCH == BATCH - 1:
                time.sleep(0)  # under gevent this lets other requests run
            merge(verdict, self._row(extension), taken.credentials.get(extension.key))
            seen.add(extension.key)
        if everything:
            for key, record in taken.credentials.items():
                if key not in seen:
                    merge(verdict, None, record)
        else:
            self._judge_again(session, taken, verdict, seen)
        return verdict

    def _judge_again(
        self, session: Session, taken: Snapshot, verdict: Verdict, seen: set[Key]
    ) -> None:
        """What was wrong, or is due to be forgotten, whether or not its row changed."""
        for key in self.faults().keys() - seen:
            row = _one(session, key)
            if row is not None:
                merge(verdict, self._row(row), taken.credentials.get(key))
        for row in session.scalars(select(Extension).where(Extension.deleted_at < verdict.cutoff)):
            merge(verdict, self._row(row), taken.credentials.get(row.key))

    def _row(self, extension: Extension) -> Row:
        credential, problem = None, ""
        try:
            credential = extension.credential(self.store)
        except SealError as error:
            problem = f"the database's row cannot be used: {error}"
        return Row(
            extension.key,
            extension.changed,
            extension.deleted_at,
            credential,
            problem,
            extension.enabled,
        )

    def _write(self, verdict: Verdict, serial: int, revision: int) -> None:
        now = self._clock()
        if self._is_whole():
            self._file.append(
                verdict.changes.values(),
                serial=serial,
                published=now,
                revision=revision,
                forget=verdict.forget,
            )
        else:
            credentials = dict(self._taken().credentials) | verdict.changes
            for key in verdict.forget:
                credentials.pop(key, None)
            self._file.write_base(Snapshot(serial, now, revision, credentials))
            self._waiting_for = ""
        self._signature = _signature(self.path)

    def _record(self, session: Session, verdict: Verdict, serial: int, revision: int) -> None:
        """Tells the database how far the file is, and lets go of what it has forgotten."""
        for realm, username in verdict.purge:
            session.execute(
                delete(Extension).where(
                    Extension.realm == realm,
                    Extension.username == username,
                    Extension.deleted_at < verdict.cutoff,
                )
            )
        session.execute(
            update(PublishState)
            .where(PublishState.id == 1)
            .values(serial=serial, published_revision=revision)
        )
        session.commit()

    def _cutoff(self, highest: int, taken: Snapshot) -> float:
        """Deletions from before then are forgotten: some days old, and known to the registrar. To
        one that was away for longer, a record without a tombstone would be a lost one."""
        return self._clock() - TOMBSTONE_DAYS * 86400 if highest >= taken.serial else 0.0


def watch(publisher: Publisher, log: logging.Logger, wait: Callable[[float], bool]) -> None:
    """Publishes, within seconds, a commit whose publish was lost. Ends when `wait` says so.

    Whatever is wrong is said once, and once more when it is over.
    """
    trouble = ""
    while True:
        try:
            if publisher.is_behind():
                published = publisher.publish()
                if published.changes:
                    log.info("published %d late, serial %d", published.changes, published.serial)
            now = ""
        except PublishError as error:
            now = str(error)
        except Exception:  # the watch must outlive our own bugs, loudly
            log.exception("the watch over the snapshot failed")
            now = "a bug"
        if now != trouble:
            log.error("cannot publish: %s", now) if now else log.info("publishing works again")
            trouble = now
        if wait(WATCH_SECONDS):
            return


def cause(error: SQLAlchemyError) -> str:
    """The database's own words, without the statement and its parameters."""
    original = getattr(error, "orig", None)
    return str(
        original.args[-1] if original is not None and original.args else type(error).__name__
    )


def _matches(state: PublishState, taken: Snapshot) -> bool:
    """Whether this database wrote what is in the file."""
    return (state.serial, state.published_revision) == (taken.serial, taken.revision)


def _signature(path: Path) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


def _one(session: Session, key: Key) -> Extension | None:
    realm, username = key
    return session.scalars(
        select(Extension).where(Extension.realm == realm, Extension.username == username)
    ).one_or_none()


def _would_drop(unpublished: dict[Key, str]) -> str:
    (_, username), problem = next(iter(unpublished.items()))
    return (
        f"there is no usable snapshot to keep records from, and {len(unpublished)} extensions"
        f" cannot be read, such as {username}: {problem}; give back the store key, or set these"
        " passwords anew"
    )
