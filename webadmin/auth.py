"""Logging in and out. Every page but these, the style and the health check needs a log-in."""

import secrets
import time
from typing import Final
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_login import (  # type: ignore[import-untyped]
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
)
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from webadmin.db import db
from webadmin.forms import LoginForm
from webadmin.models import Admin, verify_admin
from webadmin.throttle import Throttle, network

PUBLIC: Final = frozenset({"auth.login", "pages.health", "pages.set_language", "static"})
KNOWN_BROWSER: Final = "known"
YEAR: Final = 365 * 86400

blueprint = Blueprint("auth", __name__)


class SessionUser(UserMixin):  # type: ignore[misc]
    """Who is logged in. The id names the password too, so a new password ends the session."""

    def __init__(self, admin: Admin) -> None:
        self.username = admin.username
        self.id = f"{admin.id}.{admin.session_id}"


def init_app(app: Flask) -> None:
    manager = LoginManager()
    manager.init_app(app, add_context_processor=False)  # an error page must not load the user
    manager.session_protection = None  # phones and laptops change their address all day
    manager.user_loader(_load_user)
    app.before_request(_require_login)
    app.config["QAYD_THROTTLE"] = Throttle()
    app.register_blueprint(blueprint)


def username() -> str:
    """Who is logged in; empty: nobody, or the database cannot say."""
    try:
        return current_user.username if current_user.is_authenticated else ""
    except SQLAlchemyError:
        return ""


def _load_user(identity: str) -> SessionUser | None:
    number, _, session_id = identity.partition(".")
    admin = db.session.get(Admin, int(number)) if number.isdecimal() else None
    if admin is None or not secrets.compare_digest(admin.session_id, session_id):
        return None
    return SessionUser(admin)


def _require_login() -> Response | None:
    if request.endpoint in PUBLIC or current_user.is_authenticated:
        return None
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return make_response(redirect(url_for("auth.login", next=wanted)))


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> Response:
    if current_user.is_authenticated:
        return make_response(redirect(safe_target(request.args.get("next", ""))))
    form = LoginForm(request.form)
    status, wait, failed = 200, 0.0, False
    if request.method == "POST" and form.validate():
        throttle: Throttle = current_app.config["QAYD_THROTTLE"]
        name = form.username.data or ""
        source = _source(name)
        wait = throttle.wait(source, time.monotonic())
        if wait:
            status = 429
        else:
            admin = db.session.scalars(select(Admin).where(Admin.username == name)).one_or_none()
            if verify_admin(admin, form.password.data or "") and admin is not None:
                throttle.succeeded(source)
                return _logged_in(admin)
            throttle.failed(source, time.monotonic())
            current_app.logger.warning("log-in failed from %s", network(request.remote_addr))
            status, failed = 403, True
    response = make_response(
        render_template("login.html", form=form, wait=int(wait) + 1 if wait else 0, failed=failed),
        status,
    )
    if wait:
        response.headers["Retry-After"] = str(int(wait) + 1)
    return response


def _logged_in(admin: Admin) -> Response:
    """A new session altogether: nothing from before the log-in lives on in it."""
    target = safe_target(request.args.get("next", ""))
    session.clear()
    session.permanent = True
    login_user(SessionUser(admin))
    response = make_response(redirect(target))
    response.set_cookie(
        KNOWN_BROWSER,
        _browsers().dumps([admin.username, secrets.token_hex(8)]),
        max_age=YEAR,
        httponly=True,
        samesite="Lax",
        secure=session_is_secure(),
    )
    return response


@blueprint.post("/logout")
def logout() -> Response:
    """Ends every session of this administrator: a copied cookie must not outlive the log-out."""
    admin = db.session.scalars(select(Admin).where(Admin.username == username())).one_or_none()
    if admin is not None:
        admin.session_id = secrets.token_hex(16)
        db.session.commit()
    logout_user()
    session.clear()
    return make_response(redirect(url_for("auth.login")))


def session_is_secure() -> bool:
    return request.is_secure or current_app.config["QAYD"].secure_cookies


def _source(username: str) -> str:
    """Whose failures are counted together: of a browser that this administrator has used before,
    or of a network address."""
    try:
        known, browser = _browsers().loads(request.cookies.get(KNOWN_BROWSER, ""))
    except (BadSignature, ValueError, TypeError):
        known = browser = None
    if known is not None and known == username:
        return f"browser {browser}"
    return network(request.remote_addr)


def _browsers() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="known browser")


def safe_target(target: str) -> str:
    """Where the user wanted to go, if that is a page of ours; else the list."""
    ours = target.startswith("/") and not target.startswith(("//", "/\\"))
    if ours and target.isprintable() and not urlsplit(target).netloc:
        return target
    return url_for("extensions.index")
