"""How likely the label of a region is wrong.

A logistic model of what is known without a person, and, as a person answers,
of the answers for regions that look alike. Its weights were fitted to the
regions of demo scenes (``benchmarks/correction.py --fit``): other models and
pictures are differently sure, which the answers make up for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.correct.regions import Regions

    Floats = npt.NDArray[Any]

#: Weights of the logarithms of the odds against the label by its confidence,
#: of the share of the picture that has the label, and of the region's share
#: of these pixels; and what is added.
WEIGHTS: Final = (0.97, -0.47, -0.40)
OFFSET: Final = -0.87
#: Answers that the model is worth.
_PRIOR: Final = 0.3
#: Squared distance of mean tokens, in the regions' variance, at which an
#: answer counts 1 / e.
_REACH: Final = 0.2
_LEAST: Final = 1e-3


def areas_of_labels(
    labels: npt.NDArray[np.int64], areas: npt.NDArray[Any]
) -> Floats:
    """Return, for each region, the area of all that have its label, (N,)."""
    _, places = np.unique(labels, return_inverse=True)
    totals: Floats = np.bincount(places, weights=areas)[places]
    return totals


def features_of(regions: Regions) -> Floats:
    """Return what the model looks at, (N, 3)."""
    sure = np.clip(regions.confidence, _LEAST, 1 - _LEAST)
    shares = regions.areas / regions.areas.sum()
    own = areas_of_labels(regions.labels, shares)
    return np.stack(
        [np.log((1 - sure) / sure), np.log(own), np.log(shares / own)], axis=1
    )


def first_doubt(regions: Regions) -> Floats:
    """Return the probability that each label is wrong, (N,), 0 to 1."""
    odds = features_of(regions) @ np.array(WEIGHTS) + OFFSET
    doubt: Floats = 1 / (1 + np.exp(-odds))
    return doubt


def likeness(regions: Regions) -> Floats:
    """Return how much an answer for a region says about others.

    Returns
    -------
    (N, N) float64 array
        0 to 1 by the distance of mean tokens; 0 for another label.
    """
    tokens = regions.tokens.astype(float)
    shares = regions.areas / regions.areas.sum()
    centered = tokens - shares @ tokens
    squares = (centered**2).sum(axis=1)
    spread = float(shares @ squares)
    gaps = squares[:, None] + squares - 2 * centered @ centered.T
    gaps = np.maximum(gaps, 0) / max(spread, 1e-12)
    is_same = regions.labels[:, None] == regions.labels
    alike: Floats = np.exp(-gaps / _REACH) * is_same
    return alike


def with_answers(doubt: Floats, alike: Floats, answers: Floats) -> Floats:
    """Return probabilities that take answers into account.

    Parameters
    ----------
    doubt : (N,) array
        Without them.
    alike : (N, N) array
    answers : (N,) array
        1 where a label was wrong, 0 where it was right, NaN where nobody
        has answered.
    """
    known = ~np.isnan(answers)
    weights = alike[:, known]
    sums = weights @ answers[known]
    mixed: Floats = (_PRIOR * doubt + sums) / (_PRIOR + weights.sum(axis=1))
    return mixed
