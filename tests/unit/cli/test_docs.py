"""What README.md and docs/ say is there: commands and their options, settings, files, links."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
import yaml

from services.cli import given
from services.cli.app import command
from services.mixer.condition import FIELDS
from services.mixer.pooled import METADATA
from services.mixer.recipe import Recipe
from services.rules.formats import FORMATS
from services.runtime import Settings
from services.runtime.settings import PREFIX
from tests.e2e.commands import ROOT
from trainer.bert.data import read as labelled
from trainer.bert.recipe import Recipe as JudgeRecipe
from trainer.config import load

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# Variables that are no settings of a river, and the setting of the package in docs/example.
NO_SETTINGS = {"CORPUSWORKS_CONFIG", "CORPUSWORKS_KUBERNETES"}
OF_THE_EXAMPLE = "stubs.marks"

_COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?corpusworks (.+)$")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_VARIABLE = re.compile(rf"{PREFIX}[A-Z0-9_]*[A-Z0-9](?:__(?=…))?")  # with __…: what several begin with
_SUFFIXES = ("json", "log", "md", "py", "tiktoken", "yaml")
_TOP = ("services", "trainer", "charts", "docs", "tests", "proto")
_PATH = re.compile(rf"(?:{'|'.join(_TOP)})/[\w./-]*|[\w./-]+\.(?:py|lua)")


class Said(NamedTuple):
    """A command line, and where it stands."""

    page: str
    line: str


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from _commands(found, f"{before}{name} ")
        else:
            yield before + name, found


COMMANDS = dict(_commands(command))
GROUPS_OF_COMMANDS = {name.partition(" ")[0] for name in COMMANDS if " " in name}


def blocks(text: str) -> list[str]:
    """The lines of code blocks: those within fences, and those that are indented by four."""
    fenced = [line for block in _FENCE.findall(text) for line in block.splitlines()[1:-1]]
    return fenced + [line[4:] for line in text.splitlines() if line.startswith("    ")]


def command_lines(page: str, text: str) -> Iterator[Said]:
    """Every `corpusworks …` with what it is given, of blocks and of words in backticks."""
    paragraphs = "\n\n".join(part.replace("\n", " ") for part in _FENCE.sub("", text).split("\n\n"))
    inline = [] if page == "docs/commands.md" else _INLINE.findall(paragraphs)
    for line in [*blocks(text), *inline]:
        if found := _COMMAND.match(line.strip()):
            yield Said(page, re.split(r" (?:#|\||<|>>?|&) ?", found[1] + " ")[0].strip())


def named(words: Sequence[str]) -> tuple[str, list[str]]:
    """A command's name and what it is given. Raises KeyError."""
    for length in (2, 1):
        if (name := " ".join(words[:length])) in COMMANDS:
            return name, list(words[length:])
    raise KeyError(words[0])


def told(words: Sequence[str]) -> list[str]:
    """What stands behind each --set."""
    return [after for before, after in pairwise(words) if before == "--set"]


ALL_NAMES = {*given.all_names(), *Settings.model_fields, OF_THE_EXAMPLE}
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
LINES = [said for page, text in TEXTS.items() for said in command_lines(page, text)]
ROWS = re.findall(r"^\| `([^`]+)` \|", TEXTS["docs/commands.md"], re.MULTILINE)


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def take(line: str) -> None:
    """Hold a command line to what the command takes, settings included. Raises what is wrong with it."""
    name, arguments = named(shlex.split(line))
    if arguments != ["--help"]:
        COMMANDS[name].make_context(name, list(arguments))
    for pair in told(arguments):
        if name == "rules tune":
            assert f"rules.{pair.partition('=')[0]}" in ALL_NAMES, pair
        elif name == "train" or ("--train" in arguments and not given.is_of_river(pair)):
            load("1m", [pair])
        elif pair.startswith(("topology=", OF_THE_EXAMPLE)):  # of files that the page has the reader make
            assert pair.partition("=")[0] in ALL_NAMES
        else:
            with given.given([pair]):
                pass
    for config in [b for a, b in pairwise(arguments) if a in ("--train", "--config")]:
        if not config.endswith(".yaml"):
            load(config, ["data.store=x"])


def test_there_are_commands_to_try() -> None:
    """Prevents a pattern that finds nothing any more."""
    assert len(LINES) > 100
    assert {said.page for said in LINES} >= {"README.md", "docs/own-job.md", "docs/asking.md"}


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_its_commands_are_what_they_take(page: str) -> None:
    """Prevents a line to copy that ends with exit 2. A name alone, as in "`corpusworks topics`", is one."""
    wrong = []
    for said in LINES:
        if said.page == page and said.line not in {*COMMANDS, *GROUPS_OF_COMMANDS}:
            try:
                take(said.line)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its line
                wrong.append(f"corpusworks {said.line}: {error!r}")
    assert not wrong, "\n".join(wrong)


WRONG = (
    "runn a --out b",
    "run a --out b --fresher",
    "run a --out b --set rules.min_word=5",
    "run a --out b --set rules.min_words=few",
    "parts lst x",
    "train --out a --config 100m",
    "train --out a --set data.batch=8",
    "rules tune a --set x=1",
)


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_found(line: str) -> None:
    """Prevents a test that takes whatever is written."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - each is wrong in its own way
        take(line)


def test_the_table_has_every_command() -> None:
    """Prevents a new command that the table does not know."""
    assert {named(shlex.split(row))[0] for row in ROWS} == COMMANDS.keys()


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_the_options_of_its_command(row: str) -> None:
    """Prevents an option in the table that was renamed, and one that is needed and not shown."""
    name, _ = named(shlex.split(row))
    options = {option: each for each in COMMANDS[name].params for option in each.opts}
    shown = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", row))
    assert shown <= options.keys()
    needed = {option for option, each in options.items() if each.required and option.startswith("--")}
    assert needed <= shown


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_its_variables_are_settings(page: str) -> None:
    """Prevents a variable that nothing reads; one that ends with __… is the beginning of some."""
    for variable in set(_VARIABLE.findall(TEXTS[page])) - NO_SETTINGS:
        name = given.name_of(variable.rstrip("_"))
        if variable.endswith("__"):
            assert any(each.startswith(name + ".") for each in ALL_NAMES), variable
        else:
            assert name in ALL_NAMES, variable


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_its_names_in_backticks_are_settings(page: str) -> None:
    """Prevents `rules.min_word`: of what begins with the name of a unit or a group, all must be there."""
    firsts = {name.partition(".")[0] for name in ALL_NAMES if "." in name} - {"catalog", "archive"}
    for found in _INLINE.findall(_FENCE.sub("", TEXTS[page])):
        name = re.match(r"([a-z_]+)\.([a-z][a-z_0-9]+)(?:$|=)", found)
        if name and name[1] in firsts and name[2] not in _SUFFIXES:
            assert f"{name[1]}.{name[2]}" in ALL_NAMES, found


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_its_paths_are_there(page: str) -> None:
    """Prevents a file that has moved. A bare name lies beside the path before it in the same line."""
    for line in TEXTS[page].splitlines():
        folder = ROOT
        for found in _INLINE.findall(line):
            if not _PATH.fullmatch(found):
                continue
            if found.startswith(_TOP):
                path = ROOT / found
                folder = path if path.is_dir() else path.parent
            else:
                path = folder / found
            assert path.exists(), f"{page}: {found}"


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_its_modules_and_make_targets_are_there(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [*blocks(TEXTS[page]), *_INLINE.findall(_FENCE.sub("", TEXTS[page]))]
    for line in code:
        if made := re.match(r"make ([a-z]+)", line):
            assert made[1] in targets, line
        if module := re.search(r"-m ((?:services|trainer|charts|tests)[\w.]*)", line):
            assert importlib.util.find_spec(module[1]) is not None, line


def fenced(page: str, language: str, begin: str) -> list[str]:
    """The code blocks of a language that begin so."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL)
    return [block for block in found if block.startswith(begin)]


def test_the_recipe_is_read(tmp_path: Path) -> None:
    """Prevents an example that `recipe check` refuses."""
    [block] = fenced("docs/recipes.md", "yaml", "buckets:")
    (tmp_path / "mine.yaml").write_text(block)
    assert [phase.name for phase in Recipe.load(tmp_path / "mine.yaml").phases] == ["stable", "anneal"]


def test_the_recipe_of_a_judge_reads_the_record(tmp_path: Path) -> None:
    """Prevents a label format that `judge train` refuses."""
    [recipe], [record] = fenced("docs/judges.md", "yaml", "heads:"), fenced("docs/judges.md", "json", "{")
    (tmp_path / "recipe.yaml").write_text(recipe)
    (tmp_path / "labelled.jsonl").write_text(record)
    read = JudgeRecipe.load(tmp_path / "recipe.yaml")
    [example] = labelled([tmp_path / "labelled.jsonl"], read.heads, read.split)
    assert example.labels == {"category": {"manual": 1.0}, "quality": 1.0}


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_its_links_lead_somewhere(page: str) -> None:
    """Prevents a dead link, and one to a heading that is called otherwise now."""
    for link in _LINK.findall(_FENCE.sub("", TEXTS[page])):
        if "://" in link:
            continue
        target, _, heading = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), link
        if heading:
            assert heading in headings(path), link


def test_recipes_tell_every_name_a_test_may_use() -> None:
    """Prevents a field, a format, a category or a piece of metadata that the page leaves out."""
    page = (ROOT / "docs" / "recipes.md").read_text()
    judge = json.loads((ROOT / "services/inference/models/judge/model.json").read_text())
    said = set(_INLINE.findall(page))
    assert {*FIELDS, *METADATA, *FORMATS, *judge["heads"]["category"]["labels"]} <= said


def headings(page: Path) -> set[str]:
    """As links name them, on the site and where the repository is shown."""
    found = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_site_has_every_page() -> None:
    """Prevents a page that nobody finds; `make docs` holds the rest of the site to its links."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    pages = [page for each in site["nav"] for page in _pages(each)]
    assert sorted(pages) == sorted(page.name for page in PAGES[1:])


def _pages(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for pages in entry.values() for each in pages for page in _pages(each)]
