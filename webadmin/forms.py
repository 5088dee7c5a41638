"""The forms: what is read from a request, and the sentence beside a field that is wrong.

CSRF is checked for every POST by webadmin.db.csrf; the templates put the token in.
"""

from typing import Any

from wtforms import Form, PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired, Length, Regexp, ValidationError

from webadmin.directory import DISPLAY_NAME_SIZE, USERNAME
from webadmin.languages import LANGUAGES, gettext, lazy_gettext
from webadmin.passwords import objection

GENERATE, TYPE = "generate", "type"


def _stripped(value: str | None) -> str:
    return (value or "").strip()


def _required() -> InputRequired:
    return InputRequired(lazy_gettext("Fill this in."))


def _at_most(count: int) -> Length:
    return Length(max=count, message=lazy_gettext("At most %(max)d characters."))


def _number() -> StringField:
    return StringField(
        lazy_gettext("Number"),
        [
            _required(),
            Regexp(
                rf"^{USERNAME.pattern}\Z",
                message=lazy_gettext(
                    "A number has 1 to 64 of these: A-Z, a-z, 0-9, full stop, underscore,"
                    " plus and minus."
                ),
            ),
        ],
        filters=[_stripped],
    )


class LoginForm(Form):
    username = StringField(lazy_gettext("Username"), [_required(), _at_most(64)])
    password = PasswordField(lazy_gettext("Password"), [_required(), _at_most(1024)])


class PasswordForm(Form):
    """A password that is generated, or typed twice and judged by the policy."""

    how = RadioField(
        lazy_gettext("Password"),
        choices=[
            SelectChoice(GENERATE, lazy_gettext("Generate a password")),
            SelectChoice(TYPE, lazy_gettext("Type a password")),
        ],
        default=GENERATE,
    )
    password = PasswordField(lazy_gettext("New password"))
    again = PasswordField(lazy_gettext("Repeat the password"))

    def validate_password(self, field: Any) -> None:
        if self.how.data != TYPE:
            return
        complaint = objection(field.data or "", self.for_number())
        if complaint:
            raise ValidationError(complaint)

    def validate_again(self, field: Any) -> None:
        if self.how.data == TYPE and field.data != self.password.data:
            raise ValidationError(gettext("The two passwords are not the same."))

    def for_number(self) -> str:
        """The number that the password must not contain."""
        raise NotImplementedError


class ResetForm(PasswordForm):
    def __init__(self, formdata: Any, number: str) -> None:
        super().__init__(formdata)
        self._reset = number

    def for_number(self) -> str:
        return self._reset


class EditForm(Form):
    name = StringField(
        lazy_gettext("Name"),
        [_at_most(DISPLAY_NAME_SIZE)],
        filters=[_stripped],
    )
    language = SelectField(
        lazy_gettext("Language"),
        choices=[SelectChoice(code, name) for code, name in LANGUAGES.items()],
        default="en",
    )

    def validate_name(self, field: Any) -> None:
        if field.data and not field.data.isprintable():
            raise ValidationError(gettext("The name has characters that cannot be shown."))


class CreateForm(EditForm, PasswordForm):
    number = _number()

    def for_number(self) -> str:
        return self.number.data or "\0"


class RenameForm(PasswordForm):
    number = _number()

    def for_number(self) -> str:
        return self.number.data or "\0"
