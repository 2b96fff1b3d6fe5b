"""Why labels are what they are: probabilities behind the winner.

A class's probability is that of the confidence: the softmax over all classes
of the logit scale times the cosine of each one's best query. Everything comes
from the kept tokens, in pieces, and where the last answer has kept how each
pixel was decided, from that and the maps of one class alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_naclip.engine.decide import best_two, class_queries, class_scores
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.maps import Maps

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import ClassList, Progress, Settings

    HalfMap = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class ClassReach:
    """How near a class comes to pixels of its own.

    Attributes
    ----------
    value : int
        Label value.
    won : int
        Pixels where the class is the best one, whatever the threshold.
    labeled : int
        Those of them that are not below the threshold.
    highest_threshold : float
        The threshold up to which it has a pixel, 0 to 1; 0 where it wins
        none.
    second : int
        Pixels where it is the second best.
    peak : float
        Its largest probability, 0 to 1.
    rival : int
        Label value of the best class at that pixel.
    rival_probability : float
        The rival's there.
    """

    value: int
    won: int
    labeled: int
    highest_threshold: float
    second: int
    peak: float
    rival: int
    rival_probability: float


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at all classes of a region gives.

    Attributes
    ----------
    confidence : (H, W) float16 array
        Probability of the best class.
    margin : (H, W) float16 array
        By how much it is larger than that of the second best.
    classes : tuple of ClassReach
        Of the rows that have prompts, in the order of the list.
    token_pixels : float
        Pixels of the image that one token covers: smaller objects are hard
        to find.
    """

    confidence: HalfMap = field(repr=False)
    margin: HalfMap = field(repr=False)
    classes: tuple[ClassReach, ...]
    token_pixels: float


def heat_map(
    live: LiveSegmentation, classes: ClassList, settings: Settings, value: int
) -> Generator[Progress | None, None, HalfMap]:
    """Yield while it works; return a class's probability among all classes.

    Parameters
    ----------
    live : LiveSegmentation
    classes : ClassList
    settings : Settings
        Its refinement counts here, too.
    value : int
        Label value of the class.

    Returns
    -------
    (H, W) float16 array
        Of the region; 0 to 1.

    Raises
    ------
    InputError
        If no class with prompts has the value.
    """
    classes = live.competing(classes)
    values = [row.value for row in classes.competitors]
    if value not in values:
        raise InputError(
            'The class does not take part: it is off, or has no prompt. '
            'Turn it on, or select another one.'
        )
    place = values.index(value)
    spans = class_queries(classes)
    queries = yield from live.queries(classes, settings)
    scale = settings.logit_scale
    tally = live.tally(classes, queries, settings)
    if tally is not None:
        queries = queries[spans[place].start : spans[place].stop]
    heat = np.empty(live.region_size, np.float16)
    for piece in live.iter_maps(queries, settings):
        if not isinstance(piece, Maps):
            yield piece
            continue
        if tally is None:
            share = _probabilities(piece.values, spans, scale)[place]
        else:
            known = tally.part(piece.rows, piece.columns)
            share = piece.values.amax(dim=0).sub_(known.best)
            share = share.mul_(scale).exp_().div_(known.classes)
        heat[piece.rows, piece.columns] = share.half().numpy()
        yield None
    return heat


def survey(
    live: LiveSegmentation, classes: ClassList, settings: Settings
) -> Generator[Progress | None, None, Survey]:
    """Yield while it works; return a look at all classes.

    Parameters
    ----------
    live : LiveSegmentation
    classes : ClassList
    settings : Settings
    """
    classes = live.competing(classes)
    spans = class_queries(classes)
    queries = yield from live.queries(classes, settings)
    size = live.region_size
    confidence, margin = np.empty(size, np.float16), np.empty(size, np.float16)
    reach = _Reach(classes, settings)
    for piece in live.iter_maps(queries, settings):
        if not isinstance(piece, Maps):
            yield piece
            continue
        scores = class_scores(piece.values, spans)
        shares = torch.softmax(scores * settings.logit_scale, dim=0)
        order = best_two(scores)
        best = shares.gather(0, order)
        part = piece.rows, piece.columns
        confidence[part] = best[0].half().numpy()
        second = best[1] if len(best) > 1 else torch.zeros(())
        margin[part] = (best[0] - second).half().numpy()
        reach.add(piece.values, shares, order)
        yield None
    features = live.features
    token = [
        length * window / (seen * grid)
        for length, seen, window, grid in zip(
            features.size,
            (features.plan.height, features.plan.width),
            (features.plan.window_height, features.plan.window_width),
            features.grid,
            strict=True,
        )
    ]
    return Survey(confidence, margin, reach.found(), token[0] * token[1])


def merge_reaches(
    parts: Sequence[tuple[ClassReach, ...]],
) -> tuple[ClassReach, ...]:
    """Return what classes reach in several regions together.

    Parameters
    ----------
    parts : sequence of tuple of ClassReach
        At least one; not all of them need to know all classes.
    """
    by_value: dict[int, list[ClassReach]] = {}
    for part in parts:
        for reach in part:
            by_value.setdefault(reach.value, []).append(reach)
    merged = []
    for each in by_value.values():
        nearest = max(each, key=lambda reach: reach.peak)
        merged.append(
            dataclasses.replace(
                nearest,
                won=sum(reach.won for reach in each),
                labeled=sum(reach.labeled for reach in each),
                second=sum(reach.second for reach in each),
                highest_threshold=max(
                    reach.highest_threshold for reach in each
                ),
            )
        )
    return tuple(merged)


def _probabilities(
    maps: torch.Tensor, spans: list[range], scale: float
) -> torch.Tensor:
    return torch.softmax(class_scores(maps, spans) * scale, dim=0)


class _Reach:
    """Adds up how near classes come to pixels, piece by piece."""

    def __init__(self, classes: ClassList, settings: Settings) -> None:
        self._values = [row.value for row in classes.competitors]
        self._settings = settings
        count = len(self._values)
        self._won = np.zeros(count, np.int64)
        self._labeled = np.zeros(count, np.int64)
        self._second = np.zeros(count, np.int64)
        self._highest = torch.zeros(count)
        self._peak = torch.full((count,), -1.0)
        self._rival = torch.zeros(count, dtype=torch.int64)
        self._rival_share = torch.zeros(count)

    def add(
        self, maps: torch.Tensor, shares: torch.Tensor, order: torch.Tensor
    ) -> None:
        """Take in a piece.

        Parameters
        ----------
        maps : (Q, rows, columns) float32 Tensor
            Cosines.
        shares : (C, rows, columns) float32 Tensor
            Probabilities of the classes.
        order : (1 or 2, rows, columns) int64 Tensor
            Places of the best and the second best class.
        """
        count = len(shares)
        settings = self._settings
        owner = order[0].flatten()
        queries = torch.softmax(maps * settings.logit_scale, dim=0)
        sure = queries.amax(dim=0).flatten()
        self._won += torch.bincount(owner, minlength=count).numpy()
        kept = owner[sure >= settings.threshold]
        self._labeled += torch.bincount(kept, minlength=count).numpy()
        if len(order) > 1:
            self._second += torch.bincount(
                order[1].flatten(), minlength=count
            ).numpy()
        self._highest.scatter_reduce_(0, owner, sure, 'amax')
        peak, at = shares.flatten(1).max(dim=1)
        is_higher = peak > self._peak
        rival = owner[at]
        rival_share = shares.flatten(1)[rival, at]
        self._peak = torch.where(is_higher, peak, self._peak)
        self._rival = torch.where(is_higher, rival, self._rival)
        self._rival_share = torch.where(
            is_higher, rival_share, self._rival_share
        )

    def found(self) -> tuple[ClassReach, ...]:
        """Return what was found of each class."""
        return tuple(
            ClassReach(
                value=value,
                won=int(self._won[place]),
                labeled=int(self._labeled[place]),
                highest_threshold=float(self._highest[place]),
                second=int(self._second[place]),
                peak=float(self._peak[place]),
                rival=self._values[int(self._rival[place])],
                rival_probability=float(self._rival_share[place]),
            )
            for place, value in enumerate(self._values)
        )
