"""The rival of the whole river, in a process of its own: datatrove's reader, filters, MinHash, tokenizer.

python -m tests.benchmarks.datatrove_river CORPUS.jsonl FOLDER [minhash]
prints {"documents", "cpu_seconds": {stage: seconds}}. CORPUS holds lines {"id", "text", "language"}.

As its pipelines are run: a run for each language, one task in this process. What it takes to start
(models, word tokenizers; measured on a few documents) is subtracted. Code passes without filters: it has
none for it, and its English ones drop all of it. `minhash` runs that alone, over everything.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

NAMES = {"zh": "cmn_Hani", "en": "eng_Latn", "code": "eng_Latn"}  # its word tokenizers
BANDS = 14  # its default, ours too
START = 8  # documents of each language in the run that is subtracted; its filters keep some of them


class Trove:
    """The stages over one language, each in a folder of its own."""

    def __init__(self, language: str, corpus: Path, folder: Path, tokenizer: Path) -> None:
        self._name = NAMES[language]
        self._language = language
        self._corpus = corpus
        self._folder = folder
        self._tokenizer = tokenizer
        self.cpu_seconds: Counter[str] = Counter()
        self._runs = 0

    def run(self, *, minhash_alone: bool) -> None:
        """All stages one after another."""
        from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
        from datatrove.pipeline.tokens import DocumentTokenizer
        from datatrove.pipeline.writers import JsonlWriter

        from tests.benchmarks.rules import datatrove_filters

        read = self._reader(self._corpus)
        if not minhash_alone:
            filters = datatrove_filters(self._language) if self._language != "code" else []
            writer = JsonlWriter(self._at("kept"), compression=None)
            self._timed("read and filter", [read, *filters, writer])
            if not any((self._folder / "kept").glob("*.jsonl")):
                return  # its filters keep nothing of such a sample; the next stages refuse that
            read = self._reader(self._folder / "kept")
        self._timed("minhash signature", [read, self._signature()])
        matched = MinhashDedupBuckets(self._at("signatures"), self._at("matches"))
        self._timed("minhash buckets and cluster", [matched], tasks=BANDS)
        cluster = MinhashDedupCluster(self._at("matches"), self._at("removed"))
        self._timed("minhash buckets and cluster", [cluster])
        keep = [read, MinhashDedupFilter(self._at("removed"))]
        if minhash_alone:
            self._timed("minhash filter", [*keep, JsonlWriter(self._at("unique"), compression=None)])
        else:
            tokenize = DocumentTokenizer(self._at("tokens"), str(self._tokenizer))
            self._timed("minhash filter and tokenizer", [*keep, tokenize])

    def _reader(self, folder: Path) -> Any:
        from datatrove.pipeline.readers import JsonlReader

        return JsonlReader(str(folder), glob_pattern="*.jsonl", doc_progress=False)

    def _signature(self) -> Any:
        import xxhash
        from datatrove.pipeline.dedup import MinhashDedupSignature
        from datatrove.utils.word_tokenizers import load_word_tokenizer

        load_word_tokenizer.cache_clear()  # the executor copies its steps, and one that was used has no copy
        step = MinhashDedupSignature(self._at("signatures"), language=self._name)
        # xxhash 4 no longer takes str, which datatrove hands it
        step._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())
        return step

    def _at(self, name: str) -> str:
        return str(self._folder / name)

    def _timed(self, stage: str, steps: list[Any], *, tasks: int = 1) -> None:
        from datatrove.executor import LocalPipelineExecutor

        self._runs += 1
        logs = self._at(f"logs-{self._runs}")
        executor = LocalPipelineExecutor(steps, tasks=tasks, workers=1, logging_dir=logs)
        before = _cpu()
        executor.run()
        self.cpu_seconds[stage] += _cpu() - before


def _cpu() -> float:
    """Of this process; the manager process that each executor starts is left out."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(
    rows: list[dict[str, str]], folder: Path, tokenizer: Path, *, minhash_alone: bool
) -> Counter[str]:
    """CPU seconds by stage, over the languages."""
    spent: Counter[str] = Counter()
    by_language = sorted(rows, key=lambda row: row["language"])
    for language, group in groupby(by_language, key=lambda row: row["language"]):
        source = folder / language / "corpus"
        source.mkdir(parents=True)
        with (source / "part.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in group)
        trove = Trove(language, source, source.parent, tokenizer)
        trove.run(minhash_alone=minhash_alone)
        spent += trove.cpu_seconds
    return spent


def main() -> None:
    """See the module."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads would cost more CPU, not less
    from datatrove.utils.logging import logger

    from services.tokenizer import END_OF_DOCUMENT
    from services.tokenizer.huggingface import to_huggingface
    from services.tokenizer.ranks import parse_ranks
    from services.tokenizer.vocabulary import DEFAULT

    logger.remove()
    corpus, folder, alone = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["minhash"]
    tokenizer = folder / "tokenizer.json"
    to_huggingface(parse_ranks(DEFAULT.read_bytes()), END_OF_DOCUMENT).save(str(tokenizer))
    rows = [json.loads(line) for line in corpus.open(encoding="utf-8")]
    few = [row for language in NAMES for row in [r for r in rows if r["language"] == language][:START]]
    measure(few, folder / "imports", tokenizer, minhash_alone=alone)
    start = measure(few, folder / "start", tokenizer, minhash_alone=alone)
    spent = measure(rows, folder / "all", tokenizer, minhash_alone=alone)
    spent.subtract(start)
    print(json.dumps({"documents": len(rows) - len(few), "cpu_seconds": spent}))


if __name__ == "__main__":
    main()
