"""The crawler as a service, and what its commands are made of."""

from __future__ import annotations

import importlib.util

from services.ingest.crawl.address import Admission
from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.frontier import Frontier
from services.ingest.crawl.resolver import read_hosts
from services.ingest.crawl.url import Urls
from services.ingest.crawl.visit import Visitor
from services.runtime import ConfigurationError, Keeper


def serve(config: CrawlConfig, keeper: Keeper) -> None:
    """Until it is stopped. Raises ConfigurationError, Fenced."""
    if importlib.util.find_spec("scrapy") is None:
        raise ConfigurationError("scrapy is not installed: pip install 'corpusworks[crawl]'")
    from services.ingest.crawl.delivery import Delivery
    from services.ingest.crawl.engine import Crawl

    frontier = Frontier(config, keeper.resources)
    publisher = keeper.publisher()
    keeper.resources.store.check()
    delivery = Delivery(config, frontier, publisher, keeper.resources.store, keeper)
    try:
        Crawl(config, frontier, visitor_of(config), delivery, keeper).run()
    finally:
        publisher.close()


def visitor_of(config: CrawlConfig) -> Visitor:
    """Judges by this configuration. Raises ConfigurationError: the hosts file."""
    known = frozenset(read_hosts(config.hosts_file))
    return Visitor(config, Urls(Admission.of(config.allow_addresses), frozenset(config.ports), known))
