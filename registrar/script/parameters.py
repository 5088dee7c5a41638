"""Global parameters and modparams: written values to checked values, defaults filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from registrar.script import nodes
from registrar.script.declare import Module, Parameter
from registrar.script.errors import Diagnostics, Position, closest
from registrar.script.expression_parser import BOOLEANS, to_integer, unknown_word
from registrar.script.source import Text

CORE: Final = "core"
LANGUAGE: Final = (
    Parameter("max_while_loops", 100, int, 1, 1_000_000, help="rounds after which while stops"),
    Parameter("max_recursive_level", 256, int, 1, 10_000, help="how deep routes call each other"),
)
_NUMBER: Final = re.compile(r"-?(0[xX][0-9a-fA-F]+|[0-9]{1,19})", re.ASCII)


@dataclass(slots=True)
class Parameters:
    """Per module name: values, and per (module, parameter) where they were given."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    positions: dict[tuple[str, str], tuple[Position, ...]] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)  # modules with a wrong parameter


def read_parameters(
    script: nodes.Script,
    loaded: Mapping[str, Module],
    existing: Mapping[str, Module],
    text: Text,
    diagnostics: Diagnostics,
) -> Parameters:
    """The parameters of the core and of all loaded modules."""
    reader = _Reader(loaded, existing, text, diagnostics)
    for item in script.globals:
        reader.read_global(item)
    for modparam in script.modparams:
        reader.read_modparam(modparam)
    return reader.result


class _Reader:
    def __init__(
        self,
        loaded: Mapping[str, Module],
        existing: Mapping[str, Module],
        text: Text,
        diagnostics: Diagnostics,
    ) -> None:
        self._existing = existing
        self._text = text
        self._diagnostics = diagnostics
        self._tables = {
            name: {parameter.name: parameter for parameter in module.parameters}
            for name, module in loaded.items()
        }
        self._tables[CORE] = {p.name: p for p in LANGUAGE} | self._tables[CORE]
        self.result = Parameters(
            {
                module: {name: parameter.default for name, parameter in table.items()}
                for module, table in self._tables.items()
            }
        )

    def _error(self, at: int, message: str, suggestion: str | None = None) -> None:
        self._diagnostics.error(self._text.position(at), message, suggestion)

    def read_global(self, item: nodes.Global) -> None:
        table = self._tables[CORE]
        parameter = table.get(item.name)
        if parameter is None:
            self._error(item.at, f"unknown global parameter {item.name}", closest(item.name, table))
            return
        if len(item.values) > 1 and not parameter.repeatable:
            self._error(item.values[1].at, f"{item.name} takes one value")
            self.result.faulty.add(CORE)
            return
        for word in item.values:
            self._store(CORE, parameter, word, item.at, bare_strings=True)

    def read_modparam(self, item: nodes.ModParam) -> None:
        for module in self._matching(item.module):
            table = self._tables[module]
            parameter = table.get(item.name.value)
            if parameter is None:
                message = f"module {module} has no parameter {item.name.value}"
                self._error(item.name.at, message, closest(item.name.value, table))
                self.result.faulty.add(module)
            else:
                self._store(module, parameter, item.value, item.at)

    def _matching(self, word: nodes.Word) -> list[str]:
        """The loaded modules that the pattern names; none and an error if there are none."""
        try:
            pattern = re.compile(word.value)
        except (re.error, OverflowError, RecursionError) as error:
            self._error(word.at, f"this is no pattern for modules: {error}")
            return []
        found = [name for name in self._tables if name != CORE and pattern.fullmatch(name)]
        if not found:
            asleep = [name for name in self._existing if pattern.fullmatch(name)]
            if asleep:
                self._error(word.at, f'this needs loadmodule "{asleep[0]}.so"')
            else:
                hint = closest(word.value, self._existing)
                self._error(word.at, f"unknown module {word.value}", hint)
        return found

    def _store(
        self,
        module: str,
        parameter: Parameter,
        word: nodes.Word,
        at: int,
        bare_strings: bool = False,
    ) -> None:
        try:
            value = _convert(parameter, word, bare_strings)
            if parameter.check is not None:
                parameter.check(value)
        except ValueError as error:
            self._error(word.at, f"{parameter.name}: {error}")
            self.result.faulty.add(module)
            return
        values, key = self.result.values[module], (module, parameter.name)
        position = self._text.position(at)
        before = self.result.positions.get(key, ())
        if parameter.ignored:
            message = f"{parameter.name} is accepted without effect: {parameter.ignored}"
            self._diagnostics.warning(position, message)
        if parameter.repeatable:
            values[parameter.name] = (*values[parameter.name], value) if before else (value,)
            self.result.positions[key] = (*before, position)
            return
        if before:
            message = f"{parameter.name} was given at {before[-1]} already; this one counts"
            self._diagnostics.warning(position, message)
        values[parameter.name] = value
        self.result.positions[key] = (position,)


def _convert(parameter: Parameter, word: nodes.Word, bare_strings: bool) -> int | str:
    """The written value as the parameter's type. Raises ValueError with what to write instead."""
    if parameter.type is not int:
        if word.quoted or bare_strings:
            return word.value
        if _NUMBER.fullmatch(word.value):
            raise ValueError(f'a string is needed, not a number: "{word.value}"')
        raise ValueError(unknown_word(word.value))
    if word.quoted:
        raise ValueError(f'a number is needed, not the string "{word.value}"')
    number = BOOLEANS.get(word.value)
    if number is None:
        if not _NUMBER.fullmatch(word.value):
            raise ValueError(f"a number is needed, not {word.value}")
        negative = word.value.startswith("-")
        number = to_integer(word.value.removeprefix("-")) * (-1 if negative else 1)
    if parameter.minimum is not None and number < parameter.minimum:
        raise ValueError(f"{number} is below {parameter.minimum}, the least it can be")
    if parameter.maximum is not None and number > parameter.maximum:
        raise ValueError(f"{number} is above {parameter.maximum}, the most it can be")
    return number
