"""scorer: how good a document is among its like, and the drop of what is too low there."""

from __future__ import annotations

from services.inference import Encoder
from services.runtime import ConfigurationError, Resources, Unit
from services.scorer.config import ScorerConfig
from services.scorer.judge import DROP_REASONS, Scorer
from services.scorer.keep import KeepRule
from services.scorer.store import MemoryStore, Store


def build(config: ScorerConfig, resources: Resources) -> Scorer:
    """The judge. Redis and the model are first asked for by the batch that needs them."""
    return Scorer(_store(config, resources), lambda: _open_encoder(config, resources), config)


def _store(config: ScorerConfig, resources: Resources) -> Store:
    if config.store == "memory":
        return MemoryStore()
    from services.scorer.redis_store import RedisStore

    return RedisStore(resources.redis, config.prefix, int(config.expire_days * 86400))


def _open_encoder(config: ScorerConfig, resources: Resources) -> Encoder:
    url = config.triton_url or resources.settings.triton_url
    tls = resources.settings.triton_tls
    encoder = Encoder.open(url, config.models, config.model, config.inference, tls)
    head = encoder.description.heads.get(config.head)
    if head is None or head.kind != "score":
        raise ConfigurationError(
            f"the model {config.model} has no head {config.head!r} of kind score; it has: "
            + ", ".join(f"{name} ({each.kind})" for name, each in encoder.description.heads.items())
        )
    return encoder


SERVICE = Unit(
    name="scorer",
    config=ScorerConfig,
    slice_size=200,  # alone it asks the model, as the classifier does
    build=build,
    drop_reasons=DROP_REASONS,
    offline={"store": "memory", "triton_url": "onnx:"},
)

__all__ = ["SERVICE", "KeepRule", "Scorer", "ScorerConfig", "build"]
