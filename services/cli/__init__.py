"""`corpusworks`: the one command. Exit codes: 0 done, 1 something is wrong with the documents or the parts,
2 something is wrong with the settings, 3 a process could not be kept running, 70 too many dead letters,
130 interrupted.

A file for each group of commands. Nothing is imported here before signals are taken, so that Ctrl-C ends the
command quietly at any moment.
"""

from __future__ import annotations

import gc
import sys

from services.local import interrupt


def main() -> None:
    """Entry of the console script."""
    interrupt.take()  # a service installs its own
    gc.disable()  # a tenth of an import's time goes into looking for what does not stay
    try:
        from services.cli.exits import errors

        with errors():
            from services.cli.named import command_for

            command = command_for(sys.argv[1:])
            gc.freeze()
            gc.enable()
            command()
    except BaseException:
        if interrupt.came():  # also where an extension module in its import made an ImportError of it
            interrupt.leave()
        raise
    finally:
        interrupt.ignore()
