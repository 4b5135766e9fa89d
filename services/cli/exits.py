"""How a command ends: every expected failure as one line and an exit code."""

from __future__ import annotations

import errno
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
# Of a path that was given, or of its disk; anything else that the system refuses is a mistake of ours.
_OF_A_PATH = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
}


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
    except OSError as error:
        if error.errno not in _OF_A_PATH:
            raise
        fail(f"{error.filename or 'a file'} cannot be used: {error.strerror}", EXIT_CONFIGURATION)
