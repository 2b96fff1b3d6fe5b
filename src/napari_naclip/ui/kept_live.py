"""The planes that a viewer's last runs looked at, ready to answer again.

Only the last few are kept awake (``kept_parts``). All others are made again
from the kept features when they are asked; those whose image or labels have
gone are forgotten.
"""

from __future__ import annotations

import itertools
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_naclip.engine.types import Progress
from napari_naclip.io.kept_features import shared_store
from napari_naclip.layers.labels import accepts
from napari_naclip.layers.sync import rename_in_recipe
from napari_naclip.ui.compute import SLOT
from napari_naclip.ui.kept_image import (
    Refreshes,
    arrays_of,
    has_channels,
    is_as_seen,
)
from napari_naclip.ui.kept_parts import find_rest, is_touched, make_room

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from napari.components import ViewerModel

    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import ClassList, Settings
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.compute import ModelRequest
    from napari_naclip.ui.jobs import Finished, RunRequest
    from napari_naclip.ui.live import LiveUpdater

_USES = itertools.count()


@dataclass(frozen=True, slots=True)
class Shown:
    """What labels were asked for."""

    classes: ClassList
    settings: Settings
    locked: frozenset[int]

    def is_enough_for(self, wanted: Shown) -> bool:
        """Return whether such labels need not be asked for anew.

        Names and colors decide no label, and a lock keeps them as they are.
        """
        own, others = (
            [(row.value, row.prompts, row.teaching) for row in each.rows]
            for each in (self.classes, wanted.classes)
        )
        return (
            own == others
            and self.settings == wanted.settings
            and self.locked <= wanted.locked
        )


@dataclass(slots=True, eq=False)
class KeptLive:
    """A plane or region that a run looked at.

    Attributes
    ----------
    live : LiveSegmentation or None
        Used by one thread at a time; None while it sleeps.
    snapshot : PlaneSnapshot
    result : Result
        Where its labels go.
    request : RunRequest
    settings : Settings
        Of the run, as the snapshot adapts them.
    owner : weakref to LiveUpdater
        Of the panel that ran: another one of the viewer leaves it alone.
    shown : Shown or None
        What the labels in the layer are; None: unfinished.
    failed : Shown or None
        What was asked last and could not be answered.
    book : weakref to LiveBook or None
        Where it is kept.
    used : int
        Rises from use to use; who was used last sleeps last.
    doubt : int
        The last time that the image was refreshed; see ``Refreshes``.
    checked : int
        The doubt that has been looked into.
    """

    live: LiveSegmentation | None = field(repr=False)
    snapshot: PlaneSnapshot
    result: Result
    request: RunRequest
    settings: Settings
    owner: weakref.ref[LiveUpdater]
    shown: Shown | None
    failed: Shown | None = None
    book: weakref.ref[LiveBook] | None = field(default=None, repr=False)
    used: int = field(default_factory=_USES.__next__, repr=False)
    doubt: int = field(default=0, repr=False)
    checked: int = field(default=0, repr=False)

    @property
    def pixels(self) -> int:
        """How many pixels it labels."""
        region = self.snapshot.region
        rows, columns = self.snapshot.size if region is None else region.size
        return rows * columns

    @property
    def key(self) -> tuple[int, tuple[int | None, ...]]:
        """What is equal for all parts of a plane of a result."""
        return _key(self.result, self.snapshot.index)

    def is_of(self, result: Result, plane: tuple[int | slice, ...]) -> bool:
        """Return whether it labels a plane of a result, or a part of it."""
        return self.result is result and self.snapshot.index == plane

    def find_parts(self) -> tuple[KeptLive, ...]:
        """Return all that answers for its plane, what came last at the end."""
        book = None if self.book is None else self.book()
        if book is None:
            return (self,)
        return book.find(self.result, self.snapshot.index)

    def is_led_by(self, updater: LiveUpdater) -> bool:
        """Return whether it follows a panel, as far as panels go."""
        owner = self.owner()
        return owner is None or owner is updater or not owner.is_open

    def takes(self, wanted: Shown) -> bool:
        """Return whether its labels are what is wanted, names aside.

        If they are, the names are those that are wanted from now on.
        """
        shown = self.shown
        if shown is None or not shown.is_enough_for(wanted):
            return False
        if shown.classes != wanted.classes:
            self.shown = replace(shown, classes=wanted.classes)
            rename_in_recipe(self.result.labels, wanted.classes.to_dict())
        return True

    def wake(self) -> Generator[Progress, None, LiveSegmentation]:
        """Yield progress; return what answers, made again if it sleeps.

        It is made again as well where the image was edited in place. Then
        others sleep, as many as have to. Call it in the thread that answers,
        within the compute slot. Features that are not kept any more are
        computed with the answer.

        Raises
        ------
        NaclipError
            If model or pixels cannot be had any more.
        """
        # A refresh that comes meanwhile is looked into the next time.
        live, doubt = self.live, self.doubt
        if doubt != self.checked:
            self.snapshot.doubt_limits(doubt)
            if live is not None and not (
                yield from is_as_seen(live, self.snapshot)
            ):
                self.live = live = None
        if live is None:
            model = yield from SLOT.load(self.request.model)
            # Imported by then.
            from napari_naclip.engine.segmenter import Segmenter

            yield Progress('read')
            for _ in self.snapshot.find_limits():
                yield Progress('read')
            segmenter = Segmenter(model, self.settings, shared_store())
            live = yield from segmenter.iter_open(
                self.snapshot.read(), self.snapshot.engine_region
            )
            self.live = live
            book = None if self.book is None else self.book()
            if book is not None:
                book.use(self)
        self.checked = doubt
        return live


def _key(
    result: Result, plane: tuple[int | slice, ...]
) -> tuple[int, tuple[int | None, ...]]:
    return id(result), tuple(
        None if isinstance(i, slice) else i for i in plane
    )


class LiveBook:
    """What can answer again in one viewer; does not hold the viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._kept: list[KeptLive] = []
        self._refreshes = Refreshes(viewer, self._on_refreshed)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        _BOOKS.add(self)

    def __len__(self) -> int:
        return len(self._kept)

    def add(
        self,
        request: RunRequest,
        finished: Finished,
        result: Result,
        locked: frozenset[int],
        owner: LiveUpdater,
    ) -> None:
        """Keep what a run made; older ones answer for what is left of them.

        Nothing is left of those that saw the plane in another way.
        """
        plane, kept_now = finished.snapshot.index, list[KeptLive]()
        for kept in self._kept:
            rest: KeptLive | None = kept
            if kept.is_of(result, plane) and kept.request is not request:
                rest = find_rest(kept, request, finished.snapshot, owner)
            if rest is not None:
                kept_now.append(rest)
        self._keep_only(kept_now)
        if finished.live is None:
            return
        settings = finished.snapshot.adapt(request.settings)
        self._kept.append(
            KeptLive(
                live=finished.live,
                snapshot=finished.snapshot,
                result=result,
                request=request,
                settings=settings,
                owner=weakref.ref(owner),
                shown=Shown(request.classes, settings, locked),
                book=weakref.ref(self),
            )
        )
        request.image.events.data.connect(self._on_image_replaced)
        self._refreshes.watch(finished.snapshot)
        self._make_room(result, request.snapshot.index)

    def use(self, kept: KeptLive) -> None:
        """Note that something has answered: others sleep before it.

        From any thread: it neither adds nor drops anything.
        """
        if kept not in self._kept:
            # Dropped while it woke: nothing here could let it sleep again.
            kept.live = None
            return
        kept.used = next(_USES)
        self._make_room(kept.result, kept.snapshot.index)

    def _make_room(
        self, result: Result, shown: tuple[int | slice, ...]
    ) -> None:
        make_room(self._kept, _key(result, shown))

    def find(
        self, result: Result, plane: tuple[int | slice, ...]
    ) -> tuple[KeptLive, ...]:
        """Return what answers for a plane of a result.

        Parameters
        ----------
        result : Result
        plane : tuple of int or slice
            See ``PlaneSnapshot.index``.
        """
        return tuple(kept for kept in self._kept if kept.is_of(result, plane))

    def find_all(self, result: Result) -> tuple[KeptLive, ...]:
        """Return what answers for any plane of a result."""
        return tuple(kept for kept in self._kept if kept.result is result)

    def find_before(self, request: RunRequest) -> tuple[KeptLive, ...]:
        """Return what answers for labels that a run has not finished yet."""
        return tuple(
            kept
            for kept in self._kept
            if kept.result is request.target
            and kept.request is not request
            and is_touched(kept, request)
        )

    def forgive(self, updater: LiveUpdater) -> None:
        """Let a panel ask again for what could not be answered."""
        for kept in self._kept:
            if kept.is_led_by(updater):
                kept.failed = None

    def has_place(self, kept: KeptLive, viewer: ViewerModel) -> bool:
        """Return whether an answer may be written where it belongs."""
        result, layers = kept.result, viewer.layers
        return (
            result.labels in layers
            and result.image in layers
            and result.checkpoint is None
            and accepts(result, kept.snapshot)
            and kept in self._kept
        )

    def keep_model(self, model: ModelRequest) -> None:
        """Let sleep what keeps another model loaded beside a wanted one."""
        for kept in self._kept:
            if kept.request.model != model:
                kept.live = None

    def free(self) -> None:
        """Give memory back; the next answers take longer."""
        for kept in self._kept:
            if kept.live is not None:
                kept.live.free()

    def _drop(self, is_gone: Callable[[KeptLive], bool]) -> None:
        self._keep_only([kept for kept in self._kept if not is_gone(kept)])

    def _keep_only(self, kept_now: list[KeptLive]) -> None:
        gone, self._kept = {*self._kept}.difference(kept_now), kept_now
        for kept in gone:
            # Others hold it still, such as the regions that were found.
            kept.live = None

    def _on_layer_removed(self, event: Any) -> None:
        layer = event.value
        self._drop(
            lambda kept: layer in (kept.result.image, kept.result.labels)
        )

    def _on_image_replaced(self, event: Any) -> None:
        image = event.source
        self._drop(lambda kept: kept.result.image == image)

    def _on_refreshed(self, arrays: list[Any], doubt: int) -> None:
        for kept in self._kept:
            own = arrays_of(kept.snapshot)
            if any(one is other for one in own for other in arrays):
                kept.doubt = doubt


_BOOKS: weakref.WeakSet[LiveBook] = weakref.WeakSet()


def keep_model(model: ModelRequest) -> None:
    """Let sleep what keeps other models loaded, in all viewers."""
    for book in list(_BOOKS):
        book.keep_model(model)


def free_all() -> None:
    """Give back the memory of what answers, in all viewers."""
    for book in list(_BOOKS):
        book.free()


def may_lead(
    kept: KeptLive, updater: LiveUpdater, viewer: ViewerModel
) -> bool:
    """Return whether a panel's labels of a plane may follow that panel."""
    return kept.is_led_by(updater) and has_channels(kept, viewer)
