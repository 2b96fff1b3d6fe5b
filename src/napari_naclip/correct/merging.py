"""Merge small parts into larger ones, those first that are most alike.

Ward's criterion: of all neighbors, the two are merged whose union adds least
to the sum of squared distances of pixels to the means of their parts.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[Any]
    Integers = npt.NDArray[np.integer[Any]]


def nearest_of_kind(
    positions: Floats, kinds: Integers, count: int
) -> list[set[int]]:
    """Return which parts may be merged with which.

    Parameters
    ----------
    positions : (N, 2) float array
        Centers of the parts.
    kinds : (N,) int array
        Parts of different kinds are never neighbors.
    count : int
        How many of the nearest of its kind are each part's neighbors.

    Returns
    -------
    list of set of int
        Neighbors of each part; those of one kind are all connected.
    """
    from scipy.spatial import cKDTree

    neighbors: list[set[int]] = [set() for _ in kinds]
    order = np.argsort(kinds, kind='stable')
    borders = np.flatnonzero(np.diff(kinds[order])) + 1
    for members in np.split(order, borders):
        # One after the other along the rows keeps all of a kind connected.
        along = members[np.lexsort(positions[members].T[::-1])]
        _join(neighbors, along[:-1], along[1:])
        if len(members) > 2:
            nearest = min(count + 1, len(members))
            _, found = cKDTree(positions[members]).query(
                positions[members], k=nearest
            )
            _join(
                neighbors,
                np.repeat(members, nearest),
                members[found.ravel()],
            )
    return neighbors


def _join(neighbors: list[set[int]], one: Integers, other: Integers) -> None:
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        if a != b:
            neighbors[a].add(b)
            neighbors[b].add(a)


def merge(
    areas: Floats,
    means: Floats,
    neighbors: list[set[int]],
    most: int,
    least_cost: float,
) -> Integers:
    """Return the merged part of each part.

    Parameters
    ----------
    areas : (N,) float array
        Weights of the parts, above 0.
    means : (N, F) float array
        What they are compared by.
    neighbors : list of set of int
        Which may be merged, both ways; used up.
    most : int
        Merging goes on while there are more parts than this ...
    least_cost : float
        ... and while a merger costs less than this, in units of areas times
        squared distances of means.

    Returns
    -------
    (N,) int array
        0 to M - 1, in the order of each merged part's first part.
    """
    areas, means = areas.astype(float), means.astype(float)
    parents = np.arange(len(areas))
    versions = [0] * len(areas)

    def offer(one: int, others: list[int]) -> None:
        weights = areas[one] * areas[others] / (areas[one] + areas[others])
        gaps = ((means[others] - means[one]) ** 2).sum(axis=1)
        for cost, other in zip((weights * gaps).tolist(), others, strict=True):
            pair = one, other, versions[one], versions[other]
            heapq.heappush(heap, (cost, *pair))

    heap: list[tuple[float, int, int, int, int]] = []
    for part, mine in enumerate(neighbors):
        later = [each for each in mine if each > part]
        if later:
            offer(part, later)
    count = len(areas)
    while heap:
        cost, one, other, first, second = heapq.heappop(heap)
        if (versions[one], versions[other]) != (first, second):
            continue
        if count <= most and cost >= least_cost:
            break
        total = areas[one] + areas[other]
        means[one] += (means[other] - means[one]) * (areas[other] / total)
        areas[one] = total
        parents[other] = one
        versions[one] += 1
        versions[other] = -1
        count -= 1
        for each in neighbors[other]:
            neighbors[each].discard(other)
            if each != one:
                neighbors[each].add(one)
                neighbors[one].add(each)
        neighbors[other] = set()
        if neighbors[one]:
            offer(one, list(neighbors[one]))
    return _number(parents)


def _number(parents: Integers) -> Integers:
    """Return numbers from 0 on for the roots that parts have."""
    while True:
        further = parents[parents]
        if np.array_equal(further, parents):
            break
        parents = further
    roots, first, numbers = np.unique(
        parents, return_index=True, return_inverse=True
    )
    ranks = np.empty(len(roots), np.intp)
    ranks[np.argsort(first, kind='stable')] = np.arange(len(roots))
    return ranks[numbers]
