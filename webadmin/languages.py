"""The languages of the admin: which one a request gets, and the typed way to Flask-Babel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import flask_babel  # type: ignore[import-untyped]
from flask import Flask, has_request_context, request

from webadmin.config import ConfigError

# Every language under its own name. A telephone extension has one of these, too.
LANGUAGES: Final = {"en": "English", "uz": "O‘zbekcha", "ru": "Русский"}
TRANSLATED: Final = ("uz", "ru")  # the texts in the source are English
COOKIE: Final = "language"

gettext: Callable[..., str] = flask_babel.gettext
ngettext: Callable[..., str] = flask_babel.ngettext
lazy_gettext: Callable[..., Any] = flask_babel.lazy_gettext
format_datetime: Callable[..., str] = flask_babel.format_datetime
format_timedelta: Callable[..., str] = flask_babel.format_timedelta


def init_app(app: Flask, timezone: str) -> None:
    """Refuses to start without the compiled translations: half a language helps nobody."""
    directory = Path(app.root_path) / "translations"
    for code in TRANSLATED:
        if not (directory / code / "LC_MESSAGES" / "messages.mo").exists():
            raise ConfigError(
                "the translations are not compiled: run pybabel compile -d webadmin/translations"
            )
    flask_babel.Babel(
        app,
        default_locale="en",
        default_timezone=timezone,
        default_translation_directories=str(directory),
        locale_selector=language,
    )


def language() -> str:
    """The user's choice, else the browser's; the commands speak English."""
    if not has_request_context():
        return "en"
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"
