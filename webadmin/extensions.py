"""The pages of telephone extensions: the list with live state, and everything done to one."""

from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)

from webadmin import directory, passwords
from webadmin.config import current_config
from webadmin.db import db
from webadmin.delivery import current_services, new_change
from webadmin.directory import DirectoryError
from webadmin.forms import TYPE, CreateForm, EditForm, PasswordForm, RenameForm, ResetForm
from webadmin.languages import LANGUAGES, gettext, language
from webadmin.merging import MISSING, OLDER
from webadmin.models import Extension
from webadmin.publisher import PublishError
from webadmin.recovery import recover_one
from webadmin.registrar_client import Device, RegistrarError

PAGE_SIZE: Final = 50

blueprint = Blueprint("extensions", __name__, url_prefix="/extensions")


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@dataclass(frozen=True, slots=True)
class Live:
    """What the registrar says now. `trouble`: why it says nothing."""

    devices: dict[str, list[Device]]
    trouble: str = ""


def _live(usernames: list[str]) -> Live:
    try:
        return Live(current_services().registrar.devices(usernames))
    except RegistrarError as error:
        return Live({}, str(error))


@dataclass(frozen=True, slots=True)
class Alarm:
    number: str
    text: str
    detail: str
    has_row: bool
    has_record: bool  # so that the database can take it back


def _alarms() -> list[Alarm]:
    """Every extension that is not in force as the database has it, in words. Those of other
    realms are the doctor's."""
    realm = current_config().realm
    publisher = current_services().publisher
    alarms = []
    for (of_realm, username), detail in sorted(publisher.faults().items()):
        if of_realm != realm:
            continue
        if detail == MISSING:
            text = gettext("The database has lost this extension; its phone still works.")
        elif detail == OLDER:
            text = gettext("The database holds an older state; the newer one is in force.")
        else:
            text = gettext("Its password in the database cannot be read.")
        has_record = (of_realm, username) not in publisher.unpublished
        alarms.append(Alarm(username, text, detail, detail != MISSING, has_record))
    return alarms


def _existing(number: str) -> Extension:
    return directory.find(db.session(), current_config().realm, number) or abort(404)


def _delivered(number: str, sentence: str) -> dict[str, Any]:
    """Publishes what was just committed; what the page says about it."""
    delivery = current_services().deliver((current_config().realm, number))
    return {"sentence": sentence, **asdict(delivery)}


def _back_to(number: str, sentence: str) -> Response:
    flash(_delivered(number, sentence), "delivery")  # type: ignore[arg-type]
    return make_response(redirect(url_for("extensions.show", number=number)))


@blueprint.get("")
def index() -> str:
    text = request.args.get("q", "").strip()
    number = request.args.get("page", 1, type=int)
    page = directory.page(db.session(), current_config().realm, text, number, PAGE_SIZE)
    live = _live([extension.username for extension in page.extensions])
    return render_template(
        "extensions.html", page=page, text=text, live=live, alarms=_alarms(), languages=LANGUAGES
    )


@blueprint.route("/new", methods=["GET", "POST"])
def new() -> Response | str:
    form = CreateForm(request.form, data={"language": language()})
    if request.method == "POST" and form.validate():
        number = form.number.data or ""
        password = _chosen(form)
        try:
            with new_change() as change:
                change.create(
                    number,
                    password,
                    display_name=form.name.data or "",
                    language=form.language.data or "en",
                )
        except DirectoryError as error:
            form.number.errors = [str(error)]
        else:
            sentence = gettext("Extension %(number)s was created.", number=number)
            return _with_password(number, form, password, sentence)
    return render_template("new.html", form=form)


@blueprint.route("/<number>", methods=["GET", "POST"])
def show(number: str) -> Response | str:
    extension = _existing(number)
    editing = request.method == "POST"
    form = EditForm(
        request.form if editing else None,
        data={"name": extension.display_name, "language": extension.language},
    )
    if editing and form.validate():
        with new_change() as change:
            change.edit(
                number, display_name=form.name.data or "", language=form.language.data or "en"
            )
        return _back_to(number, gettext("The changes were saved."))
    return _page(extension, form, ResetForm(None, number))


def _page(extension: Extension, form: EditForm, reset: ResetForm) -> str:
    number = extension.username
    live = _live([number])
    return render_template(
        "extension.html",
        extension=extension,
        form=form,
        reset=reset,
        devices=live.devices.get(number, []),
        trouble=live.trouble,
        alarms=[alarm for alarm in _alarms() if alarm.number == number],
    )


@blueprint.post("/<number>/password")
def reset_password(number: str) -> Response | str:
    extension = _existing(number)
    form = ResetForm(request.form, number)
    if not form.validate():
        data = {"name": extension.display_name, "language": extension.language}
        return _page(extension, EditForm(None, data=data), form)
    password = _chosen(form)
    with new_change() as change:
        change.set_password(number, password)
    return _with_password(number, form, password, gettext("The password was changed."))


@blueprint.route("/<number>/rename", methods=["GET", "POST"])
def rename(number: str) -> Response | str:
    extension = _existing(number)
    form = RenameForm(request.form)
    if request.method == "POST" and form.validate():
        to, password = form.number.data or "", _chosen(form)
        try:
            with new_change() as change:
                change.rename(number, to, password)
        except DirectoryError as error:
            form.number.errors = [str(error)]
        else:
            sentence = gettext("Extension %(old)s is now %(new)s.", old=number, new=to)
            return _with_password(to, form, password, sentence)
    return render_template("rename.html", extension=extension, form=form)


@blueprint.post("/<number>/disable")
def disable(number: str) -> Response:
    with new_change() as change:
        change.set_enabled(number, False)
    return _back_to(number, gettext("The extension was disabled."))


@blueprint.post("/<number>/enable")
def enable(number: str) -> Response:
    with new_change() as change:
        change.set_enabled(number, True)
    return _back_to(number, gettext("The extension was enabled."))


@blueprint.route("/<number>/delete", methods=["GET", "POST"])
def delete(number: str) -> Response | str:
    extension = _existing(number)
    if request.method == "GET":
        return render_template("delete.html", extension=extension)
    with new_change() as change:
        change.delete(number)
    sentence = gettext("Extension %(number)s was deleted.", number=number)
    flash(_delivered(number, sentence), "delivery")  # type: ignore[arg-type]
    return make_response(redirect(url_for("extensions.index")))


@blueprint.post("/<number>/recover")
def recover(number: str) -> Response:
    """Takes what is in force back into the database."""
    try:
        published = current_services().publisher.snapshot()
    except PublishError as error:
        flash({"sentence": str(error), "serial": 0, "reason": ""}, "problem")  # type: ignore[arg-type]
        return make_response(redirect(url_for("extensions.index")))
    with new_change() as change:
        if not recover_one(change, published, (current_config().realm, number)):
            abort(404)
    flash(_delivered(number, gettext("The database has it again.")), "delivery")  # type: ignore[arg-type]
    return make_response(redirect(url_for("extensions.index")))


def _chosen(form: PasswordForm) -> str:
    if form.how.data == TYPE:
        return form.password.data or ""
    return passwords.generate()


def _with_password(number: str, form: PasswordForm, password: str, sentence: str) -> str:
    """The one page that ever shows a password: the answer to the POST itself, kept by nobody."""
    return render_template(
        "password.html",
        number=number,
        password="" if form.how.data == TYPE else password,
        server=current_config().sip_address or urlsplit(request.host_url).hostname,
        delivery=_delivered(number, sentence),
    )


@blueprint.errorhandler(DirectoryError)
def _refused(error: DirectoryError) -> tuple[str, int]:
    return render_template("error.html", title=str(error), detail=""), 409
