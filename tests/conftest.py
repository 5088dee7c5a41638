"""What every test may use."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def new_directory() -> Iterator[Callable[[], Path]]:
    """Makes directories with short paths (a Unix socket's has at most 107 bytes); they go at the
    end of the test."""
    made: list[Path] = []

    def new() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="q", dir="/tmp")))
        return made[-1]

    yield new
    for directory in made:
        shutil.rmtree(directory)
