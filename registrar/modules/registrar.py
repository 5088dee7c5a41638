"""Kamailio's module registrar: REGISTER applied to the location service (RFC 3261 §10.3)."""

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from registrar.context import Context
from registrar.location.binding import Binding
from registrar.location.store import ContactUpdate, Registration, RegistrationError, Result
from registrar.script.declare import Function, Kind, Module, Parameter
from registrar.sip.errors import ParseError, SipError
from registrar.sip.headers import Address, parse_expires, parse_qvalue
from registrar.sip.message import Request

MOST_CONTACTS: Final = 32  # in one request; phones send one or two


@dataclass(frozen=True, slots=True)
class Rules:
    """The module's parameters. Times in seconds."""

    default_expires: int
    min_expires: int
    max_expires: int  # 0: none
    max_contacts: int  # 0: any number
    replaces: bool  # whether a contact too many takes the oldest one's place


def _create(parameters: Mapping[str, Any]) -> Rules:
    rules = Rules(
        default_expires=parameters["default_expires"],
        min_expires=parameters["min_expires"],
        max_expires=parameters["max_expires"],
        max_contacts=parameters["max_contacts"],
        replaces=parameters["max_contacts_policy"] == "replace",
    )
    if rules.max_expires and rules.max_expires < max(rules.min_expires, rules.default_expires):
        raise ValueError("max_expires is smaller than min_expires or default_expires")
    return rules


def _check_policy(value: str) -> None:
    if value not in ("refuse", "replace"):
        raise ValueError('max_contacts_policy is "refuse" or "replace"')


def save(rules: Rules, context: Context, _table: str) -> int:
    """Applies the REGISTER and answers it. 1 inserted, 2 updated, 3 removed, 4 queried; -1 when
    it was refused, with the answer sent."""
    request = context.request
    try:
        _refuse_required_extensions(request)
        aor = _address_of_record(request)
        registration = Registration(
            aor=aor,
            contacts=_contacts(rules, request),
            call_id=request.call_id,
            cseq=request.cseq.number,
            user_agent=request.value("user-agent") or "",
            received=context.source.uri,
            socket=context.source.socket,
        )
        location = context.services.location
        if context.verdict is not None and context.verdict.retransmission:
            result = Result.QUERIED  # it was done before, and is answered again
        else:
            result = location.register(
                registration, context.now, rules.max_contacts, replaces=rules.replaces
            )
    except SipError as error:
        context.reply(error.status, error.reason, error.headers)
        return -1
    bound = location.lookup(aor, context.now)
    fields = [("Contact", _contact_value(binding, context.now)) for binding in bound]
    # §10.3 step 8: Date lets a phone without a clock set it
    fields.append(("Date", email.utils.formatdate(context.now, usegmt=True)))
    context.reply(200, "OK", tuple(fields))
    return result.value


def _refuse_required_extensions(request: Request) -> None:
    """§10.3 step 2, §8.2.2.3: we support no extension that a request could require."""
    if required := request.items("require"):
        raise SipError(420, "Bad Extension", (("Unsupported", ", ".join(required)),))


def _address_of_record(request: Request) -> str:
    uri = request.to.sip_uri()
    if not uri.user:
        raise ParseError("No username in To URI")
    return uri.address_of_record(use_domain=False)


def _contacts(rules: Rules, request: Request) -> tuple[ContactUpdate, ...] | None:
    """§10.3 steps 6 and 7. None for `*`. ParseError or 423 refuses them all."""
    header = request.value("expires")
    expires_header = parse_expires(header) if header is not None else None
    contacts = request.contacts
    if contacts is None:
        if expires_header != 0:
            raise ParseError("Contact * needs Expires: 0")
        return None
    if len(contacts) > MOST_CONTACTS:
        raise ParseError("Too many contacts in one request")
    methods = ", ".join(request.values("allow"))
    return tuple(
        ContactUpdate(
            uri=contact.uri,
            parameters=_kept_parameters(contact),
            q=_q(contact),
            expires=_expires(rules, contact, expires_header),
            instance=contact.parameter("+sip.instance") or "",
            methods=contact.parameter("methods") or methods,
        )
        for contact in contacts
    )


def _expires(rules: Rules, contact: Address, header: int | None) -> int:
    """The contact's own, else the header's, else the default; what is malformed counts as absent
    (§10.2.1.1). 423 with Min-Expires when it is too brief (§10.3 step 7)."""
    own = contact.parameter("expires")
    expires = parse_expires(own) if own is not None else None
    if expires is None:
        expires = header if own is None else None
    if expires is None:
        expires = rules.default_expires
    if expires and expires < rules.min_expires:
        raise RegistrationError(
            423, "Interval Too Brief", (("Min-Expires", str(rules.min_expires)),)
        )
    return min(expires, rules.max_expires) if rules.max_expires else expires


def _q(contact: Address) -> float | None:
    text = contact.parameter("q")
    if text is None:
        return None
    q = parse_qvalue(text)
    if q is None:
        raise ParseError("Invalid q param in contact")
    return q


def _kept_parameters(contact: Address) -> str:
    """All of them byte for byte, but expires, which each answer says anew."""
    kept = []
    for part in _split_parameters(contact.parameters_text):
        if part.lstrip("; \t").partition("=")[0].strip().lower() != "expires":
            kept.append(part)
    return "".join(kept)


def _split_parameters(text: str) -> list[str]:
    """`;a="x;y";b` as [`;a="x;y"`, `;b`]."""
    parts, start, in_quotes, escaped = [], 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif in_quotes and character == "\\":
            escaped = True
        elif character == '"':
            in_quotes = not in_quotes
        elif character == ";" and not in_quotes and at > start:
            parts.append(text[start:at])
            start = at
    return [*parts, text[start:]] if text else []


def _contact_value(binding: Binding, now: float) -> str:
    """§10.3 step 8: what is bound, with the seconds that are left, rounded up."""
    left = -int(-(binding.expires_at - now) // 1)
    return f"<{binding.contact}>{binding.parameters};expires={max(left, 1)}"


MODULE = Module(
    "registrar",
    functions=(
        Function(
            "save",
            save,
            (Kind.STRING,),
            help="Applies a REGISTER to the location service and answers it.",
        ),
    ),
    parameters=(
        Parameter("default_expires", 3600, int, 1, help="When the phone names none."),
        Parameter("min_expires", 60, int, 0, help="Briefer ones are refused with 423."),
        Parameter("max_expires", 3600, int, 0, help="Longer ones are shortened; 0: none is."),
        Parameter("max_contacts", 0, int, 0, help="Bindings of one extension; 0: any number."),
        Parameter(
            "max_contacts_policy",
            "refuse",
            check=_check_policy,
            help="A contact too many: refuse answers 503, as Kamailio does; replace gives it the"
            " place of the contact that was refreshed longest ago.",
        ),
    ),
    create=_create,
    help="REGISTER.",
)
