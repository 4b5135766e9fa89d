"""Who may know whom. The import-linter contracts are in pyproject.toml; here is what they cannot say."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import services.runtime

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services"
PYPROJECT = ROOT / "pyproject.toml"
LINTER = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in LINTER["contracts"]}

# They may use any module of the runtime: it is their subject.
INSIDERS = {"runtime", "ledger", "launcher", "local", "cli"}
# Knows no service, and may be asked by those that judge.
SHARED = {"inference"}
FOLDERS = {path.parent.name for path in SERVICES.glob("*/__init__.py")}


def modules(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def test_the_import_contracts_are_kept() -> None:
    """Prevents a service from reaching into another one, and Kafka from being spoken to from everywhere.

    In a process of its own: the linter silences every logger that there is.
    """
    command = [Path(sys.executable).with_name("lint-imports"), "--config", PYPROJECT, "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken" in done.stdout


def test_every_service_stands_in_the_contracts() -> None:
    """Prevents a new service from being checked by nothing."""
    shared = {f"services.{name}" for name in SHARED}
    units = {f"services.{name}" for name in FOLDERS - INSIDERS}
    assert len(units) >= 10
    independent = set(CONTRACTS["Services do not know each other"]["modules"])
    assert independent == units - shared, "name every folder of services/ in [tool.importlinter]"
    assert set(CONTRACTS["Services do not know what stands above them"]["source_modules"]) == units
    for name in ("The runtime knows no service", "The ledger knows the runtime only"):
        assert set(CONTRACTS[name]["forbidden_modules"]) >= units
    assert (
        set(CONTRACTS["The local stack knows the runtime and the ledger only"]["forbidden_modules"]) >= units
    )
    assert set(CONTRACTS["Inference knows the runtime only"]["source_modules"]) == shared
    assert set(CONTRACTS["Inference knows the runtime only"]["forbidden_modules"]) == independent
    judging = {"services.classifier", "services.scorer"}
    assert set(CONTRACTS["Only what judges asks inference"]["source_modules"]) == independent - judging
    only = CONTRACTS["Only the runtime speaks to Kafka and counts for Prometheus"]
    above = {"services.ledger", "services.launcher", "services.local", "services.cli"}
    assert set(only["source_modules"]) == units | above
    launcher = "The launcher knows the runtime, the ledger, the local stack and the catalog only"
    known = {"services.catalog"}
    assert set(CONTRACTS[launcher]["forbidden_modules"]) == (units - known) | {"services.cli"}


def imports(source: str, package: str) -> Iterator[tuple[str, list[str]]]:
    """(module, names) of every import wherever it stands; relative ones made absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module, [alias.name for alias in node.names]


def beside_the_public_names(source: str, package: str) -> list[str]:
    """Imports of the runtime other than `from services.runtime import <public name>`."""
    found = []
    for module, names in imports(source, package):
        if module == "services.runtime" and names:
            found += [f"{module}: {name}" for name in names if name not in services.runtime.__all__]
        elif module == "services.runtime" or module.startswith("services.runtime."):
            found.append(module)
        elif module == "services" and "runtime" in names:
            found.append("services.runtime")
    return found


@pytest.mark.parametrize("service", sorted(FOLDERS - INSIDERS))
def test_a_service_uses_public_names_of_the_runtime_only(service: str) -> None:
    """Prevents the runtime's insides from becoming what ten services depend on."""
    checked = 0
    for path in modules(SERVICES / service):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        assert beside_the_public_names(path.read_text(), package) == [], path
        checked += 1
    assert checked


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("from services.runtime import Unit, Emit", 0),
        ("from services.runtime import Unit, loop", 1),
        ("from services.runtime.contracts.unit import Unit", 1),
        ("import services.runtime.contracts.unit", 1),
        ("from services import runtime", 1),
        ("from ..runtime import kafka", 1),
        ("from ..runtime.kafka import Log", 1),
        ("def f():\n    from services.runtime.loops.unit import UnitLoop", 1),
        ("from services.rules.config import RulesConfig", 0),
    ],
)
def test_the_check_sees_every_way_to_import(source: str, count: int) -> None:
    """Prevents the check above from being passed by another spelling."""
    assert len(beside_the_public_names(source, "services.rules")) == count


def test_the_runtime_exports_what_it_says() -> None:
    """Prevents a public name that is not there, or one that nobody can find in order."""
    names = services.runtime.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    for name in names:
        exec(f"from services.runtime import {name}")  # as who uses it does, modules included


def test_no_module_is_a_drawer() -> None:
    """Prevents a place where everything lands that has no name."""
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    names = {part for path in modules(SERVICES) for part in (path.stem, path.parent.name)}
    assert "runtime" in names
    assert names & drawers == set()


def test_nothing_imports_the_tests() -> None:
    """Prevents a service that works in the checkout only."""
    for path in modules(SERVICES):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        assert not [
            module for module, _ in imports(path.read_text(), package) if module.split(".")[0] == "tests"
        ]
