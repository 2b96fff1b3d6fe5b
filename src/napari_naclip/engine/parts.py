"""Parts of regions: of rows, of rows of tiles, beside what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_naclip.engine.tiles import AxisTile


def rows_of(area: Region, top: int, bottom: int) -> Region:
    """Return some rows of an area, counted from its first."""
    return Region(area.top + top, area.left, area.top + bottom, area.right)


def in_tile(area: Region, row: AxisTile) -> Region:
    """Return what of an area lies in a row of tiles."""
    return Region(
        max(row.start, area.top),
        area.left,
        min(row.stop, area.bottom),
        area.right,
    )


def across(area: Region, width: int) -> Iterator[Region]:
    """Yield an area from the left, cut at multiples of a width."""
    for left in range(area.left // width * width, area.right, width):
        yield Region(
            area.top,
            max(left, area.left),
            area.bottom,
            min(left + width, area.right),
        )


def beside(area: Region, done: Region | None) -> list[Region]:
    """Return what is left of an area when another is done, at most four parts.

    Above and below it, and between these what is left and right of it.
    """
    if done is None or not area.meets(done):
        return [area]
    done = done.intersection(area)
    return [
        Region(*edges)
        for edges in (
            (area.top, area.left, done.top, area.right),
            (done.top, area.left, done.bottom, done.left),
            (done.top, done.right, done.bottom, area.right),
            (done.bottom, area.left, area.bottom, area.right),
        )
        if edges[0] < edges[2] and edges[1] < edges[3]
    ]
