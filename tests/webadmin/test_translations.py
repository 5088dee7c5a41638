"""No text is left in English, and none is guessed."""

import io
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from tests.webadmin.conftest import Site
from webadmin import create_app
from webadmin.config import ConfigError
from webadmin.languages import TRANSLATED

ROOT = Path("webadmin")
PLACE = re.compile(r"%\(\w+\)[sd]")


def extracted() -> set[str]:
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    keywords = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
    found = extract_from_dir(str(ROOT), methods, keywords=keywords)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


@pytest.mark.parametrize("language", TRANSLATED)
def test_it_says_everything_in_every_language(language: str) -> None:
    path = ROOT / "translations" / language / "LC_MESSAGES" / "messages.po"
    catalog = read_po(io.BytesIO(path.read_bytes()), locale=language)
    known = {_singular(message.id): message for message in catalog if message.id}
    assert extracted() - known.keys() == set(), "run pybabel extract and update"
    assert known.keys() - extracted() == set(), "these are said nowhere any more"
    assert len(extracted()) > 90
    for text, message in known.items():
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert not message.fuzzy, text
        if message.pluralizable:
            assert len(strings) == catalog.num_plurals, text
        for string in strings:
            assert string, text
            assert set(PLACE.findall(string)) == set(PLACE.findall(text)), text
            assert string.endswith(".") == text.endswith("."), text
            assert "'" not in string, f"{text}: the apostrophe of Uzbek is ‘ or ’"


@pytest.mark.parametrize("language", TRANSLATED)
def test_it_compiles(language: str) -> None:
    path = ROOT / "translations" / language / "LC_MESSAGES" / "messages.mo"
    catalog: Catalog = read_mo(io.BytesIO(path.read_bytes()))
    assert len(catalog) > 90


def test_it_does_not_start_with_half_a_language(
    light: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webadmin.languages.TRANSLATED", ("uz", "ru", "xx"))
    with pytest.raises(ConfigError, match="pybabel compile"):
        create_app(light.config)


def _singular(text: str | tuple[str, ...] | list[str]) -> str:
    return text if isinstance(text, str) else text[0]
