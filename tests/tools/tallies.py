"""Decisions about whole maps, and the probabilities behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_naclip.engine.decide import Tally, class_queries

if TYPE_CHECKING:
    from napari_naclip.engine.types import ClassList


def tally_maps(
    maps: torch.Tensor, classes: ClassList, *, scale: float
) -> Tally:
    """Return the winner of each pixel of (Q, rows, columns) cosines."""
    queries = class_queries(classes)
    tally = Tally.empty(
        *maps.shape[1:], has_synonyms=any(len(each) > 1 for each in queries)
    )
    for place, each in enumerate(queries):
        tally.add(maps[each.start : each.stop], place, scale)
    return tally


def class_probabilities(
    maps: torch.Tensor, tally: Tally, classes: ClassList, *, scale: float
) -> torch.Tensor:
    """Return the (K, rows, columns) probabilities that the tally stands for."""
    best = torch.stack(
        [
            maps[each.start : each.stop].amax(dim=0)
            for each in class_queries(classes)
        ]
    )
    return ((best - tally.best) * scale).exp() / tally.classes
