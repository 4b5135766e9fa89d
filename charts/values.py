"""What is made of the chart's values: their schema and the table in its README. `python -m charts.values`.

values.yaml is the one place where a value is named, given its default and described (a comment that begins
with two dashes). A test holds the made files to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "corpusworks"
VALUES, SCHEMA, README = CHART / "values.yaml", CHART / "values.schema.json", CHART / "README.md"
BEGIN, END = "<!-- values: made by `python -m charts.values` -->", "<!-- end of values -->"

CHOICES: dict[str, list[str]] = {
    "image.pullPolicy": ["Always", "IfNotPresent", "Never"],
    "serviceDefaults.autoscaling.by": ["none", "keda", "hpa"],
    "kafka.mode": ["builtin", "strimzi", "external"],
    "kafka.external.securityProtocol": ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
    "kafka.external.saslMechanism": ["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"],
    "redis.mode": ["builtin", "external"],
    "store.mode": ["builtin", "external"],
    "triton.mode": ["builtin", "deployed", "external"],
}
# Kubernetes' or the project's own objects, whose fields are theirs to check. Not: a map of one default.
OPEN = re.compile(
    r"(^settings|^topology|^upload\.settings|^crawl\.settings|^launcher\.settings|^launcher\.train|[rR]esources|nodeSelector|affinity|annotations|[lL]abels|dashboardLabels)$"
)
LEAST = {
    "replicas": 0,
    "workers": 1,
    "lanes": 1,
    "partitions": 1,
    "min": 0,
    "max": 0,
    "terminationGracePeriodSeconds": 10,
}
NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$"}
IMPORT = {
    "type": "object",
    "properties": {
        "name": NAME,
        "paths": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "volume": {"type": "object"},
        "parallelism": {"type": "integer", "minimum": 1},
        "preset": {"type": "string", "minLength": 1},
        "secret": {"type": "string", "minLength": 1},
    },
    "required": ["name"],
    "anyOf": [{"required": ["volume"]}, {"required": ["paths"]}],
    "additionalProperties": False,
}


def schema(values: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema: closed, but for `global`, which Helm hands to a chart that is part of another."""
    made = _schema("", values)
    made["properties"]["services"] = {
        "type": "object",
        "additionalProperties": made["properties"]["serviceDefaults"],
    }
    made["properties"]["imports"]["items"] = IMPORT
    made["properties"]["recipe"] = {"type": ["string", "object"]}
    made["properties"]["global"] = {"type": "object"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **made}


def _schema(path: str, value: Any) -> dict[str, Any]:
    if path in CHOICES:
        return {"enum": CHOICES[path]}
    if isinstance(value, Mapping):
        if OPEN.search(path):
            return {"type": "object"}
        fields = {name: _schema(f"{path}.{name}".lstrip("."), field) for name, field in value.items()}
        return {"type": "object", "properties": fields, "additionalProperties": False}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer", "minimum": LEAST.get(path.rpartition(".")[2], 0)}
    return {"type": "array" if isinstance(value, list) else "string"}


def described(text: str) -> Iterator[tuple[str, str, str]]:
    """(path, default as JSON, description) of each value that a comment with two dashes describes."""
    values, path, said = yaml.safe_load(text), list[str](), ""
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("# -- "):
            said = bare.removeprefix("# -- ")
        elif bare.startswith("#") and said:
            said += " " + bare.removeprefix("#").strip()
        elif match := re.match(r"( *)(\w+):", line):
            path = [*path[: len(match[1]) // 2], match[2]]
            if said:
                yield ".".join(path), json.dumps(_at(values, path)), said
            said = ""


def _at(values: Any, path: list[str]) -> Any:
    for name in path:
        values = values[name]
    return values


def table(text: str) -> str:
    """The values as Markdown."""
    rows = (
        f"| `{path}` | `{default}` | {said} |".replace("| `|", "|") for path, default, said in described(text)
    )
    return "\n".join(["| value | default | |", "| --- | --- | --- |", *rows])


def readme(former: str, text: str) -> str:
    """The README with the table of these values in its place."""
    before, _, rest = former.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(text)}\n\n{END}{after}"


def main() -> None:
    """Write both."""
    text = VALUES.read_text()
    SCHEMA.write_text(json.dumps(schema(yaml.safe_load(text)), indent=2) + "\n")
    README.write_text(readme(README.read_text(), text))


if __name__ == "__main__":
    main()
