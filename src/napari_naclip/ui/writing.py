"""From what a run yields to its Labels layer, and back on Cancel.

Runs on the GUI thread. Parts are shown as they come; a plane or region that
has finished stays, whatever becomes of the rest, and so do final parts of one
that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.errors import NaclipError
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.checkpoint import absorb
from napari_naclip.layers.counting import add_counts
from napari_naclip.layers.geometry import matching_transform, place_at
from napari_naclip.layers.sync import (
    apply_appearance,
    store_list,
    store_recipe,
)
from napari_naclip.ui import messages

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_naclip.engine.classes import ClassList
    from napari_naclip.layers.checkpoint import Checkpoint
    from napari_naclip.layers.labels import Result, WriteMode
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.jobs import Finished, Part, RunRequest
    from napari_naclip.ui.results import ResultBook
    from napari_naclip.ui.run_list import RunList


#: Pixels of layers of which what several planes were is kept for Revert.
_MOST_PREVIOUS = 2**27


class Dropped(NaclipError):
    """A result that has no place any more; says why."""


class RunWriter:
    """Writes one run.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    book : ResultBook
        Takes in the result when it is new.
    request : RunRequest
    own_list : RunList
        Names, colors and locks may change while the run goes on.
    mode : WriteMode
        Where it may write.

    Raises
    ------
    Dropped
        If another run writes to the same labels.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        book: ResultBook,
        request: RunRequest,
        own_list: RunList,
        mode: WriteMode = 'unedited',
    ) -> None:
        self._viewer = viewer
        self._book = book
        self._request = request
        self._list = own_list
        self._mode: WriteMode = mode
        self._blank = 0
        self._previous: Checkpoint | None = None
        self._was_empty: dict[int, bool] = {}
        self._is_new = request.target is None
        self._is_image_stale = False
        self._counts = np.zeros(1, np.int64)
        self._notices: dict[str, None] = {}
        self.result: Result | None = request.target
        self.kept = 0
        if self.result is not None:
            if self.result.checkpoint is not None:
                raise Dropped(messages.BUSY)
            label_layers.checkpoint(self.result)
        request.image.events.data.connect(self._on_image_replaced)

    @property
    def request(self) -> RunRequest:
        """What is written."""
        return self._request

    @property
    def image(self) -> Image:
        """The image that is segmented."""
        return self._request.image

    def prepare(self) -> None:
        """Add the layer of a new result while it is still empty.

        A Labels layer costs napari a noticeable moment, the first one more
        than others: better at the end of what is imported once, where the
        run has just begun, than when labels come. Raises like ``write_part``.
        """
        self._ready(self._request.snapshot)

    def write_part(self, part: Part) -> None:
        """Show labels that are ready before the rest.

        Raises
        ------
        NaclipError
            If there is no place or no memory for them.
        """
        result = self._ready(part.snapshot)
        label_layers.write_region(
            result,
            part.snapshot,
            part.partial.labels,
            part.partial.region,
            locked=self._locked_values(result, part.snapshot),
            mode=self._mode,
        )

    def write_finished(self, finished: Finished) -> None:
        """Write a plane or region that stays; raises like ``write_part``."""
        snapshot, segmentation = finished.snapshot, finished.segmentation
        if segmentation is None:
            self._blank += 1
            return
        result = self._ready(snapshot)
        self.kept += label_layers.write_region(
            result,
            snapshot,
            segmentation.labels,
            locked=self._locked_values(result, snapshot),
            mode=self._mode,
        )
        store_recipe(
            result.labels,
            {**segmentation.recipe, 'picture': snapshot.describe()},
        )
        self._name_rows(result, segmentation.classes)
        if finished.counts is not None:
            self._counts = add_counts(self._counts, finished.counts)
        self._notices.update(dict.fromkeys(segmentation.notices))
        if snapshot.left_out:
            self._notices[messages.describe_left_out(snapshot.left_out)] = None
        self._keep_previous(result)
        # From here on Cancel takes back only what follows.
        label_layers.checkpoint(result)
        self._is_new = False

    def end(self) -> tuple[str, tuple[str, ...]]:
        """End a run that went to its end; return what to say, and notices."""
        self._disconnect()
        self._list.end()
        if self.result is not None:
            label_layers.end_checkpoint(self.result)
        text = messages.describe_result(
            self._request.classes,
            self._counts,
            self.kept,
            self._list.state.locked_values,
        )
        notices = list(self._notices)
        if self._blank:
            notices.insert(
                0,
                messages.describe_blank(
                    self._blank,
                    len(self._request.snapshots),
                    self._request.unit,
                ),
            )
        return text, tuple(notices)

    def take_back(self) -> None:
        """End a run that did not: take back what has not finished."""
        self._disconnect()
        self._list.end()
        result = self.result
        if result is None or result.labels not in self._viewer.layers:
            return
        done = result.checkpoint
        if (
            self._is_new
            and not label_layers.has_edits(result)
            # An edit that the run overwrote comes back.
            and (done is None or done.model is None)
        ):
            self._viewer.layers.remove(result.labels)
            self._book.forget(result)
            self.result = None
        elif done is not None:
            label_layers.restore(result, done, self._list.state.locked_values)
        label_layers.end_checkpoint(result)

    def keep_parts(self) -> bool:
        """End a run that failed; return whether any part of it stays.

        Labels stay that would not have changed any more. ``Revert`` takes
        them back. Previews are taken back here.
        """
        result, settings = self.result, self._request.settings
        done = None if result is None else result.checkpoint
        is_final = (
            settings.refine == 'off'
            and settings.min_object <= 1
            and settings.max_hole <= 1
        )
        if (
            result is None
            or done is None
            or not done.planes
            or not is_final
            or result.labels not in self._viewer.layers
        ):
            self.take_back()
            return False
        self._disconnect()
        self._name_rows(result, self._request.classes)
        self._list.end()
        self._keep_previous(result)
        if self._request.target is None:
            # The planes before are finished; only this one is in question.
            result.previous = done
        label_layers.end_checkpoint(result)
        return True

    def _name_rows(self, result: Result, classes: ClassList) -> None:
        """Give classes their names and colors in the layer."""
        # The layer may have been edited since the table left it.
        known = () if self._list.is_shown else result.rows
        state = self._list.state
        apply_appearance(
            result,
            [
                state.find(row.value) or row
                for row in classes.rows
                if row.value not in known
            ],
        )
        if self._list.is_shown:
            store_list(result.labels, state.to_dict())

    def _keep_previous(self, result: Result) -> None:
        """Remember what this run overwrote, for Revert."""
        done = result.checkpoint
        if done is None or not done.planes:
            return
        if self._request.target is None and done.model is None:
            # The layer was empty before.
            return
        if self._previous is None:
            self._previous = result.previous = done
        elif (
            self._previous.before.size <= _MOST_PREVIOUS
            or done.model is not None
        ):
            absorb(self._previous, done)
        else:
            result.previous = None

    def _ready(self, snapshot: PlaneSnapshot) -> Result:
        """Return the result to write to; a new one at first."""
        layers, request = self._viewer.layers, self._request
        if request.image not in layers or self._is_image_stale:
            raise Dropped(messages.DROPPED_IMAGE)
        if self.result is None:
            self.result = label_layers.add_result(
                self._viewer, request.image, snapshot, request.classes
            )
            store_list(self.result.labels, self._list.state.to_dict())
            self._book.add(self.result)
            label_layers.checkpoint(self.result)
        elif self.result.labels not in layers or not label_layers.accepts(
            self.result, snapshot
        ):
            raise Dropped(messages.DROPPED_LABELS)
        else:
            # The image may have been scaled or moved since an earlier run.
            dims = self._viewer.dims
            point = dims.point
            place_at(
                self.result.labels,
                matching_transform(request.image, snapshot.downsample_factors),
            )
            # Another step of the sliders is no other place.
            dims.set_point(range(dims.ndim), point)
        return self.result

    def _locked_values(
        self, result: Result, snapshot: PlaneSnapshot
    ) -> frozenset[int]:
        """Return the label values whose pixels stay.

        A locked background means 0 only where anything was labeled before:
        on an empty plane it would leave no room for the first result.
        """
        locked = self._list.state.locked_values
        if 0 not in locked:
            return locked
        key = id(snapshot)
        if key not in self._was_empty:
            before = result.labels.data[snapshot.index_of(snapshot.region)]
            self._was_empty[key] = not np.any(before)
        return locked - {0} if self._was_empty[key] else locked

    def _on_image_replaced(self, _event: object) -> None:
        self._is_image_stale = True

    def _disconnect(self) -> None:
        self._request.image.events.data.disconnect(self._on_image_replaced)
