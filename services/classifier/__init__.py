"""classifier: what a document is about, by a small encoder, and how good that finds it."""

from __future__ import annotations

from services.classifier.config import ClassifierConfig
from services.classifier.judge import Classifier
from services.inference import Encoder
from services.runtime import Resources, Unit


def build(config: ClassifierConfig, resources: Resources) -> Classifier:
    """The judge. Raises ConfigurationError where there is no such model."""
    url = config.triton_url or resources.settings.triton_url
    tls = resources.settings.triton_tls
    return Classifier(Encoder.open(url, config.models, config.model, config.inference, tls), config)


SERVICE = Unit(
    name="classifier",
    config=ClassifierConfig,
    slice_size=200,  # some 10 s on one slow core, well within the time limit
    build=build,
    offline={"triton_url": "onnx:"},
)

__all__ = ["SERVICE", "Classifier", "ClassifierConfig", "build"]
