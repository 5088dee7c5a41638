"""Kamailio's module auth: challenges (RFC 3261 §22, RFC 7616 §3.3)."""

from typing import Final

from registrar import digest
from registrar.context import Context
from registrar.script.declare import Function, Kind, Module, Parameter
from registrar.secret import ALGORITHMS

QOP_AUTH: Final = 1
STALE: Final = 16


def _check_algorithms(text: str) -> None:
    for name in text.split(","):
        if name.strip() not in ALGORITHMS:
            raise ValueError(f"unknown algorithm {name!r}: there are {', '.join(ALGORITHMS)}")


def auth_challenge(_module: object, context: Context, realm: str, flags: int = 0) -> int:
    """Answers 401 (REGISTER) or 407 with one challenge per algorithm, all of one nonce."""
    verdict, authenticator = context.verdict, context.services.authenticator
    nonce = verdict.repeat_nonce if verdict else ""
    stale = bool(flags & STALE or (verdict and verdict.stale))
    if not nonce:
        nonce = authenticator.nonces.issue(context.now)
    to_us = context.request.method == "REGISTER"
    status, reason, header = (
        (401, "Unauthorized", "WWW-Authenticate")
        if to_us
        else (407, "Proxy Authentication Required", "Proxy-Authenticate")
    )
    qop = "auth" if flags & QOP_AUTH else ""
    context.reply(
        status,
        reason,
        tuple(
            (header, digest.challenge(realm, nonce, algorithm, qop=qop, stale=stale))
            for algorithm in authenticator.offered
        ),
    )
    return 1


MODULE = Module(
    "auth",
    functions=(
        Function(
            "auth_challenge",
            auth_challenge,
            (Kind.STRING, Kind.INTEGER),
            required=1,
            help="Asks for credentials; flags: 1 qop=auth, 16 stale=true.",
        ),
    ),
    parameters=(
        Parameter(
            "algorithm",
            "MD5",
            check=_check_algorithms,
            help="What challenges offer, in order: MD5, SHA-256, SHA-512-256.",
        ),
        Parameter("nonce_expire", 300, int, 10, help="Seconds for which a nonce is good."),
        Parameter(
            "nonce_keys",
            "var/registrar/nonce.keys",
            help="The file of the keys that make nonces outlive a restart.",
        ),
    ),
    help="Digest challenges.",
)
