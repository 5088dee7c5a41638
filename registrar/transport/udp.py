"""UDP (RFC 3261 §18): datagrams in, datagrams out.

One turn of the loop drains the socket, lets the engine answer, commits once, then sends. Not
gevent's DatagramServer, which cuts datagrams at 8,192 bytes silently.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent import get_hub

from registrar.context import Source
from registrar.engine import Engine, Outgoing

LARGEST: Final = 65_535  # bytes of a datagram, and what a socket is read with
BATCH: Final = 256  # datagrams between two commits
RECEIVE_BUFFER: Final = 4 << 20  # bytes asked for, so that a burst waits rather than is lost


class UdpListener:
    """Serves one bound, non-blocking UDP socket from serve() until close()."""

    def __init__(self, bound: socket.socket, engine: Engine, clock: Callable[[], float]) -> None:
        self._socket = bound
        self._engine = engine
        self._clock = clock
        self._local: tuple[str, int] = bound.getsockname()[:2]
        self._greenlet: gevent.Greenlet[..., Any] | None = None

    def serve(self) -> None:
        self._greenlet = gevent.spawn(self._loop)

    def close(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
        self._socket.close()

    def _loop(self) -> None:
        hub = get_hub()
        readable = hub.loop.io(self._socket.fileno(), 1)
        try:
            while True:
                hub.wait(readable)
                self.turn()
        finally:
            readable.stop()
            readable.close()

    def turn(self) -> None:
        """Reads what is there, at most BATCH datagrams, and answers it all."""
        answers: list[Outgoing] = []
        now = self._clock()
        for _ in range(BATCH):
            try:
                data, address = self._socket.recvfrom(LARGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error of an earlier answer: the next datagram is another one
            source = Source(address[0], address[1], *self._local)
            answers += self._engine.receive(data, source, now)
        durable = self._engine.commit()
        for answer in answers:
            if answer.awaits_commit and not durable:
                continue
            try:
                self._socket.sendto(answer.data, answer.destination)
            except OSError:
                continue  # lost, as a datagram may be: the phone repeats its request


def bind(host: str, port: int) -> socket.socket:
    """A bound, non-blocking socket. OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
