"""A small real registrar for webadmin's tests: JSON-RPC on a Unix socket, and it reads the snapshot
with the registrar's own reader whenever it is asked."""

import json
import socketserver
import threading
import time
from pathlib import Path
from typing import Any, Self

from registrar.snapshot import SnapshotError, SnapshotFile


class RegistrarStub:
    """`bound` is what ul.lookup finds; `stuck` keeps it from reading anything newer."""

    def __init__(self, socket: Path, snapshot: Path, keys: tuple[bytes, ...]) -> None:
        self.bound: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.stuck = False
        self.highest = 0
        self.refused = ""
        self._file = SnapshotFile(snapshot, keys)
        self._server = _Server(str(socket), _Handler)
        self._server.stub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Any) -> Any:
        if isinstance(request, list):
            return [self.answer(one) for one in request]
        self.calls.append(request["method"])
        head = {"jsonrpc": "2.0", "id": request["id"]}
        if request["method"] == "qayd.snapshot":
            return head | {"result": self._snapshot()}
        if request["method"] == "ul.lookup":
            aor = request["params"][1]
            if aor in self.bound:
                contacts = [{"Contact": contact} for contact in self.bound[aor]]
                return head | {"result": {"AoR": aor, "Contacts": contacts}}
            return head | {"error": {"code": 404, "message": "AOR has no binding"}}
        return head | {"error": {"code": -32601, "message": "Method not found"}}

    def _snapshot(self) -> dict[str, Any]:
        try:
            if not self.stuck:
                self._file.read()
                self.refused = ""
        except SnapshotError as error:
            self.refused = str(error)
        found = self._file.snapshot
        self.highest = max(self.highest, found.serial if found else 0)
        return {
            "serial": found.serial if found else 0,
            "highest": self.highest,
            "count": found.count() if found else 0,
            "age": time.time() - found.published if found else None,
            "faults": [],
            "refused": self.refused,
            "ready": True,
        }


def contact(user: str, agent: str = "MicroSIP/3.22.3", port: int = 49152) -> dict[str, Any]:
    """As Kamailio's ul.lookup writes one."""
    now = time.time()
    return {
        "Address": f"sip:{user}@10.0.0.5:{port};ob",
        "Expires": 287,
        "Q": -1,
        "Call-ID": "abc",
        "CSeq": 12,
        "User-Agent": agent,
        "Received": f"sip:203.0.113.9:{port}",
        "Path": "[not set]",
        "Socket": "udp:0.0.0.0:5060",
        "Registered": now - 7200,
        "Last-Modified": now - 13,
    }


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    stub: RegistrarStub


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        for line in self.rfile:
            answer = self.server.stub.answer(json.loads(line))
            self.wfile.write(json.dumps(answer).encode() + b"\n")
