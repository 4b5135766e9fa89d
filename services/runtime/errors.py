"""What can go wrong, and what the runtime does about it.

CorpusworksError            base; its text says what happened and what to do
├── ConfigurationError      a setting is wrong: exit before anything starts
├── DependencyDown          Kafka, Redis, Triton or the store does not answer: wait and retry
├── DeadLetterFlood         too many documents fail: stop, since that is a bug and not data
├── Fenced                  another process took over this one's work: exit
├── Outdated                what was agreed on has changed: exit, and start again by it
├── Aborted                 (loops/transaction) nothing of it is visible: go back and do it again
├── ReadingFailed           (process/reader) the process that reads ends before any source: exit
├── Stopped                 (process/sandbox) the batch was given up because the service stops
├── ProcessFailed           (local/process) a child cannot be kept running: exit with the end of its log
├── Unreachable             (ingest/remote) who keeps the documents does not answer: exit, and go on later
└── WrongPart               (sink/parts) a packed part is damaged or not there: for who reads parts

Any other exception from a unit is taken to be the document's fault: the document is isolated and
becomes one dead letter.
"""

from __future__ import annotations

# Exit codes that starting again cannot mend; every other failure can be tried again.
EXIT_CONFIGURATION = 2
EXIT_FLOOD = 70  # EX_SOFTWARE


class CorpusworksError(Exception):
    """Base of all errors raised on purpose; the text is meant for the user."""


class ConfigurationError(CorpusworksError):
    """A setting, file or folder given by the user cannot be used."""


class DependencyDown(CorpusworksError):
    """A server that the unit needs does not answer.

    Never a reason to drop or dead-letter a document: the runtime backs off and tries again.
    """

    def __init__(self, dependency: str, cause: object) -> None:
        # A client's error may quote whole requests: its beginning says what happened.
        # Both stay arguments, so that the error can be pickled: it comes out of a worker process.
        super().__init__(dependency, str(cause)[:500])
        self.dependency = dependency

    def __str__(self) -> str:
        return f"{self.dependency} does not answer: {self.args[1]}"


class DeadLetterFlood(CorpusworksError):
    """More documents failed than the limit allows."""


class Outdated(CorpusworksError):
    """What this process began with does not hold any more; a new start goes by what does."""


class Fenced(CorpusworksError):
    """Another producer with the same transactional id is alive; this one must not go on."""
