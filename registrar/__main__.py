"""python -m registrar: Kamailio's flags where it has them."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence

from registrar.keyring import KeyFileError
from registrar.modules import CORE, MODULES
from registrar.script.compiler import Program, compile_file
from registrar.script.errors import ScriptErrors
from registrar.server import VERSION, Server, StartError
from registrar.settings import Settings
from registrar.snapshot import SnapshotError, SnapshotFile, read_keys


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m registrar", description="The Qayd SIP registrar, in the foreground."
    )
    parser.add_argument("-f", metavar="FILE", required=True, help="the configuration file")
    parser.add_argument("-c", action="store_true", help="check the configuration and exit")
    parser.add_argument(
        "-A",
        metavar="NAME[=VALUE]",
        action="append",
        default=[],
        help="define a name, as #!define does; text values carry their double quotes",
    )
    parser.add_argument(
        "--show-snapshot",
        action="store_true",
        help="tell serial, count and age of the published snapshot, and exit",
    )
    parser.add_argument("-v", "--version", action="version", version=f"qayd {VERSION}")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """0 when all went well, 1 when not, with the reason on standard error."""
    arguments = _arguments(given)
    os.umask(0o077)
    defines = dict(_definition(text) for text in arguments.A)
    try:
        program = compile_file(arguments.f, MODULES, CORE, defines)
        for warning in program.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        settings = Settings.of(program.parameters)
        if arguments.c:
            print(f"{arguments.f}: the configuration is good")
            return 0
        if arguments.show_snapshot:
            return _show_snapshot(settings)
        return _serve(program, settings)
    except ScriptErrors as error:
        print(error, file=sys.stderr)
    except (KeyFileError, SnapshotError, StartError, OSError) as error:
        print(f"registrar: {error}", file=sys.stderr)
    return 1


def _definition(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _show_snapshot(settings: Settings) -> int:
    """Serial, count, age; never a secret."""
    reading = SnapshotFile(settings.snapshot, read_keys(settings.snapshot_key)).read()
    snapshot = reading.snapshot
    disabled = sum(1 for one in snapshot.credentials.values() if not one.enabled)
    print(f"file      {settings.snapshot}")
    print(f"serial    {snapshot.serial}")
    print(f"count     {snapshot.count()} extensions, {disabled} of them disabled")
    print(f"age       {max(0, round(time.time() - snapshot.published))} seconds")
    for credential in snapshot.credentials.values():
        if credential.fault:
            print(f"fault     {credential.username}: {credential.fault}")
    if reading.waiting_for:
        print(f"waiting   {reading.waiting_for}")
    return 0


def _serve(program: Program, settings: Settings) -> int:
    level = {0: logging.WARNING, 1: logging.INFO, 2: logging.INFO}.get(
        settings.debug, logging.DEBUG if settings.debug > 2 else logging.ERROR
    )
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    Server(program, settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
