"""What ends a run that its user can mend; each says in one line what is wrong and what to do.

TrainerError
├── ConfigError        a configuration, an option or a mixture of them that cannot be       exit 2
├── DataError          what is in the store cannot be used: a part that is missing,         exit 1
│   │                  cut or of another vocabulary, no catalog yet
│   ├── CheckpointError    a checkpoint that is not there, not whole or of another shape
│   └── StoreDown          the store cannot be read or written: away, full, not allowed
└── Unstable               the loss spiked too often; the run was stopped, what it made stands   exit 1
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NoReturn


class TrainerError(Exception):
    """The root. exit_code: how the process ends."""

    exit_code: ClassVar[int] = 1


class ConfigError(TrainerError):
    """A configuration or option that cannot be."""

    exit_code = 2


class DataError(TrainerError):
    """What is in the store cannot be used."""


class CheckpointError(DataError):
    """A checkpoint that is not there, not whole or of another shape."""


class StoreDown(DataError):
    """The store cannot be read or written."""


class Unstable(TrainerError):
    """The loss spiked too often; more steps would waste the machine."""


@contextmanager
def errors(program: str) -> Iterator[None]:
    """Round a whole command: an expected failure is its lines on standard error and an exit code."""
    try:
        yield
    except TrainerError as error:
        _fail(program, error)


def _fail(program: str, error: TrainerError) -> NoReturn:
    for line in str(error).splitlines():
        print(f"{program}: {line}", file=sys.stderr)
    sys.exit(error.exit_code)
