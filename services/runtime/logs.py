"""Structured logs: one JSON line an event on standard error; readable when it is a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog


def configure_logs(service: str, stream: TextIO | None = None) -> None:
    """Once per process. kafka-python's own lines below WARNING are left out: they repeat each retry.

    stream: in the place of standard error.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer()
            if terminal
            else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)


log = structlog.get_logger()


def quiet() -> None:
    """Of a command in which loops run: what is wrong alone, beside what the command says itself."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
