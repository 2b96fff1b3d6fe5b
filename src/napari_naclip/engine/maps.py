"""Maps of any queries at the image's size, as labels would see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from napari_naclip.engine import parts
from napari_naclip.engine.fetch import TileRows
from napari_naclip.engine.refined import Given, Strip, cut_to_fit
from napari_naclip.engine.tiles import TILE, Projection
from napari_naclip.engine.types import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_naclip.engine.features import Features
    from napari_naclip.engine.fetch import Fill
    from napari_naclip.engine.tiles import Axis
    from napari_naclip.engine.types import Refinement, Region


@dataclass(frozen=True, slots=True)
class Maps:
    """Cosines of queries in a part of the features' region.

    Attributes
    ----------
    rows, columns : slice
        Of the region.
    values : (Q, rows, columns) float32 Tensor
    """

    rows: slice
    columns: slice
    values: torch.Tensor = field(repr=False)


def iter_maps(
    features: Features,
    queries: torch.Tensor,
    refinement: Refinement,
    fill: Fill,
    region: Region | None = None,
) -> Iterator[Progress | Maps]:
    """Yield progress, and the maps of a region in pieces that cover it once.

    A query's values are those that the labels come from, to the last bit,
    whatever the other queries are. Memory is that of a row of tiles, or of a
    strip's refinement.

    Parameters
    ----------
    features : Features
    queries : (Q, D) float32 Tensor
        Unit query embeddings.
    refinement : {'off', 'fast', 'fine'}
        The features hold the windows that it depends on.
    fill : callable
        Takes windows of the features, and makes them be there.
    region : Region, optional
        In pixels of the image, a part of the features' region, which is the
        default. Places are in it.
    """
    region = features.region if region is None else region
    if refinement == 'off':
        projection = Projection(
            features, features.plan.part(features.size, region)
        )
        rows = TileRows(features, projection, queries)
        for index in projection.touching(region)[0]:
            yield from rows.fetch(index, fill)
            area = parts.in_tile(region, projection.rows.tile(index))
            for place in parts.across(area, TILE):
                yield Maps(*place.within(region), rows.maps(place))
        return
    strips = cut_to_fit(features, refinement, region, len(queries))
    for index, part in enumerate(strips):
        strip = Strip(features, refinement, part, is_cut=len(strips) > 1)
        for step in strip.refine(queries, fill):
            if isinstance(step, Progress):
                yield step
            elif isinstance(step, Given):
                if step.place is not None:
                    yield Maps(*step.place.within(region), step.maps)
                done = (index + step.done) / len(strips)
                yield Progress('refine', int(100 * done), 100)


def cosines_at(
    features: Features,
    queries: torch.Tensor,
    point: tuple[int, int],
    window_tokens: Callable[[int], torch.Tensor],
) -> torch.Tensor:
    """Return the cosines of queries at a pixel, without a refinement.

    Only the windows over the pixel are asked for: all is linear, so that
    their tokens are averaged first.

    Parameters
    ----------
    features : Features
    queries : (Q, D) float32 Tensor
    point : (int, int)
        Row and column of the image, in the features' region.
    window_tokens : callable
        Returns the (rows, columns, D) float32 tokens of a window of the part.

    Returns
    -------
    (Q,) float32 Tensor
    """
    projection, part = Projection(features), features.part
    down, across = (
        _weights(axis, position, grid, windows)
        for axis, position, grid, windows in zip(
            (projection.rows, projection.columns),
            point,
            features.grid,
            (part.rows, part.columns),
            strict=True,
        )
    )
    mean = torch.zeros(queries.shape[1])
    for row, row_weights in down.items():
        for column, column_weights in across.items():
            index = (row - part.rows.start) * len(part.columns)
            tokens = window_tokens(index + column - part.columns.start)
            for i, by_row in row_weights:
                for j, by_column in column_weights:
                    mean += tokens[i, j] * (by_row * by_column)
    return queries @ mean


def _weights(
    axis: Axis, position: int, grid: int, windows: range
) -> dict[int, list[tuple[int, float]]]:
    """Return a pixel's tokens along an axis with their weights, by window."""
    tile = axis.tile(position // TILE)
    found: dict[int, list[tuple[int, float]]] = {}
    weights = tile.matrix[position - tile.start].tolist()
    for token, weight in zip(tile.tokens.tolist(), weights, strict=True):
        window, place = divmod(token, grid)
        if weight and window in windows:
            found.setdefault(window, []).append((place, weight))
    return found
