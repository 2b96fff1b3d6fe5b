"""Finds the regions of one plane, on the thread of live answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    from napari_naclip.correct.regions import Regions
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.kept_live import KeptLive, Shown

    Mask = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Found:
    """What ``find_guided`` returns: regions, and what they are of.

    Attributes
    ----------
    kept : KeptLive
    shown : Shown
        What the labels were that the regions are of.
    revision : int
        Of the result, before its labels were read.
    regions : Regions
    shares : (N, C) float32 array
        Probabilities of the classes, by the regions' mean tokens.
    values : tuple of int
        Label values of these classes.
    edited : (H, W) bool array
        Pixels that the person edited or accepted, or that are not to be
        labeled.
    center : (D,) float32 array
        What tokens of the picture have in common; see ``find_center``.
    model : str
        Fingerprint of the model.
    """

    kept: KeptLive
    shown: Shown
    revision: int
    regions: Regions = field(repr=False)
    shares: npt.NDArray[np.float32] = field(repr=False)
    values: tuple[int, ...]
    edited: Mask = field(repr=False)
    center: npt.NDArray[np.float32] = field(repr=False)
    model: str

    def is_current(self) -> bool:
        """Return whether the labels are those that were read."""
        kept = self.kept
        return (
            self.shown == kept.shown and self.revision == kept.result.revision
        )


def find_edited(result: Result, snapshot: PlaneSnapshot) -> Mask:
    """Return the (H, W) pixels that regions are not to be made of.

    Those that the person edited or accepted, and those beside what was
    drawn.
    """
    at = snapshot.index_of(snapshot.region)
    edited = np.asarray(result.labels.data[at]) != np.asarray(
        result.written[at]
    )
    if result.accepted is not None:
        edited |= np.asarray(result.accepted[at])
    edited = snapshot.orient(edited)
    return edited if snapshot.mask is None else edited | ~snapshot.mask


def find_guided(
    kept: KeptLive, shown: Shown
) -> Generator[object, None, Found]:
    """Yield now and then; return the regions of what is shown."""
    # They need torch, which the panel opens without.
    from napari_naclip.correct.examples import find_center
    from napari_naclip.correct.regions import iter_regions
    from napari_naclip.correct.shares import class_shares

    live = yield from kept.wake()
    result, snapshot = kept.result, kept.snapshot
    confidence: Any = live.confidence
    if confidence is None:
        answer = yield from live.answer(
            shown.classes, shown.settings, previews=False
        )
        confidence = answer.confidence
    revision = result.revision
    at = snapshot.index_of(snapshot.region)
    labels = snapshot.orient(np.array(result.labels.data[at]))
    yield None
    edited = find_edited(result, snapshot)
    yield None
    regions = yield from iter_regions(
        live, labels, confidence, shown.classes, shown.settings
    )
    queries = yield from live.queries(shown.classes, shown.settings)
    competing = live.competing(shown.classes)
    shares = class_shares(
        regions.tokens, queries, competing, shown.settings.logit_scale
    )
    values = tuple(row.value for row in competing.competitors)
    yield None
    center = find_center(live)
    return Found(
        kept,
        shown,
        revision,
        regions,
        shares,
        values,
        edited,
        center,
        live.fingerprint,
    )
