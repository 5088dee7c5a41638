"""Routes as the compiled program knows them, and the signals by which their statements end.

A statement gives None to go on with the next one, or a signal that its block hands on.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final

from registrar.script.declare import REQUEST
from registrar.script.nodes import Route, RouteCall

Signal = int | None
Run = Callable[[Any], Signal]

BREAK: Final = 1
RETURN: Final = 2
EXIT: Final = 3


class EndRun(Exception):
    """Ends the run from inside a larger expression, where no signal can be handed on."""


class Dropped(EndRun):
    """Ends the run by drop, which the caller of the program is told of."""


@dataclass(slots=True)
class RouteCell:
    """A route's place, known before its body is compiled, so that routes can call each other."""

    key: str
    at: int
    body: Run
    calls: frozenset[str]  # keys of the routes it calls
    names: set[str] = field(default_factory=set)  # keys of the routes given to its functions


def route_key(kind: str, name: str) -> str:
    """How a route is called from outside: request_route, route[NAME], failure_route[NAME]."""
    if not name:
        return kind
    return f"{'route' if kind == REQUEST else kind}[{name}]"


def called_key(name: str) -> str:
    """The key of the route that route(name) calls."""
    return route_key(REQUEST, "" if name == "0" else name)


def make_cell(route: Route) -> RouteCell:
    calls = frozenset(called_key(call.route) for call in _route_calls(route))
    return RouteCell(route_key(route.kind, route.name), route.at, lambda _context: None, calls)


def _route_calls(node: object) -> Iterator[RouteCall]:
    if isinstance(node, RouteCall):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _route_calls(item)
    elif is_dataclass(node):
        for part in fields(node):
            yield from _route_calls(getattr(node, part.name))


def reachable(key: str, routes: Mapping[str, RouteCell]) -> set[str]:
    """The routes that `key` leads to; itself only if it calls itself, at once or by others."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        cell = routes.get(waiting.pop())
        if cell is not None:
            new = (cell.calls | cell.names) - found
            found |= new
            waiting.extend(new)
    return found
