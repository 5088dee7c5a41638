"""The registrar's JSON-RPC 2.0 on its Unix socket, one object a line, Kamailio's method names.

webadmin needs it only to show live state: whatever goes wrong is a RegistrarError with a sentence.
"""

import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

NOT_FOUND: Final = 404
MAX_ANSWER: Final = 256 << 20
NOT_SET: Final = "[not set]"


class RegistrarError(Exception):
    """The registrar did not answer, or refused; str() says which."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class InForce:
    """What the registrar says of the snapshot. `age` in seconds since it was published."""

    serial: int
    highest: int
    count: int
    age: float
    faults: tuple[str, ...]
    refused: str


@dataclass(frozen=True, slots=True)
class Device:
    """One binding of an extension: a phone that is registered. Times are epoch seconds."""

    address: str  # where the registrar reaches it
    contact: str  # what the phone said
    user_agent: str
    expires: int
    registered: float  # since when without a gap
    call_id: str


class RegistrarClient:
    """One connection per call: there is no state to lose when the registrar restarts."""

    def __init__(self, path: Path, timeout: float = 1.0) -> None:
        self.path, self.timeout = path, timeout
        self._ids = count(1)

    def call(self, method: str, *parameters: Any) -> Any:
        """The result, or a RegistrarError with the code that the registrar gave."""
        return _result(self.batch([(method, parameters)])[0])

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Mapping[str, Any]]:
        """One answer per call, in the order of the calls, each with `result` or `error`."""
        if not calls:
            return []
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}
            for method, parameters in calls
        ]
        answer = self._exchange(requests if len(requests) > 1 else requests[0])
        answers = answer if isinstance(answer, list) else [answer]
        by_id = {
            found["id"]: found for found in answers if isinstance(found, dict) and "id" in found
        }
        missing = {"error": {"code": -32603, "message": "the registrar left this call unanswered"}}
        return [by_id.get(request["id"], missing) for request in requests]

    def in_force(self) -> InForce:
        found = self.call("qayd.snapshot")
        try:
            return InForce(
                serial=int(found["serial"]),
                highest=int(found.get("highest", found["serial"])),
                count=int(found.get("count", 0)),
                age=float(found.get("age") or 0.0),
                faults=tuple(str(fault) for fault in found.get("faults") or ()),
                refused=str(found.get("refused") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _strange(error) from None

    def devices(self, usernames: Iterable[str]) -> dict[str, list[Device]]:
        """The registered phones of each of these extensions, in one exchange; the one that was
        heard of last comes first."""
        wanted = list(usernames)
        answers = self.batch([("ul.lookup", ("location", name)) for name in wanted])
        found = {}
        for name, answer in zip(wanted, answers, strict=True):
            try:
                entries = sorted(_result(answer)["Contacts"], key=_refreshed, reverse=True)
                found[name] = [_device(entry) for entry in entries]
            except RegistrarError as error:
                if error.code != NOT_FOUND:
                    raise
                found[name] = []
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise RegistrarError(
                    f"the registrar's answer is not understood: {error!r}"
                ) from None
        return found

    def _exchange(self, request: Any) -> Any:
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.timeout)
                connection.connect(str(self.path))
                connection.sendall(line)
                answer = _read_line(connection)
        except TimeoutError:
            raise RegistrarError(f"the registrar did not answer in {self.timeout:g} s") from None
        except OSError as error:
            raise RegistrarError(
                f"the registrar does not answer: {error.strerror or error}"
            ) from None
        try:
            return json.loads(answer)
        except ValueError:
            raise RegistrarError("the registrar closed the connection without an answer") from None


def _strange(error: Exception) -> RegistrarError:
    return RegistrarError(f"the registrar's answer is not understood: {error!r}")


def _read_line(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while not (parts and parts[-1].endswith(b"\n")) and size < MAX_ANSWER:
        data = connection.recv(1 << 16)
        if not data:
            break
        parts.append(data)
        size += len(data)
    return b"".join(parts)


def _result(answer: Mapping[str, Any]) -> Any:
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if not isinstance(error, dict):
        raise RegistrarError(f"the registrar refused: {error}")
    code = error.get("code", 0)
    raise RegistrarError(
        f"the registrar refused: {error.get('message', '')} ({code})",
        code if isinstance(code, int) else 0,
    )


def _refreshed(entry: Any) -> float:
    return float(entry["Contact"].get("Last-Modified") or 0.0)


def _device(entry: Mapping[str, Any]) -> Device:
    contact = entry.get("Contact", entry)
    received = str(contact.get("Received") or NOT_SET)
    address = str(contact["Address"])
    agent = str(contact.get("User-Agent") or "")
    return Device(
        address=_host_and_port(address if received == NOT_SET else received),
        contact=address,
        user_agent="" if agent == NOT_SET else agent,
        expires=_seconds(contact.get("Expires")),
        registered=float(contact.get("Registered") or contact.get("Last-Modified") or 0.0),
        call_id=str(contact.get("Call-ID") or ""),
    )


def _host_and_port(uri: str) -> str:
    """What an operator looks for in sip:1002@10.0.0.5:49152;ob"""
    text = uri.partition(":")[2] or uri
    return text.rpartition("@")[2].partition(";")[0].partition("?")[0].rstrip(">")


def _seconds(value: object) -> int:
    """Kamailio writes "permanent" and "expired" here, too."""
    try:
        return max(0, int(str(value)))
    except ValueError:
        return 0
