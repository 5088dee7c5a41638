"""Kamailio's modules, one file each, named as Kamailio names them."""

from collections.abc import Mapping
from typing import Final

from registrar.modules import (
    auth,
    auth_db,
    core,
    jsonrpcs,
    maxfwd,
    pv,
    registrar,
    sanity,
    siputils,
    sl,
    textops,
    usrloc,
    xlog,
)
from registrar.script.declare import Module

CORE: Final = core.MODULE
MODULES: Final[Mapping[str, Module]] = {
    file.MODULE.name: file.MODULE
    for file in (
        auth,
        auth_db,
        jsonrpcs,
        maxfwd,
        pv,
        registrar,
        sanity,
        siputils,
        sl,
        textops,
        usrloc,
        xlog,
    )
}
