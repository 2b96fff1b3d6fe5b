"""Which planes and regions stay known to a viewer, and which stay awake.

Several runs may have labeled parts of one plane: each pixel follows the last
of them. What answers holds the picture as the model saw it and how each pixel
was decided, so that only the last few are kept awake.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_naclip.ui.kept_image import arrays_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.jobs import RunRequest
    from napari_naclip.ui.kept_live import KeptLive
    from napari_naclip.ui.live import LiveUpdater

#: Planes that are kept awake, regions of each, and pixels of all, at most.
_MOST_KEPT = 8
_MOST_REGIONS = 32
_MOST_PIXELS = 2**25


def is_alike(
    kept: KeptLive, request: RunRequest, snapshot: PlaneSnapshot
) -> bool:
    """Return whether a run sees a plane as an earlier one has seen it.

    With the same model, and as the same pixels in the same place.
    """
    own = kept.snapshot
    arrays, others = arrays_of(own), arrays_of(snapshot)
    return (
        kept.request.model == request.model
        and own.level == snapshot.level
        and own.is_transposed == snapshot.is_transposed
        and len(arrays) == len(others)
        and all(map(_is_same, arrays, others))
    )


def _is_same(one: object, other: object) -> bool:
    return one is other


def find_rest(
    kept: KeptLive,
    request: RunRequest,
    snapshot: PlaneSnapshot,
    owner: LiveUpdater,
) -> KeptLive | None:
    """Return what still answers for the pixels that a newer run left.

    All parts of a plane follow the panel that ran last.

    Parameters
    ----------
    kept : KeptLive
        Of an earlier run.
    request : RunRequest
    snapshot : PlaneSnapshot
        What the newer run has labeled of the same plane.
    owner : LiveUpdater

    Returns
    -------
    KeptLive or None
        None if nothing is left, or nothing that may stand beside it.
    """
    if not is_alike(kept, request, snapshot):
        return None
    left = kept.snapshot.without(snapshot)
    if left is None:
        return None
    if left is kept.snapshot:
        kept.owner = weakref.ref(owner)
        return kept
    # Another one: a thread may still look at what it was.
    return replace(
        kept,
        snapshot=left,
        owner=weakref.ref(owner),
        live=kept.live if left.area == kept.snapshot.area else None,
    )


def is_touched(kept: KeptLive, request: RunRequest) -> bool:
    """Return whether a run is to change labels of an earlier one."""
    return any(
        kept.snapshot.index == each.index
        and (not is_alike(kept, request, each) or kept.snapshot.meets(each))
        for each in request.snapshots
    )


def make_room(
    kept_now: Iterable[KeptLive], own: tuple[int, tuple[int | None, ...]]
) -> None:
    """Let whole planes sleep, the oldest first, but not the one shown.

    Of that one, parts of earlier runs sleep if there is no room even then.

    Parameters
    ----------
    kept_now : iterable of KeptLive
        In the order in which they were made.
    own : tuple
        Key of the plane that is shown.
    """
    made = list(kept_now)
    by_use = sorted(made, key=lambda kept: kept.used)
    here = [k for k in by_use if k.live and k.key == own]
    for kept in here[:-_MOST_REGIONS]:
        kept.live = None
    last = next((k.request for k in reversed(made) if k.key == own), None)
    older = [k for k in here if k.live and k.request is not last]
    while True:
        awake = [kept for kept in by_use if kept.live is not None]
        is_large = sum(kept.pixels for kept in awake) > _MOST_PIXELS
        # A plane was used when the last of its regions was.
        planes = {kept.key: kept.used for kept in awake}
        is_much = is_large or len(planes) > _MOST_KEPT
        planes.pop(own, None)
        if planes and is_much:
            oldest = min(planes, key=planes.__getitem__)
            for kept in awake:
                if kept.key == oldest:
                    kept.live = None
        elif older and is_large:
            older.pop(0).live = None
        else:
            return
