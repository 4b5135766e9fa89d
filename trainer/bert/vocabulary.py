"""Text to token ids: a tokenizer trained here, or an encoder's own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.normalizers import BertNormalizer

from trainer.bert.errors import JudgeError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# The names that BERT's and RoBERTa's families give to the same four tokens.
_NAMES = {
    "pad": ("[PAD]", "<pad>"),
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "mask": ("[MASK]", "<mask>"),
}


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer and the ids of its special tokens; mask is -1 where there is none."""

    tokenizer: Tokenizer
    pad: int
    cls: int
    sep: int
    mask: int

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """From a tokenizer.json, or a folder that holds one. Raises JudgeError."""
        file = path / "tokenizer.json" if path.is_dir() else path
        if not file.exists():
            raise JudgeError(
                f"{file} is missing: save the tokenizer in its fast form (AutoTokenizer.from_pretrained(…)"
                ".save_pretrained(…) of transformers writes tokenizer.json)"
            )
        try:
            tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
        except Exception as error:  # the library raises bare Exception
            raise JudgeError(f"{file} is no tokenizer: {error}") from error
        return Vocabulary.of(tokenizer, str(file))

    @staticmethod
    def of(tokenizer: Tokenizer, name: str = "tokenizer") -> Vocabulary:
        """Finds the special tokens. Raises JudgeError when pad, cls or sep is not there."""
        ids = {}
        for role, names in _NAMES.items():
            known = [i for i in map(tokenizer.token_to_id, names) if i is not None]
            ids[role] = known[0] if known else -1
        missing = [" or ".join(_NAMES[role]) for role, i in ids.items() if i < 0 and role != "mask"]
        if missing:
            raise JudgeError(f"{name}: not of the BERT family: no token {', '.join(missing)}")
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
        return Vocabulary(tokenizer, **ids)

    @staticmethod
    def train(texts: Iterable[str], size: int, lowercase: bool = True) -> Vocabulary:
        """WordPiece over the texts: Han characters one by one, words split where BERT splits them.

        The same texts give the same vocabulary. Left to itself the library numbers characters as its hash
        tables hold them, and breaks ties by these numbers: so they are numbered here.
        """
        tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL[1], max_input_chars_per_word=64))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFKC(), BertNormalizer(lowercase=lowercase, strip_accents=False)]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        words = _words(tokenizer, texts)
        # Most of the alphabet is Han; what is rarer than the top half of the vocabulary becomes [UNK].
        alphabet = _alphabet(words, size // 2)
        inner = {character for word in words for character in word[1:]}
        first = [*SPECIAL, *alphabet, *(f"##{character}" for character in alphabet if character in inner)]
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            special_tokens=first,
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            show_progress=False,
        )
        learner = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
        learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        learner.train_from_iterator(
            (" ".join([word] * count) for word, count in sorted(words.items())), trainer
        )
        tokenizer.model = models.WordPiece(
            learner.get_vocab(with_added_tokens=True), unk_token=SPECIAL[1], max_input_chars_per_word=64
        )
        tokenizer.add_special_tokens(list(SPECIAL))
        return Vocabulary.of(tokenizer)

    @property
    def size(self) -> int:
        """Tokens, special ones included."""
        return int(self.tokenizer.get_vocab_size())

    def to_json(self) -> str:
        """As tokenizer.json holds it."""
        return (
            json.dumps(json.loads(self.tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n"
        )

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids without special tokens."""
        cut = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in cut]

    def wrap(self, ids: Sequence[int]) -> list[int]:
        """[CLS] ids [SEP]."""
        return [self.cls, *ids, self.sep]


def _words(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """How often each word is seen, after the tokenizer's own normalising and splitting."""
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    return words


def _alphabet(words: Mapping[str, int], most: int) -> list[str]:
    """The most frequent characters, in order of their code points."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    return sorted(ranked[:most])
