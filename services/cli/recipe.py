"""`recipe`: what a recipe says, and what it would make of a supply, before anything is mixed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Out
from services.mixer import presets
from services.mixer.phase import Phase
from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError, load_settings

if TYPE_CHECKING:
    from services.mixer.simulate import Simulation

app = typer.Typer(no_args_is_help=True, help="Check a recipe, and see its mix before anything is mixed.")

Given = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE", help="A YAML file or a preset's name; default: the one in the settings."
    ),
]
Amounts = Annotated[
    str,
    typer.Option(
        "--supply",
        help="Tokens by bucket: zh=1.2e9,en=3e9,code=4e8; all of them taken to meet every `where`.",
        metavar="BUCKET=TOKENS,…",
    ),
]
Place = Annotated[
    str,
    typer.Option("--from", help="The documents of a river: its folder or store.", metavar="FOLDER_OR_OUT"),
]
Lengths = Annotated[
    str, typer.Option("--length", help="Tokens of a document of --supply: 1000, or zh=600,en=900.")
]
Flush = Annotated[
    bool, typer.Option("--flush", help="As at the end of `run`: go on without a dry bucket, though it waits.")
]
_MEAN = "1000"


@app.command("list")
def list_() -> None:
    """The presets, the default first."""
    for name in presets.names():
        weights = "; ".join(_weights(phase) for phase in Recipe.load(name).phases)
        print(f"{name}{' (default)' if name == presets.DEFAULT else ''}: {weights}")
        print(f"    {presets.purpose(name)}")


@app.command()
def check(recipe: Given = None) -> None:
    """Everything that is wrong, exit 2; else buckets, phases with their shares, digest and warnings."""
    from services.mixer.review import review

    name, found = _load(recipe)
    print(f"recipe {name}, digest {found.digest}")
    print("buckets, the first that holds wins:")
    width = max(map(len, found.buckets))
    for bucket, expression in found.buckets.items():
        print(f"    {bucket:{width}}  {' '.join(expression.split())}")
    print("phases, shares in tokens:")
    for phase in found.phases:
        end = "without end" if phase.tokens is None else f"{phase.tokens:,} tokens"
        print(f"    {phase.name}, {end}: {_weights(phase)}")
        for line in _terms(found, phase):
            print(f"        {line}")
    dry = {"wait": "wait for it", "relax": "go on without it", "reuse": "read it again"}[found.starvation]
    print(f"a dry bucket: {dry}{'' if found.starvation == 'wait' else f' after {found.relax_after_s:g} s'}")
    for line in _apart(found):
        print(line)
    for doubt in review(found):
        print(f"warning: {doubt}")


@app.command()
def simulate(
    *,
    recipe: Given = None,
    supply: Amounts = "",
    place: Place = "",
    length: Lengths = _MEAN,
    flush: Flush = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What the mixer would make of a supply: shares, what is dry first and when, what is left over."""
    _, found = _simulated(recipe, supply, place, length, flush)
    if as_json:
        print(json.dumps(found.row, ensure_ascii=False))
    else:
        _show(found)


@app.command()
def plot(
    *,
    recipe: Given = None,
    out: Annotated[Path, typer.Option("--out", help="The picture: .svg, or .png (needs Pillow).")],
    supply: Amounts = "",
    place: Place = "",
    length: Lengths = _MEAN,
    flush: Flush = False,
) -> None:
    """The same as a picture: shares over tokens, phase by phase, against the target."""
    from services.mixer.plot import plot as picture_of

    name, found = _simulated(recipe, supply, place, length, flush)
    picture_of(found, name).write(out)
    print(f"{out} written", file=sys.stderr)


@app.command()
def apply(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file or a preset's name.")],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Mix by another recipe from here on; on a river that runs or not. Says from which offset."""
    from services.cli.options import topology_of
    from services.local.run import attached
    from services.mixer import change
    from services.runtime import agreement

    made = Recipe.load(recipe)
    with attached(out) as settings:
        if (text := agreement.recipe_in_force(settings)) is not None:
            change.check(Recipe.load(text), made)
        changed = settings.model_copy(update={"recipe": made.text})
        agreement.make(changed, topology_of(changed))
        told = agreement.told_at(settings, made.text)
    if as_json:
        print(json.dumps({"recipe": made.digest, "offsets": told}))
        return
    print(
        f"recipe {made.digest} holds from offset " + ", ".join(f"{at} in lane {n}" for n, at in told.items())
    )


def _load(recipe: str | None) -> tuple[str, Recipe]:
    """Its name, and itself. Raises ConfigurationError with all that is wrong with it."""
    given = recipe or load_settings().recipe
    return str(given or presets.DEFAULT), Recipe.load(given)


def _simulated(
    recipe: str | None, supply: str, place: str, length: str, flush: bool
) -> tuple[str, Simulation]:
    from services.cli import supply as supplies
    from services.mixer.simulate import simulate as simulate_mix

    if bool(supply) == bool(place):
        raise ConfigurationError("say what there is: --supply zh=1.2e9,en=3e9 or --from FOLDER, one of them")
    name, loaded = _load(recipe)
    given = supplies.told(loaded, supply, length) if supply else supplies.found(loaded, place)
    return name, simulate_mix(loaded, given, flush=flush)


def _weights(phase: Phase) -> str:
    return ", ".join(f"{bucket} {share:.1%}" for bucket, share in phase.shares.items())


def _terms(recipe: Recipe, phase: Phase) -> Iterator[str]:
    """What a phase takes of its buckets, where that is not everything once; and how it is packed."""
    for bucket in phase.shares:
        where, uses = recipe.terms(phase, bucket)
        said = [f"where {' '.join(where.split())}"] if where else []
        said += [f"up to {uses} uses"] if uses > 1 else []
        if said:
            yield f"{bucket}: {', '.join(said)}"
    if phase.packing:
        yield f"packing: {phase.packing}"


def _apart(recipe: Recipe) -> Iterator[str]:
    if recipe.spacing:
        yield f"documents that are nearly alike: {recipe.spacing:,} tokens apart"
    for of, share in (("host", recipe.limits.host), ("source", recipe.limits.source)):
        if share is not None:
            yield f"of one {of}: at most {share:.1%} of any {recipe.limits.window:,} tokens"


def _show(found: Simulation) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("phase", "bucket", title_justify="left")
    for heading in ("tokens", "share", "target", "epochs", "dry at token"):
        table.add_column(heading, justify="right")
    for phase in found.phases:
        for bucket, use in phase.buckets.items():
            dry = "" if use.starved is None else f"{use.starved:,}"
            share, target = f"{use.share:.2%}", f"{use.target:.2%}"
            table.add_row(phase.name, bucket, f"{use.tokens:,}", share, target, f"{use.epochs:.3f}", dry)
        table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(table)
    console.print(f"{found.tokens:,} tokens are mixed; a step is {found.block:,} tokens at most")
    if found.first_starved is None:
        console.print("No bucket is dry before the others.")
    else:
        at, bucket = found.first_starved
        console.print(f"{bucket} is dry first, at token {at:,}.")
    for bucket, tokens in found.supply.items():
        left = found.left[bucket]
        used = f", {1 - left / tokens:.1%} used, {left:,} left over" if tokens else ""
        console.print(f"{bucket}: {tokens:,} tokens{used}")
