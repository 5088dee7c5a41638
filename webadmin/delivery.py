"""After a save, which is done: publish it, then ask the registrar until it is in force."""

import time
from dataclasses import dataclass
from typing import Final, Literal

from flask import current_app

from registrar.snapshot import Snapshot
from webadmin.config import current_config
from webadmin.db import db
from webadmin.directory import Change
from webadmin.publisher import Publisher, PublishError
from webadmin.registrar_client import RegistrarClient, RegistrarError
from webadmin.sealing import Store

PATIENCE: Final = 2.0
PATIENCE_WITH_SILENCE: Final = 0.3  # a registrar that is down is not waited for
PAUSE: Final = 0.01


# it could not be published, or the registrar is down, is late, or refuses what was published
Obstacle = Literal["", "unpublished", "silent", "behind", "refused"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a saved change reached the registrar: after how long, or why not yet."""

    serial: int
    milliseconds: int
    obstacle: Obstacle = ""  # empty: it is in force
    reason: str = ""  # more of the obstacle, in English


class Services:
    """The parts that every page and command works with; one per application."""

    def __init__(self, store: Store, publisher: Publisher, registrar: RegistrarClient) -> None:
        self.store, self.publisher, self.registrar = store, publisher, registrar

    def deliver(self, key: tuple[str, str] | None = None) -> Delivery:
        """Never raises: what was committed is safe, and is published sooner or later. `key`: the
        (realm, username) whose change it is about."""
        started = time.monotonic()
        try:
            serial = self.publisher.publish().serial
        except PublishError as error:
            return Delivery(0, _since(started), "unpublished", str(error))
        fault = self.publisher.faults().get(key, "") if key else ""
        if fault:
            return Delivery(serial, _since(started), "unpublished", fault)
        while True:
            obstacle, reason = self._obstacle(serial)
            patience = PATIENCE_WITH_SILENCE if obstacle == "silent" else PATIENCE
            if not obstacle or time.monotonic() - started > patience:
                return Delivery(serial, _since(started), obstacle, reason)
            time.sleep(PAUSE)

    def _obstacle(self, serial: int) -> tuple[Obstacle, str]:
        """Why that serial is not in force, or nothing."""
        try:
            found = self.registrar.in_force()
        except RegistrarError as error:
            return "silent", str(error)
        if found.serial >= serial:
            return "", ""
        if found.refused:
            return "refused", found.refused
        return "behind", f"it works with serial {found.serial}"


def current_services() -> Services:
    """Those of the application that serves this request or command."""
    services: Services = current_app.config["QAYD_SERVICES"]
    return services


def new_change() -> Change:
    """A change of the directory, by this request or command."""
    services = current_services()

    def published() -> Snapshot | None:
        try:
            return services.publisher.snapshot()
        except PublishError:
            return None

    return Change(db.session(), services.store, current_config().realm, published)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
