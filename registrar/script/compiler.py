"""A script compiled: the phases in order, and the Program they give.

Everything that can be wrong with a script is found here, with its position, and reported at once;
a Program that exists runs without looking anything up by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registrar.script import nodes
from registrar.script.declare import REQUEST, Module
from registrar.script.errors import Diagnostics, Position, ScriptError, closest
from registrar.script.parameters import CORE, Parameters, read_parameters
from registrar.script.parser import parse
from registrar.script.preprocess import preprocess, read_text
from registrar.script.routes import Dropped, EndRun, RouteCell, make_cell, reachable
from registrar.script.scope import Scope
from registrar.script.source import Text
from registrar.script.statements import Statements


@dataclass(frozen=True, slots=True)
class Program:
    """A checked script, ready to run.

    parameters: module name ("core" for the global ones) to parameter name to value, defaults
    filled in. positions: (module, parameter) to where it was given, empty if it was not.
    instances: module name to what Module.create() returned. warnings: what may be a mistake.
    routes: by the names that run() takes.
    """

    parameters: Mapping[str, Mapping[str, Any]]
    positions: Mapping[tuple[str, str], tuple[Position, ...]]
    instances: Mapping[str, object]
    warnings: tuple[ScriptError, ...]
    routes: Mapping[str, RouteCell]

    def run(self, context: Any, route: str = REQUEST) -> bool:
        """Run a route: request_route, route[NAME], failure_route[NAME] ... to its end.

        True if it ended with drop. KeyError if there is no such route. ScriptError if the script
        went wrong in itself (a while without end); what a function raises comes through with a
        note of its place in the script.
        """
        body = self.routes[route].body
        context.retcode = 0
        try:
            body(context)
        except Dropped:
            return True
        except EndRun:
            return False
        return False


def compile_file(
    path: str, modules: Mapping[str, Module], core: Module, defines: Mapping[str, str] = {}
) -> Program:
    """Read and compile a file. Raises ScriptErrors with all that is wrong."""
    diagnostics = Diagnostics()
    text = read_text(Path(path), Position(path, 1, 1), diagnostics)
    diagnostics.raise_errors()
    return compile_text(text or "", modules, core, defines, path)


def compile_text(
    text: str,
    modules: Mapping[str, Module],
    core: Module,
    defines: Mapping[str, str] = {},
    file: str = "<text>",
) -> Program:
    """Compile a script. `modules` are all that exist, by name. Raises ScriptErrors."""
    diagnostics = Diagnostics()
    source = preprocess(text, file, defines, diagnostics)
    script = parse(source, diagnostics)
    loaded = _load(script, modules, core, source, diagnostics)
    parameters = read_parameters(script, loaded, modules, source, diagnostics)
    instances = _create(script, loaded, parameters, source, diagnostics)
    routes = _compile_routes(script, modules, loaded, instances, parameters, source, diagnostics)
    if REQUEST not in routes:
        diagnostics.error(Position(file, 1, 1), "there is no request_route { }")
    diagnostics.raise_errors()
    return Program(parameters.values, parameters.positions, instances, diagnostics.warnings, routes)


def _module_name(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".so")


def _load(
    script: nodes.Script,
    modules: Mapping[str, Module],
    core: Module,
    source: Text,
    diagnostics: Diagnostics,
) -> dict[str, Module]:
    loaded = {CORE: core}
    for item in script.modules:
        name = _module_name(item.path)
        if name in loaded:
            diagnostics.warning(source.position(item.at), f"module {name} is loaded already")
        elif name in modules:
            loaded[name] = modules[name]
        else:
            hint = closest(name, modules)
            diagnostics.error(source.position(item.at), f"unknown module {name}", hint)
    return loaded


def _create(
    script: nodes.Script,
    loaded: Mapping[str, Module],
    parameters: Parameters,
    source: Text,
    diagnostics: Diagnostics,
) -> dict[str, object]:
    """The instance of each loaded module whose parameters are right."""
    where = {_module_name(item.path): source.position(item.at) for item in script.modules}
    instances: dict[str, object] = {}
    for name, module in loaded.items():
        if name in parameters.faulty:
            continue
        try:
            instances[name] = module.create(parameters.values[name])
        except ValueError as error:
            position = _blame(name, str(error), parameters) or where.get(name)
            position = position or source.position(0)
            diagnostics.error(position, f"{name}: {error}")
    return instances


def _blame(module: str, message: str, parameters: Parameters) -> Position | None:
    """Where the parameter was given that the message speaks of, if it speaks of one."""
    given = {
        parameter: positions[0]
        for (owner, parameter), positions in parameters.positions.items()
        if owner == module
    }
    words = message.replace(":", " ").replace(",", " ").split()
    for parameter, position in given.items():
        if parameter in words:
            return position
    return None


def _compile_routes(
    script: nodes.Script,
    modules: Mapping[str, Module],
    loaded: Mapping[str, Module],
    instances: Mapping[str, object],
    parameters: Parameters,
    source: Text,
    diagnostics: Diagnostics,
) -> dict[str, RouteCell]:
    cells: dict[str, RouteCell] = {}
    compiled: list[tuple[nodes.Route, RouteCell]] = []
    for route in script.routes:
        cell = make_cell(route)
        before = cells.setdefault(cell.key, cell)
        if before is not cell:
            message = f"{cell.key} is defined at {source.position(before.at)} already"
            diagnostics.error(source.position(route.at), message)
        compiled.append((route, cell))
    core, depth = parameters.values[CORE], [0]
    for route, cell in compiled:
        scope = Scope(
            text=source,
            diagnostics=diagnostics,
            modules=modules,
            loaded=loaded,
            instances=instances,
            routes=cells,
            max_while_loops=core["max_while_loops"],
            max_recursive_level=core["max_recursive_level"],
            kind=route.kind,
            current=cell,
            depth=depth,
        )
        cell.body = Statements(scope).body(route.body)
    _warn_of_unused(cells, source, diagnostics)
    return cells


def _warn_of_unused(cells: Mapping[str, RouteCell], source: Text, diagnostics: Diagnostics) -> None:
    """Only route[NAME] needs a caller; the other kinds are entered from outside."""
    used: set[str] = set()
    for key in cells:
        if not key.startswith("route["):
            used |= reachable(key, cells)
    for key, cell in cells.items():
        if key.startswith("route[") and key not in used:
            diagnostics.warning(source.position(cell.at), f"{key} is never called")
