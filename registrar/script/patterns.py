"""Regular expressions as scripts write them: case-insensitive, compiled while checking."""

import re
import warnings
from typing import Final

_CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
    "space": r"\s", "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f",
    "cntrl": r"\x00-\x1f\x7f", "print": r"\x20-\x7e", "graph": r"\x21-\x7e",
}  # fmt: skip
_CLASS: Final = re.compile(r"\[:([a-z]+):\]")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, [[:digit:]] and the like included. Raises ValueError with the reason."""

    def expand(match: re.Match[str]) -> str:
        if match[1] not in _CLASSES:
            raise ValueError(f"unknown class [:{match[1]}:]")
        return _CLASSES[match[1]]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about notations that Python may change one day
            return re.compile(_CLASS.sub(expand, pattern), re.IGNORECASE | re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
