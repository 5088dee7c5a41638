"""JSON-RPC 2.0 over a Unix socket, one JSON text a line, with Kamailio's method names and shapes.

The socket's file mode says who may ask; nothing that is answered is secret.
"""

import errno
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from gevent.server import StreamServer

LONGEST: Final = 1 << 20  # bytes of one request line
CONNECTIONS: Final = 64  # at once; others wait
PATIENCE: Final = 60.0  # seconds with a connection on which nothing moves
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
INTERNAL_ERROR: Final = -32603

Method = Callable[..., Any]


class RpcError(Exception):
    """Becomes the error object of an answer. Codes from 100 to 699 are Kamailio's SIP-like ones."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class RpcServer:
    """Serves `methods`, called with the request's params as positional (or named) arguments."""

    def __init__(
        self, path: Path, methods: Mapping[str, Method], log: Callable[[int, str], None]
    ) -> None:
        self._path = path
        self._methods = methods
        self._log = log
        self._server = StreamServer(_bind(path), self._serve, spawn=CONNECTIONS)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop(timeout=1)
        self._path.unlink(missing_ok=True)

    def _serve(self, connection: Any, _address: object) -> None:
        connection.settimeout(PATIENCE)
        try:
            with connection, connection.makefile("rb") as lines:
                while line := lines.readline(LONGEST):
                    answer = self.answer(line) if line.strip() else None
                    if answer is not None:
                        connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return  # the asker has gone, or says nothing any more

    def answer(self, line: bytes) -> Any:
        """The answer to one request or batch; None where there is none to give (§4.1, §6)."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _error(None, PARSE_ERROR, "this is not JSON")
        if isinstance(request, list) and request:
            answers = [answer for one in request if (answer := self._call(one)) is not None]
            return answers or None
        return self._call(request)

    def _call(self, request: Any) -> Any:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, INVALID_REQUEST, "this is not a JSON-RPC 2.0 request")
        name, params, identifier = request["method"], request.get("params", []), request.get("id")
        method = self._methods.get(name)
        if method is None:
            answer = _error(identifier, METHOD_NOT_FOUND, f"there is no method {name}")
        else:
            answer = self._invoke(method, name, params, identifier)
        return answer if "id" in request else None

    def _invoke(self, method: Method, name: str, params: Any, identifier: Any) -> Any:
        try:
            if isinstance(params, dict):
                result = method(**params)
            elif isinstance(params, list):
                result = method(*params)
            else:
                return _error(identifier, INVALID_PARAMS, "params is an array or an object")
        except RpcError as error:
            return _error(identifier, error.code, str(error))
        except TypeError as error:
            return _error(identifier, INVALID_PARAMS, f"{name}: {error}")
        except Exception as error:  # noqa: BLE001 - our bug: it must cost this one call only
            self._log(-1, f"RPC {name}: {error!r}")
            return _error(identifier, INTERNAL_ERROR, f"{name} failed; the log says why")
        return {"jsonrpc": "2.0", "result": result, "id": identifier}


def _error(identifier: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": identifier}


def _bind(path: Path) -> socket.socket:
    """A listening socket in place of one that a killed process left. OSError, also when something
    else is there, or somebody answers."""
    if path.exists():
        if not path.is_socket():
            raise FileExistsError(errno.EEXIST, "there is something else at this path")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise OSError(errno.EADDRINUSE, "another process answers there")
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)  # from the first moment: owner and group only
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    listening.listen(64)
    listening.setblocking(False)
    return listening
