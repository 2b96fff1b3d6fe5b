"""Parts of a result on their way to the window: fewer and larger ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.types import Partial, Region
from napari_naclip.ui.jobs import Part

if TYPE_CHECKING:
    from collections.abc import Iterable


def merge_partials(parts: Iterable[Part]) -> list[Part]:
    """Return parts with neighbors joined: the window draws fewer of them.

    A part that follows another of the same plane directly below it, at the
    same columns, is joined to it.
    """
    merged: list[list[Part]] = []
    for part in parts:
        if merged and _continues(merged[-1][-1], part):
            merged[-1].append(part)
        else:
            merged.append([part])
    return [_join(each) for each in merged]


def _continues(above: Part, below: Part) -> bool:
    first, second = above.partial.region, below.partial.region
    return above.snapshot is below.snapshot and (
        first.bottom,
        first.left,
        first.right,
    ) == (second.top, second.left, second.right)


def _join(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    first, last = parts[0].partial.region, parts[-1].partial.region
    region = Region(first.top, first.left, last.bottom, first.right)
    labels = np.concatenate([part.partial.labels for part in parts])
    return Part(parts[0].snapshot, Partial(region, labels))
