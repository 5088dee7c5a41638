"""What every page has: headers, the choice of language, errors in words, the health check."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
)
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError  # type: ignore[import-untyped]
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from webadmin.auth import YEAR, safe_target, session_is_secure, username
from webadmin.db import db
from webadmin.languages import (
    COOKIE,
    LANGUAGES,
    format_datetime,
    format_timedelta,
    gettext,
    language,
)
from webadmin.publisher import cause

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

blueprint = Blueprint("pages", __name__)


class _Sessions(SecureCookieSessionInterface):
    """Marks the cookie Secure when the request came by https, or when told to."""

    def get_cookie_secure(self, _app: Flask) -> bool:
        return session_is_secure()


def init_app(app: Flask) -> None:
    app.session_interface = _Sessions()
    app.register_blueprint(blueprint)
    app.after_request(_headers)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(SQLAlchemyError, _database_error)
    app.context_processor(_for_templates)
    app.add_template_filter(_detail, "detail")
    app.add_template_filter(_duration, "duration")
    app.add_template_filter(_moment, "moment")


@blueprint.get("/")
def home() -> Response:
    return make_response(redirect("/extensions"))


@blueprint.get("/health")
def health() -> tuple[str, int, dict[str, str]]:
    """For whoever watches over the machine: is the database there?"""
    db.session.execute(text("SELECT 1"))
    return "ok\n", 200, {"Content-Type": "text/plain"}


@blueprint.post("/language")
def set_language() -> Response:
    response = make_response(redirect(safe_target(request.form.get("next", ""))))
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        response.set_cookie(
            COOKIE,
            chosen,
            max_age=YEAR,
            httponly=True,
            samesite="Lax",
            secure=session_is_secure(),
        )
    return response


def _headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = f"max-age={YEAR}"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _for_templates() -> dict[str, Any]:
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return {
        "language": language(),
        "languages": LANGUAGES,
        "here": here,
        "username": username(),
    }


def _csrf_error(_error: CSRFError) -> tuple[str, int]:
    return _page(
        400,
        gettext("This form is too old"),
        gettext("Nothing was changed. Go back, load the page again and repeat."),
    )


def _http_error(error: HTTPException) -> Response | tuple[str, int]:
    if error.response is not None or (error.code or 500) < 400:
        return make_response(error.get_response())
    if error.code == 404:
        return _page(404, gettext("There is no such page"), "")
    if error.code == 405:
        return _page(405, gettext("This page does not do that"), "")
    if error.code in (400, 413):
        return _page(error.code, gettext("The request is not understood"), "")
    return _page(
        error.code or 500,
        gettext("Something went wrong"),
        gettext("It was written to the log. Phones are not affected."),
    )


def _database_error(error: SQLAlchemyError) -> tuple[str, int]:
    # the exception itself may quote a statement's parameters, so only its cause is logged
    current_app.logger.error("the database does not answer: %s", cause(error))
    return _page(
        503,
        gettext("The database does not answer"),
        gettext(
            "If you were saving something, look whether it was saved before you repeat it."
            " Phones are not affected: they need no database."
        ),
    )


def _page(status: int, title: str, detail: str) -> tuple[str, int]:
    return render_template("error.html", title=title, detail=detail), status


def _detail(reason: str) -> str:
    """What a sentence in the user's language does not say already."""
    return reason.removeprefix("the registrar does not answer: ")


def _duration(since: float) -> str:
    """How long ago, in words: "5 minutes"."""
    return format_timedelta(timedelta(seconds=max(0.0, time.time() - since)), threshold=1.2)


def _moment(when: float) -> str:
    return format_datetime(datetime.fromtimestamp(when, UTC), "medium")
