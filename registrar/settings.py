"""What a checked configuration says about the process: sockets, files, log level."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_LISTEN: Final = re.compile(
    r"(?:(?P<transport>[a-z]+):)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Listen:
    """One socket to serve."""

    transport: str
    host: str  # without brackets
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """`udp:192.0.2.1:5060`, as Kamailio's `listen` has it. ValueError says what is wrong."""
    match = _LISTEN.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot listen on {text!r}: write udp:ADDRESS:PORT")
    transport = match["transport"] or "udp"
    if transport != "udp":
        raise ValueError(f"cannot listen on {text!r}: udp is the only transport")
    port = int(match["port"] or 5060)
    if not 0 <= port < 65536:
        raise ValueError(f"cannot listen on {text!r}: the port is 0 to 65535")
    return Listen(transport, match["host"].strip("[]"), port)


@dataclass(frozen=True, slots=True)
class Settings:
    """Empty paths are absent ones."""

    listen: tuple[Listen, ...]
    debug: int
    server_header: str
    snapshot: Path
    snapshot_key: Path
    last_good: Path
    journal: Path
    nonce_keys: Path
    nonce_expire: int
    algorithms: tuple[str, ...]
    rpc_socket: Path | None

    @classmethod
    def of(cls, parameters: Mapping[str, Mapping[str, Any]]) -> "Settings":
        """From the parameters of a compiled program, by module."""
        core, auth_db, usrloc = (parameters[name] for name in ("core", "auth_db", "usrloc"))
        rpc_socket = parameters.get("jsonrpcs", {}).get("unix_socket")
        return cls(
            listen=tuple(parse_listen(text) for text in core["listen"]),
            debug=core["debug"],
            server_header=core["server_header"].removeprefix("Server: "),
            snapshot=Path(auth_db["snapshot"]),
            snapshot_key=Path(auth_db["snapshot_key"]),
            last_good=Path(auth_db["last_good"]),
            journal=Path(usrloc["journal"]),
            nonce_keys=Path(parameters["auth"]["nonce_keys"]),
            nonce_expire=parameters["auth"]["nonce_expire"],
            algorithms=tuple(name.strip() for name in parameters["auth"]["algorithm"].split(",")),
            rpc_socket=Path(rpc_socket) if rpc_socket else None,
        )
