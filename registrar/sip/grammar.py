"""RFC 3261 §25: the few rules from which URIs, header values and messages are put together.

Text here is bytes decoded as UTF-8 with surrogateescape, so that whatever came in goes out again
unchanged. Patterns are ASCII-only: a letter of another script is no token character.
"""

import re
from typing import Final

# token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )
TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]+"
# quoted-string = DQUOTE *(qdtext / quoted-pair) DQUOTE
QUOTED: Final = r'"(?:[^"\\]|\\[\x00-\x7f])*"'
# IPv6reference = "[" IPv6address "]"; hostnames also with "_", which deployed phones send
HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9\-_.]*[A-Za-z0-9.])?)"

token: Final = re.compile(TOKEN)
# generic-param = token [ EQUAL gen-value ]; gen-value = token / host / quoted-string
# `value` is lenient: anything up to the next separator, as URIs and feature tags need.
_PARAMETER: Final = re.compile(
    rf'\s*;\s*(?P<name>{TOKEN})(?:\s*=\s*(?P<value>{QUOTED}|[^\s;,"]*))?\s*'
)
_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()"
)

MAX_NUMBER: Final = 2**32 - 1

Parameters = tuple[tuple[str, str | None], ...]


def is_token(text: str) -> bool:
    return token.fullmatch(text) is not None


def parameters(text: str) -> Parameters | None:
    """`;a=1;b` as (("a", "1"), ("b", None)); names lower-case, values as they stand. None if the
    text is not of that form."""
    found = []
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            return None
        found.append((match["name"].lower(), match["value"]))
        at = match.end()
    return tuple(found)


def parameter(parameters: Parameters, name: str) -> str | None:
    """The value of the first of that name; "" for one without a value, None for an absent one."""
    for key, value in parameters:
        if key == name:
            return value or ""
    return None


def number(text: str) -> int | None:
    """1*DIGIT, however many; None for anything else. What is above 2**32-1 counts as that."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return min(int(digits[:11] or "0"), MAX_NUMBER)


def split_list(text: str) -> list[str]:
    """The values of a comma list; commas within quotes or angle brackets do not separate."""
    if "," not in text:
        return [text.strip()]
    values, start, in_quotes, in_brackets, escaped = [], 0, False, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif in_quotes:
            if character == "\\":
                escaped = True
            elif character == '"':
                in_quotes = False
        elif character == '"' and not in_brackets:
            in_quotes = True
        elif character == "<":
            in_brackets = True
        elif character == ">":
            in_brackets = False
        elif character == "," and not in_brackets:
            values.append(text[start:at].strip())
            start = at + 1
    values.append(text[start:].strip())
    return [value for value in values if value]


def unquote(text: str) -> str:
    """A quoted-string's content, escapes resolved; other text as it stands."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        if "\\" not in text:
            return text[1:-1]
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def unescape(text: str) -> str:
    """Percent-escapes resolved wholly, as a user name is compared with others."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), raw)
    return raw.decode("utf-8", "surrogateescape")


def normalize_escapes(text: str) -> str:
    """Escapes of unreserved characters resolved, others in upper case: §19.1.4's comparison."""
    if "%" not in text:
        return text

    def resolve(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else match[0].upper()

    return _ESCAPED.sub(resolve, text)
