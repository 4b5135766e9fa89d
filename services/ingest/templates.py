"""Plain templates by which a conversation becomes a text to learn from.

Instruction data in the last stretch of pre-training, as text and without the marks of a chat format: MiniCPM
(arXiv 2404.06395: SFT data in the decay stage), OLMo 2 (2501.00656: FLAN is a sixth of its mid-training mix),
SmolLM2 (2502.02737). Several templates of a kind, as FLAN has (Wei et al., 2109.01652), so that a model
learns the answers and not one form. The templates are our own.

A document's uid is a hash of its text: a template that is changed, added or taken out makes other documents
of the records that it falls to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SYSTEM, ASK, GIVEN, ANSWER = "system", "ask", "given", "answer"


class Turn(NamedTuple):
    """What somebody says. speaker: one of the four above, another's own name, or "" for nobody knows who."""

    speaker: str
    text: str


@dataclass(frozen=True)
class Template:
    """What stands before what each says, and between them. other: before one who has a name, put into it."""

    ask: str = ""
    answer: str = ""
    given: str = ""
    other: str = "{}: "
    between: str = "\n\n"

    def render(self, turns: Sequence[Turn]) -> str:
        """The turns as one text."""
        return self.between.join(self._before(turn.speaker) + turn.text for turn in turns)

    def _before(self, speaker: str) -> str:
        known = {"": "", SYSTEM: "", ASK: self.ask, GIVEN: self.given, ANSWER: self.answer}
        return known[speaker] if speaker in known else self.other.format(speaker)


# By kind and language. The number of a template is its place here.
TEMPLATES: dict[str, dict[str, tuple[Template, ...]]] = {
    "instruction": {
        "en": (
            Template(),
            Template("Task: ", "Answer: ", "Input: "),
            Template("What to do:\n", "Result:\n", "With this:\n"),
            Template("Instruction: ", "Response: ", "Context: ", between="\n"),
        ),
        "zh": (
            Template(),
            Template("任务：", "回答：", "输入："),
            Template("要求：\n", "结果：\n", "材料：\n"),
            Template("指令：", "回复：", "背景：", between="\n"),
        ),
    },
    "chat": {
        "en": (
            Template(),
            Template("User: ", "Assistant: "),
            Template("Question: ", "Reply: "),
            Template("Q: ", "A: ", between="\n"),
        ),
        "zh": (
            Template(other="{}："),
            Template("用户：", "助手：", other="{}："),
            Template("提问：", "回复：", other="{}："),
            Template("问：", "答：", other="{}：", between="\n"),
        ),
    },
    "question": {
        "en": (
            Template(),
            Template("Q: ", "A: ", between="\n"),
            Template("Question: ", "Answer: ", between="\n"),
            Template("Question:\n", "Answer:\n"),
        ),
        "zh": (
            Template(),
            Template("问：", "答：", between="\n"),
            Template("问题：", "答案：", between="\n"),
            Template("问题：\n", "解答：\n"),
        ),
    },
    # A prompt is often the beginning of its completion: nothing may stand before it.
    "prompt": {
        "en": (Template(), Template(between="\n"), Template(answer="Answer: ")),
        "zh": (Template(), Template(between="\n"), Template(answer="回答：")),
    },
}
