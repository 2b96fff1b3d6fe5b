"""The result in the viewer: an ordinary Labels layer, made and updated.

What a person edited is known by comparing with what the model wrote last (see
``write``). The layer has all axes and the full shape of its level, so that it
moves with the sliders and regions are parts of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_naclip.engine.outputs import zeros
from napari_naclip.engine.types import Segmentation
from napari_naclip.layers.checkpoint import (
    Checkpoint,
    checkpoint,
    end_checkpoint,
    has_edits,
    restore,
    revert,
)
from napari_naclip.layers.geometry import matching_transform
from napari_naclip.layers.strokes import Strokes
from napari_naclip.layers.sync import (
    METADATA_KEY,
    LabelRow,
    apply_appearance,
    make_colormap,
    make_features,
    shown_colors,
    store_recipe,
    to_label_rows,
)
from napari_naclip.layers.write import WriteMode, write_region, write_steps
from napari_naclip.layers.written import share_written

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_naclip.engine.classes import ClassList
    from napari_naclip.layers.snapshot import PlaneSnapshot

    Index = tuple[int | slice, ...]

__all__ = [
    'Checkpoint',
    'Result',
    'WriteMode',
    'accepts',
    'add_result',
    'checkpoint',
    'end_checkpoint',
    'has_edits',
    'restore',
    'revert',
    'update_result',
    'write_region',
    'write_steps',
]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Result:
    """A Labels layer with what the model wrote into it.

    Attributes
    ----------
    image, labels : layer
        Held by reference: names may change. No image where the labels lie on
        none, such as those whose image was removed.
    rows : dict of int to LabelRow
        Every row that the layer ever had, by label value: a class that was
        removed may still have painted pixels, and its value is never given
        to another.
    written : array
        What the model wrote last, in the shape of the layer; 0 where it
        never wrote. Room is only taken by the parts that are written to, in
        memory or on the disk.
    checkpoint : Checkpoint or None
        Of the run that is writing.
    previous : Checkpoint or None
        What the last change of model labels overwrote; see ``revert``.
    accepted : bool array or None
        Pixels whose labels the person said are right, in the shape of the
        layer; None: none. The model writes there only where it may over
        edits.
    under : array or None
        What the model says by now where edits, or what was accepted, keep it
        from writing, plus 1; 0 where that is what it wrote last. None:
        nowhere.
    strokes : Strokes
        What undo takes back; see there.
    revision : int
        Rises with each block that the model writes, or that is put back.
    listeners : list of callable
        Get the index of each block that was written to, or accepted, or
        where the model says something else than it wrote; other changes of
        the layer come with its own events.
    """

    image: Image | None
    labels: Labels
    rows: dict[int, LabelRow]
    written: npt.NDArray[Any] = field(repr=False)
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    previous: Checkpoint | None = field(default=None, repr=False)
    accepted: npt.NDArray[Any] | None = field(default=None, repr=False)
    under: npt.NDArray[Any] | None = field(default=None, repr=False)
    strokes: Strokes = field(init=False, repr=False)
    revision: int = 0
    listeners: list[Callable[[Index], object]] = field(
        default_factory=list, repr=False
    )

    def __post_init__(self) -> None:
        """Keep what the model wrote with the layer, and watch that."""
        share_written(self)
        self.strokes = Strokes(self)

    def tell_written(self, at: Index) -> None:
        """Tell that a block was written to."""
        self.revision += 1
        self.tell_changed(at)

    def tell_changed(self, at: Index) -> None:
        """Tell that something but labels has changed in a block.

        What was accepted, or what the model says where it must not write.
        """
        for listener in tuple(self.listeners):
            listener(at)


def accepts(result: Result, snapshot: PlaneSnapshot) -> bool:
    """Return whether a plane has a place in a result's layer."""
    return (
        tuple(result.labels.data.shape) == snapshot.shape
        and result.written.shape == snapshot.shape
    )


def add_result(
    viewer: ViewerModel,
    image: Image,
    snapshot: PlaneSnapshot,
    classes: ClassList | Segmentation,
    recipe: dict[str, Any] | None = None,
) -> Result:
    """Add a Labels layer on an image and return the new result.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    image : napari.layers.Image
    snapshot : PlaneSnapshot
        Any of the run: its level decides the layer's shape and place.
    classes : ClassList or Segmentation
        Names and colors of the layer, which is empty (0) at first; a
        segmentation is written into it.
    recipe : dict, optional
        How the content is made.

    Raises
    ------
    StorageError
        If there is no room for an array of the image's size, neither in
        memory nor on the disk.
    """
    if isinstance(classes, Segmentation):
        result = add_result(
            viewer, image, snapshot, classes.classes, classes.recipe
        )
        write_region(result, snapshot, classes.labels)
        return result
    rows = to_label_rows(classes.rows)
    labels = viewer.add_labels(
        zeros(snapshot.shape, classes.label_dtype),
        name=f'{image.name} labels',
        colormap=make_colormap(rows),
        features=make_features(rows),
        metadata={METADATA_KEY: dict(recipe or {})},
        **matching_transform(image, snapshot.downsample_factors),
    )
    labels.selected_label = classes.classes[0].value
    return Result(
        image=image,
        labels=labels,
        rows=rows,
        written=zeros(snapshot.shape, classes.label_dtype),
    )


def update_result(
    result: Result, snapshot: PlaneSnapshot, segmentation: Segmentation
) -> int:
    """Write a whole result where the person has not edited; return kept.

    Colors that the layer shows win over those of the segmentation.
    """
    kept = write_region(result, snapshot, segmentation.labels)
    shown = shown_colors(result.labels)
    rows = to_label_rows(segmentation.classes.rows)
    apply_appearance(
        result,
        [
            replace(row, color=shown.get(value, row.color))
            for value, row in rows.items()
        ],
    )
    store_recipe(result.labels, segmentation.recipe)
    return kept
