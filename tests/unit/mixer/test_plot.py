"""The picture: an SVG that is whole by itself, whose areas are the shares."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from services.mixer.plot import _BOTTOM, _COLOURS, _LEFT, _RIGHT, _TOP, plot, short
from services.mixer.recipe import Recipe
from services.mixer.simulate import simulate
from services.mixer.supply import Even
from services.runtime import ConfigurationError
from tests.unit.mixer.test_mixer import recipe

PHASES = {"stable": {"zh": 4, "en": 4, "code": 2, "tokens": 600_000}, "anneal": {"code": 3, "zh": 1}}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def picture():
    supply = {"zh": 400_000, "en": 400_000, "code": 250_000}
    return plot(simulate(recipe(PHASES), {b: Even(n, 500) for b, n in supply.items()}), "mine & <others>")


def area(polygon):
    points = [tuple(map(float, p.split(","))) for p in polygon.get("points").split()]
    turned = zip(points, [*points[1:], points[0]], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turned)) / 2


def test_the_areas_are_the_tokens(picture):
    root = ET.fromstring(picture.svg())
    found = dict.fromkeys(_COLOURS[:3], 0.0)
    for polygon in root.iter(f"{SVG}polygon"):
        right = max(float(p.split(",")[0]) for p in polygon.get("points").split())
        if polygon.get("fill") in found and right <= _RIGHT + 0.01 and area(polygon) > 30:
            found[polygon.get("fill")] += area(polygon)
    whole = sum(found.values())
    assert whole == pytest.approx((_RIGHT - _LEFT) * (_BOTTOM - _TOP), rel=0.01)
    code, zh, en = found.values()
    tokens = 600_000 + (250_000 - 120_000) / 0.75  # until code is dry
    assert code / whole == pytest.approx(250_000 / tokens, abs=0.01)
    assert en / whole == pytest.approx(240_000 / tokens, abs=0.01)
    assert zh / whole == pytest.approx(1 - 490_000 / tokens, abs=0.01)


def test_it_has_axes_units_a_legend_the_phases_and_where_a_bucket_was_dry(picture):
    told = [text.text for text in ET.fromstring(picture.svg()).iter(f"{SVG}text")]
    for said in ("share of tokens", "tokens mixed", "0 %", "100 %", "200 k", "code", "zh", "en", "target"):
        assert said in told, told
    assert {"stable", "anneal"} <= set(told)
    assert any(
        said.startswith("code dry at 773 k") or said.startswith("code dry at 774 k") for said in told
    ), told
    assert "The mix by recipe mine & <others>" in told


def test_it_tells_how_often_each_bucket_was_used_by_phase(picture):
    told = [text.text for text in ET.fromstring(picture.svg()).iter(f"{SVG}text")]
    assert "epochs by phase" in told
    assert "0.48 + 0.52 = 1" in told  # code: 120 of 250 thousand, and the rest
    assert "0.6 + 0 = 0.6" in told  # en
    phase = {"name": "only", "weights": {"zh": 1}, "tokens": 900_000, "max_uses": 4}
    again = Recipe.model_validate({"buckets": {"zh": "true"}, "phases": [phase]})
    svg = plot(simulate(again, {"zh": Even(300_000, 500)}), "x").svg()
    assert ">epochs<" in svg
    assert ">3<" in svg


def test_it_is_whole_by_itself_and_of_the_readers_theme(picture):
    svg = picture.svg()
    assert "prefers-color-scheme: dark" in svg
    assert not [word for word in ("<script", "<image", "href", "@import", "url(") if word in svg]


def test_nothing_mixed_is_said(tmp_path):
    found = plot(simulate(recipe(), {"zh": Even(0), "en": Even(1000)}), "x")
    assert "Nothing is mixed: " in found.svg()


def test_it_is_written_as_the_suffix_says(picture, tmp_path):
    picture.write(tmp_path / "mix.svg")
    assert (tmp_path / "mix.svg").read_text() == picture.svg()
    with pytest.raises(ConfigurationError, match=r"\.svg or a \.png"):
        picture.write(tmp_path / "mix.pdf")
    with pytest.raises(ConfigurationError, match="cannot be written: No such file"):
        picture.write(tmp_path / "none" / "mix.svg")


def test_as_png_it_has_the_colours_of_the_buckets(picture, tmp_path):
    image = pytest.importorskip("PIL.Image")
    picture.write(tmp_path / "mix.png")
    with image.open(tmp_path / "mix.png") as found:
        assert found.size == (2 * picture.width, 2 * picture.height)
        seen = {colour for _, colour in found.convert("RGB").getcolors(1 << 20)}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in _COLOURS[:3]} <= seen


@pytest.mark.parametrize(
    ("tokens", "told"), [(0, "0"), (999, "999"), (1200, "1.2 k"), (3.4e8, "340 M"), (1.5e12, "1.5 T")]
)
def test_short_numbers(tokens, told):
    assert short(tokens) == told
