"""Regions of labels: what a person repairs with one answer.

A region holds pixels of one label whose tokens are alike. The picture is cut
where its tokens change; these pieces are cut along the borders of the labels,
which follow the picture's edges where a refinement is on; and the parts are
merged, the most alike first. So the specks of one label in a texture are one
region with many pieces, and a large object with a wrong label in one half has
two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_naclip.correct.grid import Grid, token_maps, token_sums
from napari_naclip.correct.leads import find_leads
from napari_naclip.correct.merging import merge, nearest_of_kind
from napari_naclip.correct.parts import find_boxes, find_parts
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    from napari_naclip.correct.parts import Parts
    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import ClassList, Settings

    Floats = npt.NDArray[np.floating[Any]]

_Result = TypeVar('_Result')

#: Regions of a picture, at most.
MOST_REGIONS = 150
#: What a merger costs, as a share of the squared distances of all tokens to
#: their mean, from which on two regions stay apart.
_LEAST_COST = 2e-4
#: Pieces that the picture is cut into before labels are looked at, about.
_PIECES = 400
#: Principal components of the tokens that pieces are compared by.
_COMPONENTS = 12
#: How little pieces are bent: small values follow the tokens.
_COMPACTNESS = 0.02
#: Weight of the place of a part beside its tokens: the length of the short
#: side of the picture in standard deviations of its tokens.
_PLACE_WEIGHT = 1.0
#: Neighbors that a part may be merged with.
_NEIGHBORS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The regions of an image's labels, N of them.

    Attributes
    ----------
    ids : (H, W) int32 array
        Region of each pixel, 0 to N - 1.
    grid : Grid
        Of the same pixels, for questions that need no more.
    grid_ids : (rows, columns) int32 array
        Region of each grid pixel.
    areas : (N,) int64 array
        In pixels.
    centers : (N, 2) float64 array
        Mean row and column; may lie outside a bent region.
    boxes : (N, 4) int64 array
        First row and column, and those after the last.
    labels : (N,) int64 array
        Label value, the same for all pixels of a region.
    confidence : (N,) float64 array
        Mean probability, 0 to 1, of the pixels' best class.
    margins : (N,) float64 array
        By the mean token: cosine of the label's class minus that of the best
        other one. Negative where that other one would win.
    rivals : (N,) int64 array
        Label value of that other class; the region's own where there is none.
    tokens : (N, D) float32 array
        Mean token; not of unit length.
    scale : float
        Factor on the cosines before the softmax.
    """

    ids: npt.NDArray[np.int32] = field(repr=False)
    grid: Grid
    grid_ids: npt.NDArray[np.int32] = field(repr=False)
    areas: npt.NDArray[np.int64] = field(repr=False)
    centers: npt.NDArray[np.float64] = field(repr=False)
    boxes: npt.NDArray[np.int64] = field(repr=False)
    labels: npt.NDArray[np.int64] = field(repr=False)
    confidence: npt.NDArray[np.float64] = field(repr=False)
    margins: npt.NDArray[np.float64] = field(repr=False)
    rivals: npt.NDArray[np.int64] = field(repr=False)
    tokens: npt.NDArray[np.float32] = field(repr=False)
    scale: float

    def __len__(self) -> int:
        return len(self.areas)

    def box(self, index: int) -> Region:
        """Return the smallest rectangle that holds a region."""
        return Region(*map(int, self.boxes[index]))

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """Return which pixels of a region's box are its own."""
        mask: npt.NDArray[np.bool_] = self.ids[self.box(index).slices] == index
        return mask


def find_regions(
    live: LiveSegmentation,
    labels: npt.NDArray[np.unsignedinteger],
    confidence: Floats,
    classes: ClassList,
    settings: Settings,
    *,
    most: int = MOST_REGIONS,
) -> Regions:
    """Return the regions of labels. See ``iter_regions``."""
    steps = iter_regions(
        live, labels, confidence, classes, settings, most=most
    )
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        regions: Regions = stop.value
        return regions


def iter_regions(
    live: LiveSegmentation,
    labels: npt.NDArray[np.unsignedinteger],
    confidence: Floats,
    classes: ClassList,
    settings: Settings,
    *,
    most: int = MOST_REGIONS,
) -> Generator[float, None, Regions]:
    """Yield the share that is done; return the regions of labels.

    Takes seconds for 4096 x 4096 pixels, linear time, and beside the result
    the memory of a coarse grid.

    Parameters
    ----------
    live : LiveSegmentation
        Of the picture.
    labels : (H, W) uint8 or uint16 array
        Of the features' region.
    confidence : (H, W) float16 or float32 array
        Probability of the best class.
    classes : ClassList
        What the label values mean; pixels may have other values too.
    settings : Settings
        Whose ``logit_scale`` and ``threshold`` labels come from.
    most : int
        Regions at most, unless there are more different labels.

    Raises
    ------
    InputError
        If labels or confidence are of another size than the region.
    """
    size = live.features.region.size
    if labels.shape != size or confidence.shape != size:
        raise InputError(
            f'The labels have {labels.shape} pixels and their confidence '
            f'{confidence.shape}, but the picture {size}. Run again.'
        )
    grid = Grid.of(size)
    maps = token_maps(live, grid, _COMPONENTS)
    yield 0.2
    pieces = _cut(maps)
    yield 0.5
    parts = yield from _shares(
        find_parts(grid, pieces, labels, confidence), 0.6
    )
    yield 0.7
    sums = token_sums(live, grid, parts.grid_ids, len(parts))
    tokens = parts.fill(*sums)
    yield 0.8
    owners = _merge(parts, maps, grid, most)
    tokens = parts.weighted(tokens, owners)
    parts = parts.merged(owners)
    ids = yield from _shares(parts.paint(grid, pieces, labels), 0.85)
    yield 0.9
    boxes = yield from _shares(find_boxes(ids, len(parts)), 0.95)
    queries = yield from _shares(live.queries(classes, settings), 0.95)
    competing = live.competing(classes)
    leads = find_leads(tokens, parts.labels, competing, queries, settings)
    return Regions(
        ids=ids,
        grid=grid,
        grid_ids=parts.grid_ids,
        areas=parts.areas,
        centers=parts.centers,
        boxes=boxes,
        labels=parts.labels,
        confidence=parts.confidence,
        margins=leads.margins,
        rivals=leads.rivals,
        tokens=tokens,
        scale=settings.logit_scale,
    )


def _shares(
    steps: Generator[object, None, _Result], done: float
) -> Generator[float, None, _Result]:
    """Yield a share of the whole at each step; return the result."""
    try:
        while True:
            next(steps)
            yield done
    except StopIteration as stop:
        result: _Result = stop.value
        return result


def _cut(maps: Floats) -> npt.NDArray[np.int64]:
    """Return the piece, 0 to P - 1, of each pixel of (K, rows, columns)."""
    from skimage.segmentation import slic

    if not np.ptp(maps) > 0:
        return np.zeros(maps.shape[1:], np.int64)
    pieces: npt.NDArray[np.int64] = slic(
        np.moveaxis(maps, 0, -1),
        n_segments=_PIECES,
        compactness=_COMPACTNESS,
        max_num_iter=5,
        convert2lab=False,
        start_label=0,
        channel_axis=-1,
    )
    return pieces


def _merge(
    parts: Parts, maps: Floats, grid: Grid, most: int
) -> npt.NDArray[np.integer[Any]]:
    """Return the region of each part."""
    spread = maps.reshape(len(maps), -1).var(axis=1).sum()
    place = parts.centers * (_PLACE_WEIGHT * np.sqrt(spread) / min(grid.size))
    return merge(
        parts.areas,
        np.concatenate([parts.means(maps), place], axis=1),
        nearest_of_kind(parts.centers, parts.labels, _NEIGHBORS),
        most,
        _LEAST_COST * float(spread) * grid.size[0] * grid.size[1],
    )
