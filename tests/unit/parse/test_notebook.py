import json

import pytest

from services.parse.config import ParseConfig, Unparseable
from services.parse.notebook import parse_notebook


def notebook(*cells, **more):
    return json.dumps({"cells": cells, "nbformat": 4, **more}).encode()


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": outputs}


def test_markdown_stays_and_code_is_fenced_with_what_it_printed():
    """Prevents JSON as text, and pictures in base64 in it."""
    body = notebook(
        {"cell_type": "markdown", "source": ["# 标题\n", "text ![x](data:image/png;base64,AAAA)"]},
        code(
            ["x = 1\n", "print(x)"],
            {"output_type": "stream", "name": "stdout", "text": ["\u001b[31m1\u001b[0m\n"]},
            {"output_type": "stream", "name": "stderr", "text": "a warning"},
            {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure size 1x1>"}},
            {"output_type": "execute_result", "data": {"text/latex": "$x$", "text/plain": "x"}},
            {"output_type": "error", "traceback": ["wrong"]},
        ),
        metadata={"language_info": {"name": "python"}},
    )
    assert parse_notebook(body, ParseConfig()).text == (
        "# 标题\ntext\n\n```python\nx = 1\nprint(x)\n```\n\n```\n1\n```\n\n$x$"
    )


def test_what_was_printed_is_bounded():
    """Prevents a training log from being most of a tutorial."""
    printed = {"output_type": "stream", "text": "step\n" * 1000}
    text = parse_notebook(notebook(code("f()", printed, printed)), ParseConfig(max_output_characters=22)).text
    assert text.count("step") == 4


def test_a_notebook_of_version_3_is_read():
    """Prevents the notebooks of ten years from being lost."""
    old = {
        "nbformat": 3,
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": "Old"},
                    {
                        "cell_type": "code",
                        "input": "1+1",
                        "outputs": [{"output_type": "pyout", "text": ["2"]}],
                    },
                ]
            }
        ],
    }
    text = parse_notebook(json.dumps(old).encode(), ParseConfig()).text
    assert text == "## Old\n\n```\n1+1\n```\n\n```\n2\n```"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "broken"),
        (b"[" * 100_000, "broken"),
        (b"[1]", "broken"),
        (b'{"cells": {}, "metadata": 1}', "no_text"),
        (b'{"cells": [1, {"source": 3}, {"cell_type": "code", "outputs": [0]}]}', "no_text"),
    ],
)
def test_what_is_no_notebook_says_why(body, reason):
    """Prevents dead letters."""
    with pytest.raises(Unparseable) as caught:
        parse_notebook(body, ParseConfig())
    assert caught.value.reason == reason
