"""Kamailio's module auth_db: credentials checked. Ours come from the credential snapshot."""

from typing import Final

from registrar.authentication import Code, Verdict, extension
from registrar.context import Context
from registrar.script.declare import Function, Kind, Module, Parameter
from registrar.sip import grammar
from registrar.sip.errors import ParseError
from registrar.sip.headers import Address

SAME_USER: Final = 1


def auth_check(_module: object, context: Context, realm: str, _table: str, flags: int = 0) -> int:
    """Kamailio's codes: 1, or -1 malformed, -2 wrong password, -3 unknown user, -4 stale nonce,
    -5 no credentials, -6 nonce used before, -8 another's extension. Ours: -10 disabled, -11 the
    record was lost through a fault."""
    request = context.request
    registers = request.method == "REGISTER"
    header = "authorization" if registers else "proxy-authorization"
    verdict = context.services.authenticator.authenticate(
        request, header, realm, context.fingerprint, context.now
    )
    if verdict.code is Code.OK and flags & SAME_USER:
        owner = request.to if registers else request.from_
        if not _is_user(owner, verdict.username, realm):
            verdict = Verdict(Code.USER_MISMATCH, verdict.username, verdict.authorization)
    context.verdict = verdict
    return int(verdict.code)


def _is_user(owner: Address, username: str, realm: str) -> bool:
    try:
        user = grammar.unescape(owner.sip_uri().user)
    except ParseError:
        return False
    return extension(user, realm)[0] == username


_FROM_SNAPSHOT: Final = "credentials come from the snapshot, not from a database"

MODULE = Module(
    "auth_db",
    functions=(
        Function(
            "auth_check",
            auth_check,
            (Kind.STRING, Kind.STRING, Kind.INTEGER),
            required=2,
            help="Checks the credentials; flags: 1, the user must be the one of To (From).",
        ),
    ),
    parameters=(
        Parameter(
            "snapshot",
            "var/published/credentials.snapshot",
            help="The credential snapshot that webadmin publishes.",
        ),
        Parameter(
            "snapshot_key", "var/keys/snapshot.key", help="The key file that opens the snapshot."
        ),
        Parameter(
            "last_good",
            "var/registrar/last-good.snapshot",
            help="Our own copy of the newest good snapshot, for a start without the published one.",
        ),
        Parameter("db_url", "", ignored=_FROM_SNAPSHOT),
        Parameter("calculate_ha1", 0, int, ignored=_FROM_SNAPSHOT),
        Parameter("password_column", "", ignored=_FROM_SNAPSHOT),
        Parameter("load_credentials", "", ignored=_FROM_SNAPSHOT),
        Parameter("use_domain", 0, int, ignored=_FROM_SNAPSHOT),
    ),
    help="Checks credentials against the snapshot in force.",
)
