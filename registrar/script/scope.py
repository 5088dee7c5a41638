"""The names a script can use: functions and variables of the modules it loads, and its routes.

Looks names up while compiling, and explains those it does not find. Knows every existing module,
loaded or not, so as to say which one is missing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from registrar.script.declare import REQUEST, Function, Module, PseudoVariable
from registrar.script.errors import Diagnostics, closest
from registrar.script.routes import RouteCell, called_key
from registrar.script.source import Text

_Declared = TypeVar("_Declared", Function, PseudoVariable)


@dataclass(slots=True)
class Scope:
    """Everything names are looked up in. `instances` has one entry per loaded module."""

    text: Text
    diagnostics: Diagnostics
    modules: Mapping[str, Module]  # all that exist
    loaded: Mapping[str, Module]  # the core and what loadmodule opened
    instances: Mapping[str, object]
    routes: dict[str, RouteCell]
    max_while_loops: int
    max_recursive_level: int
    kind: str = REQUEST  # of the route being compiled
    current: RouteCell | None = None
    depth: list[int] = field(default_factory=lambda: [0])  # of recursive routes, while running

    def error(self, at: int, message: str, suggestion: str | None = None) -> None:
        self.diagnostics.error(self.text.position(at), message, suggestion)

    def warning(self, at: int, message: str) -> None:
        self.diagnostics.warning(self.text.position(at), message)

    def function(self, at: int, name: str) -> tuple[Function, object] | None:
        """The function and its module's instance, or None and an error."""
        return self._find(at, name, f"{name}()", "function", lambda module: module.functions)

    def variable(self, at: int, name: str) -> tuple[PseudoVariable, object] | None:
        """The variable and its module's instance, or None and an error."""
        return self._find(at, name, f"${name}", "variable", lambda module: module.variables)

    def _find(
        self,
        at: int,
        name: str,
        shown: str,
        what: str,
        table: Callable[[Module], tuple[_Declared, ...]],
    ) -> tuple[_Declared, object] | None:
        names: list[str] = []
        for module_name, module in self.loaded.items():
            for declared in table(module):
                if declared.name == name:
                    return declared, self.instances.get(module_name)
                names.append(declared.name)
        for module_name, module in self.modules.items():
            if any(declared.name == name for declared in table(module)):
                self.error(at, f'{what} {shown} needs loadmodule "{module_name}.so"')
                return None
        hint = closest(name, names)
        suggestion = shown.replace(name, hint) if hint else None
        self.error(at, f"unknown {what} {shown}", suggestion)
        return None

    def route(self, at: int, name: str) -> RouteCell | None:
        """The route that route(name) calls, or None and an error."""
        key = called_key(name)
        cell = self.routes.get(key)
        if cell is None:
            names = [key[6:-1] for key in self.routes if key.startswith("route[")]
            hint = closest(name, names)
            suggestion = f"route({hint})" if hint else None
            self.error(at, f"there is no route[{name}]", suggestion)
        return cell

    def has_route_named(self, at: int, name: str) -> bool:
        """Whether any kind of route has this name, as arguments of functions need it."""
        keys = [key for key in self.routes if key.endswith(f"[{name}]")]
        if self.current is not None:
            self.current.names.update(keys)
        if not keys:
            hint = closest(name, list(self._route_names()))
            self.error(at, f"there is no route named {name}", hint)
        return bool(keys)

    def _route_names(self) -> Iterator[str]:
        for key in self.routes:
            if key.endswith("]"):
                yield key[key.index("[") + 1 : -1]
