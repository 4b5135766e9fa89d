"""What the chart holds a copy of, or what is made for it, is as its source."""

from __future__ import annotations

import json

import yaml

from charts import values
from services.launcher.rbac import RULES
from services.runtime.topology import DEFAULT

FILES = values.CHART / "files"


def test_the_topology_is_the_projects() -> None:
    """Prevents a chart that runs another river than one machine does: cp services/topology.yaml there."""
    assert (FILES / "topology.yaml").read_text() == DEFAULT.read_text()


def test_the_launchers_rights_are_the_projects() -> None:
    """Prevents a Role that lacks what the launcher asks, or grants more."""
    assert (FILES / "rbac.yaml").read_text() == RULES.read_text()


def test_schema_and_table_are_made_from_the_values() -> None:
    """Prevents a value that the schema refuses or the README does not name: `python -m charts.values`."""
    text = values.VALUES.read_text()
    assert json.loads(values.SCHEMA.read_text()) == values.schema(yaml.safe_load(text))
    assert values.README.read_text() == values.readme(values.README.read_text(), text)


def test_every_value_is_described() -> None:
    """Prevents a value whose meaning only a template tells."""
    text = values.VALUES.read_text()
    told = {path for path, _, _ in values.described(text)}

    def lacking(path: str, value: object) -> list[str]:
        if path in told:
            return []
        if isinstance(value, dict) and value:
            return [found for name in value for found in lacking(f"{path}.{name}".lstrip("."), value[name])]
        return [path]

    assert lacking("", yaml.safe_load(text)) == []


def test_a_description_is_of_the_value_below_it() -> None:
    """Prevents a table that gives one value the words of another."""
    text = "a:\n  # -- First\n  # line.\n  b: {c: 1}\n  d: 2\n# -- Second.\ne: []\n"
    assert list(values.described(text)) == [("a.b", '{"c": 1}', "First line."), ("e", "[]", "Second.")]
