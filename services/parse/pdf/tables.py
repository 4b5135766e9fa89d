"""Tables: rows whose cells leave the same strips white, as Markdown.

No lines are needed around the cells, and none are looked at: most tables of books and papers have few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from services.parse.pdf.line import Line
from services.parse.pdf.rows import Row, joined

_MIN_STRIP = 0.4  # of the font's height, as are the next two
_USUAL_GAP = 0.9
_ROW_STEP = 3.2
_HALF_LINE = 0.8  # a cell beside two lines of another stands between them
_TIGHT = 1.4  # a row so near under another may go on with its cells
_HEAD_ROWS = 2
_MOST_HEAD = 6  # lines
_OF_NUMBERS = 0.7  # of the lines under it
_NEARER = 0.85  # of the usual distance of two lines
_NUMBER = re.compile(r"[-+−–(]?[$€£¥]? ?\d[\d.,: ]*[%)]?|[-–—]|[nN]/?[aA]")
_WRAPPED = 3  # words of a line, on average: of a text that is wrapped in its cell
_DRAWN_DOWN = 0.5  # of the rows: in fewer a cell may go on while others begin
_MIN_ROWS = 3  # two, where there are three columns
_MARKER = re.compile(
    r"(?:[•·▪◦‣●○■□◆–—*\-➢✓]|[\[(]?\w{1,3}[.)\]、:]|\d{1,3}|[(（]?[一二三四五六七八九十]+[)）、]?)"
)
_LEADERS = re.compile(r"(?:\. ?){4,}|…{2,}|·{4,}")

_Strip = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Table:
    """A table in Markdown; its first row is the head."""

    text: str


def with_tables(rows: Sequence[Row]) -> Iterator[Line | Table]:
    """Rows as lines, those of a table together."""
    index = 0
    while index < len(rows):
        cells = rows[index].cells
        end = _end(rows, index) if len(cells) > 1 else index + 1
        table = _table(rows[index:end]) if end - index > 1 else None
        if table is not None:
            yield table
        else:
            yield joined(cells)
            yield from (joined(row.cells) for row in rows[index + 1 : end])
        index = max(end, index + 1)


def _end(rows: Sequence[Row], start: int) -> int:
    """Where the rows end that share a white strip with the row at start."""
    strips = _gaps(rows[start])
    end = start
    while strips:
        end += 1
        if end == len(rows) or rows[end - 1].base - rows[end].base > _ROW_STEP * rows[end].height:
            break
        strips = _free(strips, rows[end])
    reached = end
    while end > start + 1 and len(rows[end - 1].cells) == 1:
        end -= 1  # a line under the table
    while start < end < reached and _is_under_a_cell(rows[end].cells[0], rows[end - 1]):
        end += 1  # of the last row, whose other cells are shorter
    return end


def _is_under_a_cell(line: Line, row: Row) -> bool:
    """It goes on with a cell of the row, and is no item of a list."""
    if _MARKER.fullmatch(line.text.split(None, 1)[0]):
        return False
    return any(_overlap(line, (cell.left, cell.right)) > 0 and _goes_on(line, cell) for cell in row.cells)


def _gaps(row: Row) -> list[_Strip]:
    return [(a.right, b.left) for a, b in pairwise(row.cells) if b.left > a.right]


def _free(strips: Sequence[_Strip], row: Row) -> list[_Strip]:
    """What a row leaves white of the strips, where it is wide enough."""
    kept = list(strips)
    for cell in row.cells:
        cut = []
        for left, right in kept:
            if cell.right <= left or cell.left >= right:
                cut.append((left, right))
            else:
                cut += [(left, cell.left), (cell.right, right)]
        kept = [(left, right) for left, right in cut if right - left >= _MIN_STRIP * row.height]
    return kept


def _table(rows: Sequence[Row]) -> Table | None:
    """The table that the rows make; None where they are a list, contents or anything else."""
    several = [row for row in rows if len(row.cells) > 1]
    columns = _columns(several)
    if len(columns) < 2 or len(several) < (2 if len(columns) > 2 else _MIN_ROWS):
        return None
    gaps = [(right - left) / row.height for row in several for left, right in _gaps(row)]
    if sum(gaps) < _USUAL_GAP * len(gaps) or 2 * len(several) < len(rows):
        return None
    leaders = sum(bool(_LEADERS.search(cell.text)) for row in rows for cell in row.cells)
    firsts = [row.cells[0].text for row in several]
    marked = sum(bool(_MARKER.fullmatch(text)) for text in firsts)
    if 2 * leaders >= len(rows) or (len(columns) == 2 and marked > 0.6 * len(firsts)):
        return None
    return markdown(_grid(rows, columns))


def markdown(grid: Sequence[Sequence[str]]) -> Table:
    """The table of these rows of cells."""
    lines = ["| " + " | ".join(map(_escaped, cells)) + " |" for cells in grid]
    return Table("\n".join([lines[0], "|" + " --- |" * len(grid[0]), *lines[1:]]))


def _columns(rows: Sequence[Row]) -> list[_Strip]:
    """Extents of columns: apart where all rows but one in seven are white."""
    edges = sorted(edge for row in rows for cell in row.cells for edge in ((cell.left, 1), (cell.right, -1)))
    allowed = len(rows) // 7
    columns: list[_Strip] = []
    covered, opened = 0, 0.0
    for place, step in edges:
        if step > 0 and covered == allowed:
            opened = place
        if step < 0 and covered == allowed + 1:
            columns.append((opened, place))
        covered += step
    height = sorted(row.height for row in rows)[len(rows) // 2]
    merged: list[_Strip] = columns[:1]
    for left, right in columns[1:]:
        if left - merged[-1][1] < _MIN_STRIP * height:
            merged[-1] = (merged[-1][0], right)
        else:
            merged.append((left, right))
    return merged


def _grid(rows: Sequence[Row], columns: Sequence[_Strip]) -> list[list[str]]:
    """Texts of cells; what goes on with a cell above is added to it."""
    placed = [_placed(row, columns) for row in rows]
    unordered = len({cell.at for cells in placed for cell in cells.values()}) == 1
    head = _head(rows, placed) if unordered else 0
    goes_on = _under_cells(rows, placed, head) if unordered else _going_on(placed)
    grid: list[list[str]] = []
    last: dict[int, int] = {}  # of each column, the row of its last cell
    base = 0.0
    for index, (row, cells, going_on) in enumerate(zip(rows, placed, goes_on, strict=True)):
        begun = cells.keys() - going_on
        number = max((last[column] for column in going_on), default=len(grid) - 1)
        near = bool(going_on) or 0 < index < head or (grid and base - row.base < _HALF_LINE * row.height)
        if not near or any(grid[number][column] for column in begun):
            number = len(grid)
            grid.append([""] * len(columns))
        last |= dict.fromkeys(begun, number)
        base = row.base
        for column, cell in cells.items():
            texts = grid[last[column]]
            texts[column] = f"{texts[column]} {cell.text}".strip()
    return grid


def _placed(row: Row, columns: Sequence[_Strip]) -> dict[int, Line]:
    """Cells of a row by their columns."""
    placed: dict[int, Line] = {}
    for cell in row.cells:
        column = _column_of(cell, columns)
        placed[column] = joined([placed[column], cell]) if column in placed else cell
    return placed


def _going_on(rows: Sequence[Mapping[int, Line]]) -> list[set[int]]:
    """Of each row the columns in which it goes on with the cell above; nowhere in a column that is drawn from
    top to bottom beside others that are not, or in a table of such columns: every cell of them would be one
    line of the same.
    """
    found: list[set[int]] = []
    last: dict[int, Line] = {}
    for cells in rows:
        found.append({c for c, cell in cells.items() if c in last and _goes_on(cell, last[c])})
        last |= cells
    for column in {column for on in found for column in on}:
        beside = sum(column in on and cells.keys() > on for cells, on in zip(rows, found, strict=True))
        if beside > max(_HEAD_ROWS, _DRAWN_DOWN * len(rows)):
            for on in found:
                on.discard(column)
    whole = [len(cells) > 1 and cells.keys() == on for cells, on in zip(rows, found, strict=True)]
    index = 0
    for is_whole, run in groupby(whole):
        length = len(list(run))
        end = index + length
        if is_whole and length >= len(rows) - _HEAD_ROWS and not _are_wrapped(rows[index:end]):
            found[index:end] = [set()] * length
        index = end
    return found


def _head(rows: Sequence[Row], placed: Sequence[Mapping[int, Line]]) -> int:
    """How many lines above a table of numbers are its head, where there is no order in which they were drawn:
    up to the first line of numbers, if they are as near to each other as lines of one text.
    """
    numbers = [2 * sum(map(_is_number, cells.values())) >= len(cells) for cells in placed]
    head = numbers.index(True) if True in numbers else 0
    if head > _MOST_HEAD or sum(numbers[head:]) < _OF_NUMBERS * len(numbers[head:]):
        return 0
    near = all(a.base - b.base < _TIGHT * b.height for a, b in pairwise(rows[:head]))
    return head if near and len(numbers) - head >= _MIN_ROWS else 0


def _is_number(cell: Line) -> bool:
    return _NUMBER.fullmatch(cell.text) is not None


def _under_cells(rows: Sequence[Row], placed: Sequence[Mapping[int, Line]], head: int) -> list[set[int]]:
    """As _going_on, where there is no order in which the cells were drawn: in the head, and where a line has
    fewer cells than the one above and is nearer to it than lines are.
    """
    steps = [a.base - b.base for a, b in pairwise(rows)]
    usual = sorted(steps)[len(steps) // 2] if steps else 0.0
    found: list[set[int]] = [set()]
    seen = set(placed[0])
    for index, (row, cells) in enumerate(zip(rows[1:], placed[1:], strict=True), 1):
        if index < head:
            found.append(cells.keys() & seen)
        else:
            step, is_part = steps[index - 1], cells.keys() < placed[index - 1].keys()
            near = step < min(_TIGHT * row.height, _NEARER * usual)
            goes_on = is_part and near and not any(map(_is_number, cells.values()))
            found.append(set(cells) if goes_on else set())
        seen |= cells.keys()
    return found


def _are_wrapped(rows: Sequence[Mapping[int, Line]]) -> bool:
    words = [len(cell.text.split()) for cells in rows for cell in cells.values()]
    return sum(words) >= _WRAPPED * len(words)


def _column_of(cell: Line, columns: Sequence[_Strip]) -> int:
    """The column that it overlaps most."""
    for number, (left, right) in enumerate(columns):
        if left <= cell.left and cell.right <= right and cell.left < cell.right:
            return number
    return max(range(len(columns)), key=lambda each: _overlap(cell, columns[each]))


def _goes_on(line: Line, above: Line) -> bool:
    """A line of a cell: right under the one before it, and drawn right after it."""
    return (
        line.base < above.base
        and above.base - line.base < _TIGHT * line.height
        and 0 < line.at - above.at <= len(above.text.split())
    )


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


def _overlap(cell: Line, column: _Strip) -> float:
    return min(cell.right, column[1]) - max(cell.left, column[0])
