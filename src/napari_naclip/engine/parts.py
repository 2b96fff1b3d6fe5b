"""Parts of regions: of rows, of rows of tiles, beside what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.types import Region

if TYPE_CHECKING:
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


def without(columns: range, done: range) -> list[range]:
    """Return what is left of a range without another inside it."""
    left = [
        range(columns.start, done.start),
        range(done.stop, columns.stop),
    ]
    return [part for part in left if part]


def beside(area: Region, done: Region | None) -> list[Region]:
    """Return what is left of an area when some of its columns are done.

    Parameters
    ----------
    area : Region
    done : Region or None
        Holds all rows of the area, or does not meet it.
    """
    if done is None or not area.meets(done):
        return [area]
    return [
        Region(area.top, columns.start, area.bottom, columns.stop)
        for columns in without(
            range(area.left, area.right), range(done.left, done.right)
        )
    ]
