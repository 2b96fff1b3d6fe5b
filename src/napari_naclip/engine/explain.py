"""The best classes at one pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_naclip.engine.decide import class_queries
from napari_naclip.engine.maps import Maps, cosines_at
from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import ClassList, Progress, Settings


@dataclass(frozen=True, slots=True)
class ClassShare:
    """A class at a pixel.

    Attributes
    ----------
    value : int
        Label value.
    probability : float
        0 to 1, among all classes.
    prompt : str
        The best of the class's prompts there; nothing for a class that has
        only examples.
    """

    value: int
    probability: float
    prompt: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The best classes at a pixel.

    Attributes
    ----------
    shares : tuple of ClassShare
        The best first.
    is_below : bool
        Whether the threshold makes the pixel background.
    is_exact : bool
        False where a refinement was not followed: the first class and its
        probability are those of the label where these are known; the rest is
        what it would be without refinement.
    """

    shares: tuple[ClassShare, ...]
    is_below: bool
    is_exact: bool


def explain(
    live: LiveSegmentation,
    classes: ClassList,
    settings: Settings,
    point: tuple[int, int],
    count: int = 3,
    *,
    exactly: bool = False,
) -> Generator[Progress | None, None, Explanation]:
    """Yield while it works; return the best classes at a pixel.

    Only the windows over the pixel are looked at, or with a refinement, if
    that is wanted exactly, those around it. See ``Explanation``.

    Parameters
    ----------
    live : LiveSegmentation
    classes : ClassList
    settings : Settings
    point : (int, int)
        Row and column of the image, in the region.
    count : int
        How many classes, at most.
    exactly : bool
        Whether to refine what is around the pixel, which takes up to some
        seconds.
    """
    classes = live.competing(classes)
    spans = class_queries(classes)
    queries = yield from live.queries(classes, settings)
    is_refined = exactly and settings.refine != 'off'
    if is_refined:
        cosines = yield from _refined_at(live, queries, settings, point)
    else:
        with live.reading_tokens() as window_tokens:
            cosines = cosines_at(live.features, queries, point, window_tokens)
    scores = torch.stack(
        [cosines[each.start : each.stop].max() for each in spans]
    )
    shares = torch.softmax(scores.double() * settings.logit_scale, dim=0)
    best_query = torch.softmax(
        cosines.double() * settings.logit_scale, dim=0
    ).max()
    order = torch.argsort(shares, descending=True, stable=True)
    is_exact = is_refined or settings.refine == 'off'
    tally = None
    if settings.refine != 'off':
        tally = live.tally(classes, queries, settings)
    region = live.features.region
    y, x = point[0] - region.top, point[1] - region.left
    winner = int(order[0] if tally is None else tally.owner[y, x])
    # By all of the picture another class may win, with 'fine'.
    is_exact = is_exact and winner == int(order[0])
    if tally is not None and not is_exact:
        own = 1 / float(tally.classes[y, x])
        best_query = 1 / tally.queries[y, x]
        order = torch.cat([torch.tensor([winner]), order[order != winner]])
        rest = float(shares.sum() - shares[winner])
        shares *= (1 - own) / max(rest, 1e-12)
        # No other may stand before the one that has won.
        shares.clamp_(max=own)
        shares[winner] = own
    found = []
    for place in order[:count].tolist():
        row, span = classes.competitors[place], spans[place]
        nearest = int(cosines[span.start : span.stop].argmax())
        # A class that was only taught has a query, but no prompt.
        prompt = row.prompts[nearest] if row.prompts else ''
        found.append(ClassShare(row.value, float(shares[place]), prompt))
    return Explanation(
        tuple(found),
        is_below=float(best_query) < settings.threshold,
        is_exact=is_exact,
    )


def _refined_at(
    live: LiveSegmentation,
    queries: torch.Tensor,
    settings: Settings,
    point: tuple[int, int],
) -> Generator[Progress | None, None, torch.Tensor]:
    """Yield while it works; return the (Q,) refined cosines at a pixel."""
    y, x = point
    cosines = torch.zeros(len(queries))
    here = Region(y, x, y + 1, x + 1)
    for piece in live.iter_maps(queries, settings, here):
        if isinstance(piece, Maps):
            cosines = piece.values[:, 0, 0].clone()
            yield None
        else:
            yield piece
    return cosines
