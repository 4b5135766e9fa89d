"""Shapes on a sheet, and the sheet as a file: SVG by itself, PNG where Pillow is installed.

A colour is #rrggbb or one of the theme's: `ink` for text and axes, `faint` for the grid, `paper` behind all.
An SVG takes the theme of whoever looks at it, light or dark; a PNG is light.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

from services.runtime import ConfigurationError

_LIGHT = {"ink": "#1a1a1a", "faint": "#c8c8c8", "paper": "#ffffff"}
_DARK = {"ink": "#eeeeee", "faint": "#4a4a4a", "paper": "#161616"}
_SCALE = 2  # pixels of a PNG for one unit


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: tuple[tuple[float, float], ...]
    colour: str


@dataclass(frozen=True)
class Line:
    """A straight line; dash: lengths of mark and gap, 0 for none."""

    start: tuple[float, float]
    end: tuple[float, float]
    colour: str = "ink"
    width: float = 1.0
    dash: float = 0.0


@dataclass(frozen=True)
class Text:
    """A line of text; its baseline begins, is centred or ends at `at`."""

    at: tuple[float, float]
    said: str
    anchor: Literal["start", "middle", "end"] = "start"
    size: float = 12.0


Shape = Area | Line | Text


def block(x: float, y: float, width: float, height: float, colour: str) -> Area:
    """A rectangle; y grows downwards."""
    return Area(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), colour)


@dataclass(frozen=True)
class Picture:
    """Shapes in the order in which they are drawn, on a sheet of width by height units."""

    title: str
    width: int
    height: int
    shapes: Sequence[Shape]

    def write(self, path: Path) -> None:
        """As the suffix says, .svg or .png. Raises ConfigurationError."""
        writer = {".svg": self._write_svg, ".png": self._write_png}.get(path.suffix.lower())
        if writer is None:
            raise ConfigurationError(f"{path}: a picture is an .svg or a .png")
        try:
            writer(path)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error

    def svg(self) -> str:
        """The whole file: no script, no font, no image from elsewhere."""
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                f'width="{self.width}" height="{self.height}" role="img" font-family="sans-serif">',
                f"<title>{escape(self.title)}</title>",
                f"<style>{_rules(_LIGHT)} @media (prefers-color-scheme: dark) {{ {_rules(_DARK)} }}</style>",
                f'<rect width="{self.width}" height="{self.height}" class="paper"/>',
                *map(_element, self.shapes),
                "</svg>\n",
            ]
        )

    def _write_svg(self, path: Path) -> None:
        path.write_text(self.svg(), encoding="utf-8")

    def _write_png(self, path: Path) -> None:
        try:
            from PIL import Image, ImageDraw, ImageFont
        except ImportError as error:
            raise ConfigurationError(
                "a .png needs Pillow (pip install pillow); an .svg needs nothing"
            ) from error
        image = Image.new("RGB", (self.width * _SCALE, self.height * _SCALE), _LIGHT["paper"])
        draw = ImageDraw.Draw(image)
        for shape in self.shapes:
            match shape:
                case Area():
                    draw.polygon([_pixel(p) for p in shape.points], _light(shape.colour))
                case Line():
                    for start, end in _dashes(shape):
                        ends = [_pixel(start), _pixel(end)]
                        draw.line(ends, _light(shape.colour), round(shape.width * _SCALE))
                case Text():
                    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
                    font = ImageFont.load_default(shape.size * _SCALE)
                    draw.text(_pixel(shape.at), shape.said, _LIGHT["ink"], font, anchor)
        image.save(path, "PNG")


def _rules(theme: dict[str, str]) -> str:
    filled = " ".join(f".{name} {{ fill: {colour} }}" for name, colour in theme.items())
    return f"{filled} " + " ".join(f".{name}-line {{ stroke: {c} }}" for name, c in theme.items())


def _element(shape: Shape) -> str:
    match shape:
        case Area():
            points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
            paint = f'class="{shape.colour}"' if shape.colour in _LIGHT else f'fill="{shape.colour}"'
            return f'<polygon points="{points}" {paint} shape-rendering="crispEdges"/>'
        case Line():
            (x1, y1), (x2, y2) = shape.start, shape.end
            themed = shape.colour in _LIGHT
            paint = f'class="{shape.colour}-line"' if themed else f'stroke="{shape.colour}"'
            dash = f' stroke-dasharray="{shape.dash:g}"' if shape.dash else ""
            place = f'x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"'
            return f'<line {place} {paint} stroke-width="{shape.width:g}"{dash}/>'
        case Text():
            x, y = shape.at
            place = f'x="{x:.2f}" y="{y:.2f}" text-anchor="{shape.anchor}" font-size="{shape.size:g}"'
            return f'<text {place} class="ink">{escape(shape.said)}</text>'


def _light(colour: str) -> str:
    return _LIGHT.get(colour, colour)


def _pixel(point: tuple[float, float]) -> tuple[float, float]:
    return point[0] * _SCALE, point[1] * _SCALE


def _dashes(line: Line) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    (x1, y1), (x2, y2) = line.start, line.end
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    if not line.dash or not length:
        yield line.start, line.end
        return
    at = 0.0
    while at < length:
        a, b = at / length, min(at + line.dash, length) / length
        yield (x1 + a * (x2 - x1), y1 + a * (y2 - y1)), (x1 + b * (x2 - x1), y1 + b * (y2 - y1))
        at += 2 * line.dash
