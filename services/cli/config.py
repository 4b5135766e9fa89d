"""`config`: every setting, what it is and where that comes from; no server is needed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel, SecretStr

from services.cli import given
from services.cli.options import AsJson, topology_of
from services.runtime import ConfigurationError, Settings, load_settings
from services.runtime.settings import GROUPS, PREFIX, setting_names
from services.runtime.wrong import meant

app = typer.Typer(no_args_is_help=True, help="What is set, where that comes from, and whether it is right.")
_DEFAULT = "default"
_USERINFO = re.compile(r"(?<=://)[^/@]+@")  # of a URL: it may hold a password


@dataclass(frozen=True)
class Value:
    """A setting by its dotted name. source: --set, the variable, the file, or `default`."""

    name: str
    value: Any
    source: str


@app.command()
def check() -> None:
    """All settings, the recipe and the topology; exit 2 with what is wrong."""
    from services.mixer.recipe import Recipe

    settings = load_settings()
    recipe = Recipe.load(settings.recipe)
    topology = topology_of(settings)
    for unit, kind in given.unit_kinds().items():
        if unit in topology.services:
            given.check_unit(unit, kind, settings.units.get(unit, {}))
    found = list(values(settings))
    changed = sum(value.source != _DEFAULT for value in found)
    print(
        f"{len(found)} settings, {changed} of them set; recipe {settings.recipe or 'default'} {recipe.digest}"
    )


@app.command()
def show(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="A setting, or a unit or group of them.")
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not as by default.")] = False,
    as_json: AsJson = False,
) -> None:
    """Each value and where it comes from: default, file, environment or --set."""
    found = [value for value in values(load_settings()) if _is_wanted(value.name, names or [])]
    found = [value for value in found if value.source != _DEFAULT or not changed]
    if names and not found and not changed:
        raise ConfigurationError(f"there is no setting {names[0]}{meant(names[0], given.all_names())}")
    width = max((len(value.name) for value in found), default=0)
    for value in found:
        told = _told(value.value)
        if as_json:
            print(json.dumps({"name": value.name, "value": told, "source": value.source}, ensure_ascii=False))
        else:
            print(f"{value.name:{width}}  {json.dumps(told, ensure_ascii=False)}  ({value.source})")


def values(settings: Settings) -> Iterator[Value]:
    """Every setting with its value, those of units as they are given. Raises ConfigurationError."""
    file = _file()
    for name in setting_names():
        group, _, field = name.rpartition(".")
        if name != "units":
            value = getattr(getattr(settings, group) if group else settings, field)
            yield Value(name, value, _source(name, file, GROUPS.get(group)))
    for unit, kind in given.unit_kinds().items():
        told = settings.units.get(unit, {})
        for each in dataclasses.fields(kind):
            name = f"{unit}.{each.name}"
            value = told.get(each.name, _default(each))
            if value and not each.repr:  # how a unit's config marks what is secret
                value = SecretStr(str(value))
            yield Value(name, value, _source(name, file))


def _source(name: str, file: Mapping[str, Any], group: type[BaseModel] | None = None) -> str:
    variables = [given.variable_of(name)]
    if group is not None:
        variables.append(PREFIX + name.replace(".", "_").upper())
    first, _, field = name.partition(".")
    if first not in Settings.model_fields:  # of a unit
        file, variables = file.get("units") or {}, [*variables, f"{PREFIX}UNITS"]
    elif field:
        variables.append(PREFIX + first.upper())
    known = {variable.upper(): variable for variable in os.environ}
    for variable in variables:
        if variable in given.told():
            return "--set"
        if variable in known and _holds(known[variable], name):
            return known[variable]
    if first in file and (not field or field in (file[first] or {})):
        return os.environ[given.CONFIG]
    return _DEFAULT


def _holds(variable: str, name: str) -> bool:
    """Of a variable that is JSON of a whole group: whether this setting is in it."""
    if given.name_of(variable) == name:
        return True
    try:
        tree = json.loads(os.environ[variable])
        for part in name.split(".")[1 if given.name_of(variable) in GROUPS else 0 :]:
            tree = tree[part]
    except (ValueError, LookupError, TypeError):
        return False
    return True


def _file() -> Mapping[str, Any]:
    """The tree of the settings file, which is right: the settings are loaded."""
    path = os.environ.get(given.CONFIG)
    return (yaml.safe_load(Path(path).read_text()) if path else None) or {}


def _default(each: dataclasses.Field[Any]) -> Any:
    if each.default is not dataclasses.MISSING:
        return each.default
    return None if each.default_factory is dataclasses.MISSING else each.default_factory()


def _is_wanted(name: str, wanted: list[str]) -> bool:
    plain = [each.removeprefix("units.") for each in wanted]
    return not plain or any(name == each or name.startswith(f"{each}.") for each in plain)


def _told(value: Any) -> Any:
    """As JSON has it, without passwords."""
    if isinstance(value, SecretStr):
        return "(secret)"
    if isinstance(value, str):
        return _USERINFO.sub("…@", value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _told(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _told(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_told(each) for each in value]
    return value if value is None or isinstance(value, (bool, int)) else _number(value)


def _number(value: Any) -> Any:
    return value if isinstance(value, float) and abs(value) != float("inf") else str(value)
