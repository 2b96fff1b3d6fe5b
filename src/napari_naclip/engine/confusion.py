"""How often each class was taken for each other one, and what that scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    'Confusions',
    'accuracy',
    'class_ious',
    'count_confusions',
    'mean_iou',
]

Confusions = npt.NDArray[np.int64]


def count_confusions(
    truth: npt.NDArray[Any], answer: npt.NDArray[Any], count: int
) -> Confusions:
    """Count the pixels of each pair of true and answered class.

    Parameters
    ----------
    truth, answer : ndarray of the same shape, integers
        0 to `count` - 1.
    count : int
        Number of classes, K.

    Returns
    -------
    ndarray of shape (K, K), int64
        Row: true class; column: answer.
    """
    pairs = truth.astype(np.int64) * count + answer.astype(np.int64)
    counts = np.bincount(pairs.ravel(), minlength=count * count)
    return counts.reshape(count, count).astype(np.int64)


def class_ious(confusions: Confusions) -> npt.NDArray[np.float64]:
    """Return the intersection over union of each class.

    Parameters
    ----------
    confusions : (K, K) int64 ndarray
        Of all images together, as from `count_confusions`.

    Returns
    -------
    (K,) float64 ndarray
        0 to 1; NaN for a class that is neither in the truth nor answered.
    """
    hits = np.diag(confusions)
    union = confusions.sum(axis=0) + confusions.sum(axis=1) - hits
    ious = np.full(len(hits), np.nan)
    np.divide(hits, union, out=ious, where=union > 0)
    return ious


def mean_iou(confusions: Confusions) -> float:
    """Return the mean over classes of intersection over union.

    Classes that are neither in the truth nor in the answers do not count;
    NaN where there is no other.
    """
    ious = class_ious(confusions)
    found = ~np.isnan(ious)
    return float(np.mean(ious[found])) if found.any() else float('nan')


def accuracy(confusions: Confusions) -> float:
    """Return the share of right pixels; NaN without one."""
    total = confusions.sum()
    return float(np.trace(confusions) / total) if total else float('nan')
