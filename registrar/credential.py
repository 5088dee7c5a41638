"""What the registrar knows of one extension, and how it is written as JSON."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registrar.secret import Secret


@dataclass(frozen=True, slots=True)
class Credential:
    """What the registrar knows of one extension. Times are seconds since the epoch."""

    username: str
    realm: str
    current: Secret | None = None  # None in a tombstone only
    enabled: bool = True
    previous: Secret | None = None
    previous_until: float = 0.0
    language: str = "en"
    changed: float = 0.0  # of two records of one extension the later change counts
    deleted: float | None = None  # when; the record is then a tombstone
    fault: str = ""  # why this is an earlier record and not what the database says now
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.realm, self.username


def encode(credential: Credential) -> dict[str, Any]:
    """As a JSON object; what has its default is left out."""
    record: dict[str, Any] = {
        "username": credential.username,
        "realm": credential.realm,
        "changed": credential.changed,
        "language": credential.language,
    }
    if credential.current is not None:
        record["current"] = base64.b64encode(credential.current.packed).decode()
    if credential.previous is not None:
        record["previous"] = base64.b64encode(credential.previous.packed).decode()
        record["previous_until"] = credential.previous_until
    if not credential.enabled:
        record["enabled"] = False
    if credential.deleted is not None:
        record["deleted"] = credential.deleted
    if credential.fault:
        record["fault"] = credential.fault
    if credential.attributes:
        record["attributes"] = dict(credential.attributes)
    return record


def decode(record: dict[str, Any]) -> Credential:
    """The reverse. KeyError, TypeError or ValueError if it is no such object."""

    def secret(name: str) -> Secret | None:
        text = record.get(name)
        return None if text is None else Secret(base64.b64decode(text, validate=True))

    return Credential(
        username=record["username"],
        realm=record["realm"],
        current=secret("current"),
        enabled=record.get("enabled", True),
        previous=secret("previous"),
        previous_until=record.get("previous_until", 0.0),
        language=record["language"],
        changed=record["changed"],
        deleted=record.get("deleted"),
        fault=record.get("fault", ""),
        attributes=record.get("attributes", {}),
    )
