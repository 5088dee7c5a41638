"""What JSON-RPC offers: Kamailio's ul.* and core.*, and our qayd.*."""

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

from registrar.credentials import CredentialStore
from registrar.engine import Engine
from registrar.location.binding import Binding
from registrar.rpc import INVALID_PARAMS, Method, RpcError

NOT_SET: Final = "[not set]"
NAME: Final = "qayd"


@dataclass(slots=True)
class Methods:
    """`refused`: why the newest snapshot file is not in force; empty when it is."""

    engine: Engine
    credentials: CredentialStore
    clock: Callable[[], float]
    version: str
    started: float
    refused: str = ""
    ready: bool = False
    table: dict[str, Method] = field(init=False)

    def __post_init__(self) -> None:
        self.table = {
            "core.uptime": self.uptime,
            "core.version": self.core_version,
            "stats.get_statistics": self.statistics,
            "system.listMethods": lambda: sorted(self.table),
            "qayd.snapshot": self.snapshot,
            "ul.dump": self.dump,
            "ul.lookup": self.lookup,
            "ul.rm": self.remove,
            "ul.rm_contact": self.remove,
        }

    def core_version(self) -> str:
        return f"{NAME} {self.version}"

    def uptime(self) -> dict[str, Any]:
        now = self.clock()
        return {
            "now": formatdate(now, usegmt=True),
            "up_since": formatdate(self.started, usegmt=True),
            "uptime": int(now - self.started),
        }

    def statistics(self, *_groups: str) -> list[str]:
        counts = {
            **self.engine.statistics,
            "bindings": self.engine.services.location.count(),
            "journal_commits": self.engine.journal.commits,
        }
        return [f"{NAME}:{name} = {count}" for name, count in sorted(counts.items())]

    def snapshot(self) -> dict[str, Any]:
        """Which credentials are in force. Never a secret."""
        current = self.credentials.snapshot
        return {
            "serial": self.credentials.serial,
            "highest": self.credentials.highest,
            "count": self.credentials.count,
            "age": round(self.clock() - current.published, 3) if current else None,
            "faults": self.credentials.faults(),
            "refused": self.refused,
            "ready": self.ready,
        }

    def dump(self, _brief: str = "") -> dict[str, Any]:
        location, now = self.engine.services.location, self.clock()
        found = [
            {"Info": _record(aor, bound, now)}
            for aor in location.aors()
            if (bound := location.lookup(aor, now))
        ]
        stats = {"Records": len(found), "Max-Slots": 1}
        domain = {"Domain": "location", "Size": len(found), "AoRs": found, "Stats": stats}
        return {"Domains": [{"Domain": domain}]}

    def lookup(self, table: str, aor: Any) -> dict[str, Any]:
        _known_table(table)
        now = self.clock()
        bound = self.engine.services.location.lookup(str(aor), now)
        if not bound:
            raise RpcError(404, f"AOR {aor} has no binding")
        return _record(str(aor), bound, now)

    def remove(self, table: str, aor: Any, contact: str | None = None) -> dict[str, Any]:
        """Unbinds an AOR, or one of its contacts, durably."""
        _known_table(table)
        gone = self.engine.services.location.remove(str(aor), contact)
        if not gone:
            raise RpcError(404, f"AOR {aor} has no such binding")
        if not self.engine.commit():
            raise RpcError(500, "removed, but the journal could not be written")
        return {"removed": len(gone)}


def _known_table(table: str) -> None:
    if table != "location":
        raise RpcError(INVALID_PARAMS, f"there is no table {table}, only location")


def _record(aor: str, bound: tuple[Binding, ...], now: float) -> dict[str, Any]:
    return {"AoR": aor, "Contacts": [{"Contact": _contact(one, now)} for one in bound]}


def _readable(text: str) -> str:
    """What a phone sent, for people: valid Unicode, without control characters."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(one if one.isprintable() else "\ufffd" for one in text) or NOT_SET


def _contact(binding: Binding, now: float) -> dict[str, Any]:
    return {
        "Address": _readable(binding.contact),
        "Parameters": _readable(binding.parameters),
        "Expires": int(binding.expires_at - now),
        "Q": -1 if binding.q is None else binding.q,
        "Call-ID": _readable(binding.call_id),
        "CSeq": binding.cseq,
        "User-Agent": _readable(binding.user_agent),
        "Received": binding.received,
        "Path": _readable(binding.path),
        "Methods": _readable(binding.methods),
        "Instance": _readable(binding.instance),
        "Socket": binding.socket,
        "Ruid": binding.ruid,
        "Registered": binding.registered,
        "Last-Modified": binding.modified,
    }
