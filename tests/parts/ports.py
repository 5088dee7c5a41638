"""Ports for a server that is killed and must find its port free again.

They lie below those that Linux gives to whoever asks for any port, so no phone takes one meanwhile.
"""

import random
import socket


def free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
