"""Who sent this request: digest credentials against the credentials in force (RFC 3261 §22).

Joins digest, nonces and credentials into one verdict. It answers nothing: the configuration
decides what a verdict leads to. Until a response has verified, nothing about the verdict's cost or
form depends on whether the extension exists or is enabled.
"""

import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from registrar.credential import Credential
from registrar.credentials import CredentialStore
from registrar.digest import Authorization, DigestError, parse_authorization, verify
from registrar.nonce import Age, Count, NonceCounts, NonceSource, NonceUse
from registrar.secret import ALGORITHMS
from registrar.sip import grammar
from registrar.sip.errors import ParseError
from registrar.sip.message import Request
from registrar.sip.uri import SipUri, parse_uri


class Code(IntEnum):
    """What auth_check() returns: Kamailio's numbers; those from -10 on are ours."""

    OK = 1
    ERROR = -1
    WRONG_PASSWORD = -2
    UNKNOWN_USER = -3
    STALE_NONCE = -4
    NO_CREDENTIALS = -5
    NONCE_REUSED = -6
    USER_MISMATCH = -8
    DISABLED = -10
    RECORD_LOST = -11


@dataclass(frozen=True, slots=True)
class Verdict:
    """`username` is the extension, without a domain. `stale`: the credentials may well be right,
    only the nonce is not. `repeat_nonce`: what the next challenge says again, so that PJSIP stops
    after one wrong password. `use`: the nonce count to remember if the request is accepted."""

    code: Code
    username: str = ""
    authorization: Authorization | None = None
    stale: bool = False
    repeat_nonce: str = ""
    retransmission: bool = False
    use: NonceUse | None = None


# What an unknown extension's response is compared with: an HA1 that nobody's password has.
_NOBODY: Final = {name: secrets.token_hex(rule[1]) for name, rule in ALGORITHMS.items()}


class Authenticator:
    """`offered` are the algorithms that challenges name; no other is accepted."""

    def __init__(
        self,
        credentials: CredentialStore,
        nonces: NonceSource,
        counts: NonceCounts,
        offered: tuple[str, ...] = ("MD5",),
    ) -> None:
        self.credentials = credentials
        self.nonces = nonces
        self.counts = counts
        self.offered = offered

    def authenticate(
        self,
        request: Request,
        header: str,
        realm: str,
        fingerprint: str,
        now: float,
    ) -> Verdict:
        """`header`: authorization or proxy-authorization. `fingerprint` names the very bytes."""
        try:
            given = _credentials_for(request, header, realm, self.offered)
        except DigestError:
            return Verdict(Code.ERROR)
        if given is None:
            return Verdict(Code.NO_CREDENTIALS)
        if not _same_resource(given.uri, request.uri):
            return Verdict(Code.ERROR, authorization=given)
        seen = self.nonces.recognise(given.nonce, now)
        if seen.age is Age.STALE:
            return Verdict(Code.STALE_NONCE, authorization=given, stale=True)
        username, with_domain = extension(given.username, realm)
        credential = self.credentials.lookup(realm, username)
        lost = self.credentials.lost(realm, username)
        verified = _verifies(given, request.method, credential or lost, with_domain, now)
        if seen.age is Age.FOREIGN:
            # Stale when all but the nonce is right (RFC 7616 §3.3): the phone goes on by itself.
            return Verdict(Code.NO_CREDENTIALS, authorization=given, stale=verified)
        if not verified:
            code = Code.WRONG_PASSWORD if credential else Code.UNKNOWN_USER
            return Verdict(code, username, given, repeat_nonce=given.nonce)
        if credential is None:
            return Verdict(Code.RECORD_LOST, username, given)
        if not credential.enabled:
            return Verdict(Code.DISABLED, username, given)
        # RFC 2069 credentials carry no count: such a nonce serves once.
        count = given.nonce_count if given.qop else 1
        use = NonceUse(given.nonce, seen.stamp, count, fingerprint)
        match self.counts.judge(username, given.nonce, seen.stamp, count, fingerprint):
            case Count.REPLAY:
                return Verdict(Code.NONCE_REUSED, username, given, stale=True)
            case Count.UNKNOWN:
                return Verdict(Code.STALE_NONCE, username, given, stale=True)
            case Count.RETRANSMISSION:
                return Verdict(Code.OK, username, given, retransmission=True)
        return Verdict(Code.OK, username, given, use=use)


def _credentials_for(
    request: Request, header: str, realm: str, offered: tuple[str, ...]
) -> Authorization | None:
    """The first Digest credentials for our realm in a form that we have offered."""
    for value in request.values(header):
        given = parse_authorization(value)
        if given is None or given.realm != realm:
            continue
        if given.algorithm in offered and given.qop.lower() in ("auth", ""):
            return given
    return None


def extension(username: str, realm: str) -> tuple[str, bool]:
    """The extension, and whether the phone sent user@domain with our realm as domain."""
    user, at, domain = username.rpartition("@")
    if at and domain.lower() == realm.lower():
        return user, True
    return username, False


def _verifies(
    given: Authorization,
    method: str,
    credential: Credential | None,
    with_domain: bool,
    now: float,
) -> bool:
    """The current password, or during its grace period the previous one. Both are tried in any
    case, so that nobody can tell by the time it takes what there is."""
    current = credential.current if credential else None
    previous = credential.previous if credential else None
    if credential is None or now >= credential.previous_until:
        previous = None
    verified = False
    for secret in (current, previous):
        ha1 = secret.ha1(given.algorithm, with_domain=with_domain) if secret else None
        verified |= verify(given, method, ha1 or _NOBODY[given.algorithm]) and ha1 is not None
    return verified


def _same_resource(digest_uri: str, request_uri: str) -> bool:
    """RFC 7616 §3.4.6, as RFC 3261 §22.4 rule 4 puts it: the same server, however written."""
    if digest_uri == request_uri:
        return True
    try:
        mine, theirs = parse_uri(request_uri), parse_uri(digest_uri)
    except ParseError:
        return False
    return _place(mine) == _place(theirs)


def _place(uri: SipUri) -> tuple[str, str, int]:
    default = 5061 if uri.scheme == "sips" else 5060
    return (
        grammar.unescape(uri.user),
        uri.host,
        uri.port or default,
    )
