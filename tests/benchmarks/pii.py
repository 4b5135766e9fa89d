"""Masking personal data, against datatrove's PIIFormatter (e-mails and IPs alone) and argus-redact.

On ordinary documents of about 5 kB, and on the same with personal data in each; ours on pages whose arrays
are there, since the measures need them too: what the river pays for the pass. argus-redact, in its fast
mode without a model, does the same kinds, and ours makes its arrays for them alone; it is measured where it
is installed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from services.rules.config import RulesConfig
from services.rules.page import Page
from services.rules.pii import Masker
from tests.benchmarks.figures import Figure, cpu_seconds
from tests.benchmarks.rules import _texts

DATATROVE_RATIO, ARGUS_RATIO = 3, 20
_HELD = {
    "en": "Call Mary on 415-555-0134 or write to mary.hill@mail.example.net from 93.184.216.34.",
    "zh": "有事请打电话13812345678或发邮件到mary.hill@mail.example.net，服务器是93.184.216.34。",
}


def run() -> Iterator[Figure]:
    """CPU milliseconds a document and the ratios to the rivals, for English and Chinese."""
    config = RulesConfig()
    masker = Masker(config.pii_kinds, config.pii_kinds_of_code)
    for language in ("en", "zh"):
        plain = _texts(language)
        held = [_with(text, _HELD[language], seed) for seed, text in enumerate(plain)]
        for what, texts in (("ordinary", plain), ("with personal data", held)):
            pages = [_page(text) for text in texts]
            formats = ["prose"] * len(texts)
            ours = cpu_seconds(lambda p=pages, f=formats: masker.mask(p, f), repeat=20)  # type: ignore[misc]
            yield Figure(f"pii, {language}, {what}", 1000 * ours / len(texts), "ms CPU")
            ratio = _seconds(_datatrove(), texts, 5) / ours
            yield Figure(
                f"pii against datatrove, {language}, {what}",
                ratio,
                "x",
                f">= {DATATROVE_RATIO}",
                ratio >= DATATROVE_RATIO,
            )
            argus = _argus(language)
            if argus is not None:
                alone = cpu_seconds(
                    lambda t=texts, f=formats: masker.mask(list(map(Page, t)), f),  # type: ignore[misc]
                    repeat=20,
                )
                ratio = _seconds(argus, texts, 1) / alone
                yield Figure(
                    f"pii against argus-redact, {language}, {what}",
                    ratio,
                    "x",
                    f">= {ARGUS_RATIO}",
                    ratio >= ARGUS_RATIO,
                )


def _page(text: str) -> Page:
    page = Page(text)
    assert page.counts is not None
    assert page.bits is not None
    return page


def _seconds(mask: Callable[[str], object], texts: list[str], repeat: int) -> float:
    mask(texts[0])
    return cpu_seconds(lambda: [mask(text) for text in texts], repeat=repeat)


def _with(text: str, held: str, seed: int) -> str:
    at = random.Random(seed).randrange(len(text))
    return f"{text[:at]}\n{held}\n{text[at:]}"


def _datatrove() -> Callable[[str], object]:
    from datatrove.pipeline.formatters import PIIFormatter

    return PIIFormatter().format


def _argus(language: str) -> Callable[[str], object] | None:
    try:
        from argus_redact import redact
    except ImportError:
        return None
    return lambda text: redact(text, mode="fast", lang=language)


if __name__ == "__main__":
    for figure in run():
        verdict = {True: " passed", False: " FAILED", None: ""}[figure.passed]
        print(f"{figure.name}: {figure.value:.3g} {figure.unit} {figure.target}{verdict}")
