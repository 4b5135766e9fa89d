"""How a command ends: every expected failure as one line and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from services.local import interrupt
from services.local.interrupt import EXIT_INTERRUPTED
from services.runtime import ConfigurationError, CorpusworksError, DeadLetterFlood
from services.runtime.errors import EXIT_CONFIGURATION, EXIT_FLOOD

__all__ = ["EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_WRONG", "errors", "fail"]

EXIT_WRONG = 1
EXIT_FAILED = 3


def fail(message: object, code: int) -> NoReturn:
    """End with one line on standard error."""
    if interrupt.came():  # and this is what was made of it
        interrupt.leave()
    print(f"corpusworks: {message}", file=sys.stderr)
    sys.exit(code)


@contextmanager
def errors() -> Iterator[None]:
    """Round the whole command."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it tells of every retry
    try:
        yield
    except ConfigurationError as error:
        fail(error, EXIT_CONFIGURATION)
    except DeadLetterFlood as error:
        fail(error, EXIT_FLOOD)
    except CorpusworksError as error:
        fail(error, EXIT_FAILED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has seen enough
