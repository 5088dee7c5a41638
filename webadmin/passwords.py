"""Passwords of telephone extensions: generated, or judged. Nothing here keeps one."""

import secrets
from typing import Final

from webadmin.languages import gettext

# no l, i, o, 0, 1: they look like one another, and a colleague may have to read it out
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS: Final = 4
MINIMUM: Final = 12
MAXIMUM: Final = 64
DISTINCT: Final = 5


def generate() -> str:
    """79 bits of randomness in four groups of four characters, easy to read out and to type."""
    return "-".join(
        "".join(secrets.choice(ALPHABET) for _position in range(4)) for _group in range(GROUPS)
    )


def objection(password: str, username: str) -> str:
    """Why this password must not be used, as a sentence; empty if it may."""
    if not MINIMUM <= len(password) <= MAXIMUM:
        return gettext(
            "The password must have %(minimum)d to %(maximum)d characters.",
            minimum=MINIMUM,
            maximum=MAXIMUM,
        )
    # phones disagree about the encoding of other letters, and the digest is over bytes
    if not (password.isascii() and password.isprintable()) or password != password.strip():
        return gettext(
            "The password may have Latin letters, digits and signs only, and no space at its ends."
        )
    if username.lower() in password.lower():
        return gettext("The password must not contain the number.")
    if len(set(password)) < DISTINCT:
        return gettext("The password repeats too few characters.")
    return ""
