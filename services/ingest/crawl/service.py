"""The crawler as a service, and what its commands are made of."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from services.ingest.crawl.address import Admission
from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.frontier import Found, Frontier
from services.ingest.crawl.resolver import read_hosts
from services.ingest.crawl.url import Refused, Urls
from services.ingest.crawl.visit import Visitor
from services.runtime import ConfigurationError, Keeper

_SHOWN: Final = 5  # of wrong seeds


def serve(config: CrawlConfig, keeper: Keeper) -> None:
    """Until it is stopped. Raises ConfigurationError, Fenced."""
    if importlib.util.find_spec("scrapy") is None:
        raise ConfigurationError("scrapy is not installed: pip install 'corpusworks[crawl]'")
    from services.ingest.crawl.delivery import Delivery
    from services.ingest.crawl.engine import Crawl

    found = seeds(config.seeds, visitor_of(config))
    frontier = Frontier(config, keeper.resources)
    publisher = keeper.publisher()
    keeper.resources.store.check()
    delivery = Delivery(config, frontier, publisher, keeper.resources.store, keeper)
    try:
        Crawl(config, frontier, visitor_of(config), delivery, keeper, seeds=found).run()
    finally:
        publisher.close()


def seeds(words: Sequence[str], visitor: Visitor) -> list[Found]:
    """URLs, or files with a URL a line and comments after #. Raises ConfigurationError: what is wrong."""
    found, wrong = [], []
    for place, text in _texts(words):
        try:
            found.append(visitor.seed(text))
        except Refused as error:
            wrong.append(f"{place}{text[:200]!r}: {error}")
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ConfigurationError(f"no seed: {'; '.join(wrong[:_SHOWN])}{more}")
    return found


def _texts(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        if "://" in word:
            yield "", word
            continue
        try:
            lines = Path(word).read_text().splitlines()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"seeds {word!r} cannot be read: {error}; give URLs (http://…), or files with one a line"
            ) from error
        yielded = False
        for number, line in enumerate(lines, 1):
            text = line.partition(" #")[0].strip()
            if text and not text.startswith("#"):
                yielded = True
                yield f"{word} line {number}: ", text
        if not yielded:
            raise ConfigurationError(f"seeds {word!r} holds no URL: write one a line")


def visitor_of(config: CrawlConfig) -> Visitor:
    """Judges by this configuration. Raises ConfigurationError: the hosts file."""
    known = frozenset(read_hosts(config.hosts_file))
    return Visitor(config, Urls(Admission.of(config.allow_addresses), frozenset(config.ports), known))
