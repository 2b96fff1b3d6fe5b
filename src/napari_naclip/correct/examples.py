"""Examples of a class, from pixels that a person said the class of.

An example is the mean of what labels are made from at these pixels: its
product with a query is the query's mean score there, exactly. Tokens are read
where they are kept, a window at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.taught import Example

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.tiles import AxisTile
    from napari_naclip.engine.types import Region

    Floats = npt.NDArray[np.floating[Any]]

#: Windows that are read, and tokens taken from them, to see what a picture's
#: tokens have in common.
_WINDOWS = 64
_SAMPLE = 1024
#: Share of the pairs of tokens that are less alike than what all have in
#: common: those of different things.
_UNLIKE = 0.1


def collect_example(
    live: LiveSegmentation,
    mask: npt.NDArray[np.bool_],
    place: Region | None = None,
    *,
    center: npt.ArrayLike | None = None,
) -> Example:
    """Return an example from some pixels of a picture.

    Parameters
    ----------
    live : LiveSegmentation
        Of the picture.
    mask : (rows, columns) bool array
        Which pixels of `place` belong to the class.
    place : Region, optional
        In pixels of the image, inside the features' region; None: all of
        that.
    center : (D,) array_like, optional
        Of the picture, as ``find_center`` gave it; None: it is found here.

    Raises
    ------
    InputError
        If there is no pixel, the mask has another size than the place, or
        the place reaches out of what was looked at.
    """
    place = live.features.region if place is None else place
    token = mean_token(live, mask, place)
    if center is None:
        center = find_center(live)
    return Example.of(
        token, center, int(np.count_nonzero(mask)), live.fingerprint
    )


def mean_token(
    live: LiveSegmentation, mask: npt.NDArray[np.bool_], place: Region
) -> npt.NDArray[np.float32]:
    """Return the mean over pixels of the tokens as labels use them, (D,).

    Parameters
    ----------
    live, mask, place
        See ``collect_example``, whose errors may come.
    """
    region = live.features.region
    if not place.meets(region) or place.intersection(region) != place:
        raise InputError(
            'The example reaches out of what was looked at. Choose pixels '
            'inside it, or run the whole image.'
        )
    if mask.shape != place.size:
        raise InputError(
            f'The example has {mask.shape} pixels, but its place {place.size}.'
        )
    count = int(np.count_nonzero(mask))
    if not count:
        raise InputError('The example holds no pixel. Choose some.')
    weights = _token_weights(live, mask, place)
    rows, columns, size = live.features.tokens.shape
    lattice = weights.reshape(
        weights.shape[0] // rows, rows, weights.shape[1] // columns, columns
    )
    by_window = lattice.transpose(0, 2, 1, 3).reshape(-1, rows * columns)
    total = np.zeros(size)
    with live.reading_tokens() as window_tokens:
        for index in np.flatnonzero(by_window.any(axis=1)):
            tokens = window_tokens(int(index)).reshape(-1, size).numpy()
            total += by_window[index] @ tokens
    mean: npt.NDArray[np.float32] = (total / count).astype(np.float32)
    return mean


def _token_weights(
    live: LiveSegmentation, mask: npt.NDArray[np.bool_], place: Region
) -> Floats:
    """Return the sum of each token's weights in some pixels.

    Returns
    -------
    (rows, columns) float32 array
        Of the token grids of the part's windows side by side.
    """
    # Here and not above: it imports torch, which takes seconds.
    from napari_naclip.engine.tiles import Projection

    features = live.features
    part, grid = features.part, features.grid
    weights = np.zeros(
        (len(part.rows) * grid[0], len(part.columns) * grid[1]), np.float32
    )
    projection = Projection(features)
    for i in projection.rows.touching(place.top, place.bottom):
        row = projection.rows.tile(i)
        for j in projection.columns.touching(place.left, place.right):
            column = projection.columns.tile(j)
            inner_rows, rows = row.overlap(place.top, place.bottom)
            inner, columns = column.overlap(place.left, place.right)
            pixels = mask[rows, columns].astype(np.float32)
            if not pixels.any():
                continue
            upward = row.matrix[inner_rows].numpy().T
            found = upward @ pixels @ column.matrix[inner].numpy()
            down, y = _in_part(row, part.rows, grid[0])
            across, x = _in_part(column, part.columns, grid[1])
            weights[np.ix_(y, x)] += found[np.ix_(down, across)]
    return weights


def _in_part(
    tile: AxisTile, windows: range, grid: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which tokens of a tile were run, and where they lie there."""
    places = tile.tokens - windows.start * grid
    known = np.flatnonzero((places >= 0) & (places < len(windows) * grid))
    return known, places[known]


def find_center(live: LiveSegmentation) -> npt.NDArray[np.float32]:
    """Return what a picture's tokens have in common, whatever they show.

    That is their mean, made so short that its square is the product of two
    tokens of different things. In a model whose tokens have nothing in common
    it is nearly zero; the mean itself would tell what the picture shows most.

    Returns
    -------
    (D,) float32 array
    """
    tokens = live.features.tokens
    step = -(-len(tokens) // _WINDOWS)
    windows = range((len(tokens) - 1) % step // 2, len(tokens), step)
    size = tokens.shape[-1]
    each = max(1, _SAMPLE // len(windows))
    taken = []
    with live.reading_tokens() as window_tokens:
        for index in windows:
            window = window_tokens(index).reshape(-1, size).numpy()
            places = np.linspace(0, len(window) - 1, min(each, len(window)))
            taken.append(window[places.astype(int)])
    sample = np.concatenate(taken).astype(np.float64)
    mean = sample.mean(axis=0)
    common = float(np.quantile(sample @ sample.T, _UNLIKE))
    square = float(mean @ mean)
    share = min(max(common, 0.0) / square, 1.0) if square > 0 else 0.0
    center: npt.NDArray[np.float32] = (share * mean).astype(np.float32)
    return center
