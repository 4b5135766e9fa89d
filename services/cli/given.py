"""`--set` and `--settings`, which every command takes; a name that is none is refused before anything starts.

Both become variables of the environment for as long as the command runs, so that every process it starts has
them. What wins, first to last: --set, the environment, the file, the default.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.models import OptionInfo

from services.runtime import ConfigurationError, Settings, configure, load_settings, meant_path
from services.runtime.settings import GROUPS, PREFIX, setting_names
from services.runtime.topology import Service, Topology
from services.runtime.wrong import meant, nearest

CONFIG = PREFIX + "CONFIG"
# Variables that are no settings of a river: where programs are kept, how a judge is asked, what tests want.
_OTHERS = {
    PREFIX + name
    for name in (
        *("CONFIG", "CACHE", "MAVEN_REPOSITORY", "KUBERNETES", "ROOT"),
        *("JUDGE_URL", "JUDGE_MODEL", "JUDGE_KEY", "TEST_SEED", "TEST_ROUNDS"),
    )
}
# Which check themselves what their units are told, so that a service need not import the others.
_OWN_UNITS = {"serve"}
_LAUNCHER = "launcher"  # no service of the topology

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting for this command, as rules.min_words=5; repeatable. `config show` lists all.",
        rich_help_panel="Settings",
    ),
]
File = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="YAML file of settings.", rich_help_panel="Settings"),
]
_told: ContextVar[frozenset[str]] = ContextVar("told", default=frozenset())


def take(app: typer.Typer) -> None:
    """Give both options to every command of an app and its groups; one with a --set of its own keeps that."""
    for group in app.registered_groups:
        if group.typer_instance is not None:
            take(group.typer_instance)
    for command in app.registered_commands:
        if command.callback is not None and not hasattr(command.callback, "takes_settings"):
            command.callback = _taking(command.callback, command.name or command.callback.__name__)


@contextmanager
def given(pairs: Sequence[str] = (), file: Path | None = None, *, units: bool = True) -> Iterator[None]:
    """What --set and --settings say, in force; everything that is set is checked.

    units: also what is set of units. Raises ConfigurationError.
    """
    values = dict(_pair(pair) for pair in pairs)
    if file is not None and not file.is_file():
        raise ConfigurationError(f"--settings {file} is no file that can be read{meant_path(file)}")
    environment = {variable_of(name): value for name, value in values.items()}
    environment |= {CONFIG: str(file.absolute())} if file is not None else {}
    before = dict(os.environ)
    os.environ.update(environment)
    token = _told.set(_told.get() | set(environment))
    try:
        _check_names(values)
        if any(_is_setting(name) for name in os.environ) or CONFIG in os.environ:
            _check_environment(in_units=units)
            _check_units(load_settings(), values=units)
        yield
    finally:
        _told.reset(token)
        # Also what the command itself has set, as the recipe of its --recipe.
        for name in set(os.environ) - set(before):
            if name.startswith(PREFIX):
                del os.environ[name]
        os.environ.update(before)


def told() -> frozenset[str]:
    """The variables that --set and --settings have put into the environment."""
    return _told.get()


def is_of_river(pair: str) -> bool:
    """Whether a NAME=VALUE is for the river: its name, or the first part of it, is one of its settings."""
    name = pair.partition("=")[0].strip()
    first, _, rest = name.partition(".")
    if not rest:
        return first in Settings.model_fields
    return first in GROUPS or first in {"units", _LAUNCHER, *_units()}


def variable_of(name: str) -> str:
    """The variable of a dotted name: CORPUSWORKS_UNITS__RULES__MIN_WORDS of rules.min_words."""
    parts = name.split(".")
    if parts[0] not in Settings.model_fields and len(parts) > 1:
        parts = ["units", *parts]
    return PREFIX + "__".join(parts).upper()


def name_of(variable: str) -> str:
    """The dotted name of a variable, also of CORPUSWORKS_KAFKA_BOOTSTRAP_SERVERS as people write it."""
    plain = variable.upper().removeprefix(PREFIX).lower()
    parts = plain.split("__")
    if len(parts) == 1 and plain not in Settings.model_fields:
        for group in GROUPS:
            if plain.startswith(group + "_"):
                return f"{group}.{plain.removeprefix(group + '_')}"
    return ".".join(parts[1:] if parts[0] == "units" and len(parts) > 1 else parts)


def all_names() -> list[str]:
    """Every setting by its dotted name, those of units too. Raises ConfigurationError."""
    found = [name for name in setting_names() if name != "units"]
    return found + [f"{unit}.{name}" for unit, kind in unit_kinds().items() for name in names_in(kind)]


def unit_kinds() -> dict[str, type[Any]]:
    """By unit, the dataclass of its settings; its services are imported. Raises ConfigurationError."""
    kinds = {name: _kind(service) for name, service in _units().items() if service is not None}
    return {name: kind for name, kind in kinds.items() if kind is not None} | {_LAUNCHER: _launcher()}


def names_in(kind: type[Any]) -> list[str]:
    """The settings in such a dataclass."""
    return [each.name for each in fields(kind)]


def _taking(callback: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The same command, in whose signature both options stand."""
    signature = inspect.signature(callback, eval_str=True)
    own = any(_declares(each, "--set") for each in signature.parameters.values())
    more = {"river_settings_file": File} if own else {"river_settings": Set, "river_settings_file": File}

    @functools.wraps(callback)
    def command(*arguments: Any, **options: Any) -> Any:
        pairs, file = options.pop("river_settings", None), options.pop("river_settings_file", None)
        with given(pairs or (), file, units=name not in _OWN_UNITS):
            return callback(*arguments, **options)

    kind = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(each, kind, default=None, annotation=wanted) for each, wanted in more.items()]
    vars(command).pop("__wrapped__")
    command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    command.__annotations__ = {
        each.name: each.annotation
        for each in command.__signature__.parameters.values()  # type: ignore[attr-defined]
    }
    command.takes_settings = True  # type: ignore[attr-defined]
    return command


def _declares(parameter: inspect.Parameter, option: str) -> bool:
    said = [each for each in get_args(parameter.annotation) if isinstance(each, OptionInfo)]
    return any(option in (each.default, *(each.param_decls or ())) for each in said)


def _pair(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    name = name.strip().removeprefix("units.").lower()
    if not name or not equals:
        raise ConfigurationError(f"--set {pair}: write NAME=VALUE, as rules.min_words=5")
    return name, value


def _check_names(given_names: Mapping[str, str]) -> None:
    for name in given_names:
        if not _known(name):
            raise ConfigurationError(f"--set {name}: there is no such setting{meant(name, all_names())}")


def _check_environment(*, in_units: bool) -> None:
    for variable in filter(_is_setting, os.environ):
        name = name_of(variable)
        if not _known(name, in_units=in_units):
            near = nearest(name, all_names())
            said = f"; did you mean {variable_of(near)}?" if near else "; `corpusworks config show` lists all"
            raise ConfigurationError(f"there is no setting {variable}{said}")


def _check_units(settings: Settings, *, values: bool) -> None:
    """Of units that are set: that there is such a unit, and what it is told."""
    if not settings.units:
        return
    units = _units(settings.topology)
    for unit, told_values in settings.units.items():
        if unit != _LAUNCHER and unit not in units:
            raise ConfigurationError(f"there is no unit {unit}{meant(unit, units)}")
        service = units.get(unit)
        kind = _launcher() if unit == _LAUNCHER else _kind(service) if service is not None else None
        if values and kind is not None:
            check_unit(unit, kind, told_values)


def check_unit(unit: str, kind: type[Any], values: Mapping[str, Any]) -> None:
    """Raises ConfigurationError. What a command fills in itself (the paths of ingest) may be missing."""
    missing = {each.name for each in fields(kind) if _is_required(each)} - set(values)
    configure(unit, kind, {**values, **dict.fromkeys(missing, "later")})


def _is_required(each: Any) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _known(name: str, *, in_units: bool = True) -> bool:
    """in_units: whether to ask what a unit can be told, for which it is imported."""
    first, _, rest = name.partition(".")
    if first in GROUPS:
        return not rest or rest in GROUPS[first].model_fields
    if first in Settings.model_fields:
        return not rest or first == "keep"
    units = _units()
    if not rest or first not in (*units, _LAUNCHER):
        return False
    kind = _launcher() if first == _LAUNCHER else None
    if in_units and (service := units.get(first)) is not None:
        kind = _kind(service)
    return kind is None or rest.partition(".")[0] in names_in(kind)


def _launcher() -> type[Any]:
    from services.launcher.config import LauncherConfig

    return LauncherConfig


def _kind(service: Service) -> type[Any] | None:
    if not service.run:
        return None
    found: type[Any] = service.definition.config
    return found


def _units(table: Path | None = None) -> dict[str, Service | None]:
    """By name what can be told something, by what reads it: of the table in force, and of the one that ships.

    So settings that several tables share hold a unit that one of them leaves out.
    """
    path = os.environ.get(PREFIX + "TOPOLOGY")
    shipped, own = _table(None), _table(table or (Path(path) if path else None))
    units = {name: each.services.get(name) for each in (shipped, own) for name in each.names}
    known = {service.run for service in shipped.services.values()}
    theirs = [service for service in own.services.values() if service.run and service.run not in known]
    return units | {service.definition.name: service for service in theirs}  # a row may be called otherwise


@functools.cache
def _table(path: Path | None) -> Topology:
    return Topology.load(path, ())


def _is_setting(variable: str) -> bool:
    return variable.upper().startswith(PREFIX) and variable.upper() not in _OTHERS
