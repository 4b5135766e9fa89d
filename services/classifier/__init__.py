"""classifier: what a document is about, by a small encoder, and how good that finds it."""

from __future__ import annotations

from collections.abc import Mapping

from services.classifier.config import ClassifierConfig
from services.classifier.judge import Classifier
from services.classifier.kinds import PageKinds
from services.inference import Description, Encoder
from services.runtime import Resources, Settings, Unit


def build(config: ClassifierConfig, resources: Resources) -> Classifier:
    """The judge. Raises ConfigurationError where there is no such model, or its table of kinds is none."""
    url = config.triton_url or resources.settings.triton_url
    tls = resources.settings.triton_tls
    return Classifier(
        Encoder.open(url, config.models, config.model, config.inference, tls), config, _kinds(config)
    )


def needs(config: ClassifierConfig, _settings: Settings) -> None:
    """Its model and the table beside it. Raises ConfigurationError."""
    Description.read(config.models, config.model)
    _kinds(config)


def agrees(config: ClassifierConfig, settings: Settings) -> Mapping[str, str]:
    """All replicas weigh by one table."""
    del settings
    kinds = _kinds(config)
    return {"page_kinds": kinds.version if kinds is not None else ""}


def _kinds(config: ClassifierConfig) -> PageKinds | None:
    return PageKinds.beside(config.models, config.model) if config.declared else None


SERVICE = Unit(
    name="classifier",
    config=ClassifierConfig,
    slice_size=200,  # some 10 s on one slow core, well within the time limit
    build=build,
    offline={"triton_url": "onnx:"},
    agrees=agrees,
    needs=needs,
)

__all__ = ["SERVICE", "Classifier", "ClassifierConfig", "PageKinds", "build"]
