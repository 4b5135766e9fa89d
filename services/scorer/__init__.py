"""scorer: how good a document is among its like, and the drop of what is too low there."""

from __future__ import annotations

from collections.abc import Mapping

from services.inference import Description, Encoder
from services.runtime import ConfigurationError, Resources, Settings, Unit
from services.scorer.calibrate import Census
from services.scorer.calibration import Calibration, chosen
from services.scorer.config import ScorerConfig
from services.scorer.judge import DROP_REASONS, Scorer
from services.scorer.junk import HEAD, Limits
from services.scorer.keep import KeepRule, share_of


def build(config: ScorerConfig, resources: Resources) -> Scorer:
    """The judge. The model is first asked for by the batch that needs it. Raises ConfigurationError."""
    _agree_with_classifier(config, resources.settings)
    return Scorer(chosen(config), lambda: _open_encoder(config, resources), config, limits_of(config))


def needs(config: ScorerConfig, settings: Settings) -> None:
    """Its model and its table of quantiles. Raises ConfigurationError."""
    _agree_with_classifier(config, settings)
    Description.read(config.models, config.model)
    chosen(config)
    limits_of(config)


def agrees(config: ScorerConfig, settings: Settings) -> Mapping[str, str]:
    """All replicas rank by one table, and another one is taken up at a recorded point."""
    del settings
    limits = limits_of(config)
    return {"calibration": chosen(config).version, "junk": limits.version if limits is not None else ""}


def limits_of(config: ScorerConfig) -> Limits | None:
    """The table beside the model. Raises ConfigurationError where junk is dropped and cannot be told."""
    found = Limits.beside(config.models, config.model)
    if config.junk != "drop":
        return found
    heads = Description.read(config.models, config.model).heads
    if HEAD not in heads:
        raise ConfigurationError(
            f"units.scorer.junk is drop, and the model {config.model} has no head {HEAD}; it has: "
            f"{', '.join(heads)}. Teach it one (`corpusworks judge head`), or leave junk at report"
        )
    if found is None:
        raise ConfigurationError(
            f"units.scorer.junk is drop, and beside the model {config.model} is no {Limits.FILE}: make one "
            "of good texts with `corpusworks judge junk`, or leave junk at report"
        )
    return found


def _agree_with_classifier(config: ScorerConfig, settings: Settings) -> None:
    """Two models may both be version 1 of a `judge`; one's scores must not meet the other's table."""
    theirs = settings.units.get("classifier", {})
    if theirs.get("model", ScorerConfig.model) != config.model or config.calibration is not None:
        return
    if theirs.get("models") and str(theirs["models"]) != str(config.models or ""):
        raise ConfigurationError(
            f"units.classifier.models is {theirs['models']} and units.scorer.models is "
            f"{config.models or 'not set'}, so the scores of one {config.model} would be ranked by what was "
            "measured of another: set both alike"
        )


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
    offline={"triton_url": "onnx:"},
    agrees=agrees,
    needs=needs,
)

__all__ = [
    "SERVICE",
    "Calibration",
    "Census",
    "KeepRule",
    "Limits",
    "Scorer",
    "ScorerConfig",
    "build",
    "chosen",
    "share_of",
]
