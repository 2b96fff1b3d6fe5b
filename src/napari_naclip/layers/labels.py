"""The result in the viewer: an ordinary Labels layer, made and updated.

What a person edited is known by comparing with what the model wrote last:
that holds for every brush, for undo and for other plugins.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.classes import BACKGROUND_VALUE, ClassList
from napari_naclip.engine.errors import OutOfMemoryError
from napari_naclip.layers.geometry import matching_transform

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_naclip.engine.classes import TextClass
    from napari_naclip.engine.types import Segmentation
    from napari_naclip.layers.read import PlaneSnapshot

#: Key of the recipe in a layer's metadata.
METADATA_KEY: Final = 'napari-naclip'
#: Name of the value 0 where there is no background row.
UNLABELED: Final = 'unlabeled'
#: Color of values beyond the class list, so that they are seen.
_OTHER_COLOR: Final = '#ffffff'


@dataclass(slots=True, eq=False)
class Result:
    """A Labels layer with what the model wrote into it.

    Attributes
    ----------
    image, labels : layer
        Held by reference: names may change.
    rows : dict of int to TextClass
        Every row that the layer ever had, by label value: a class that was
        removed may still have painted pixels, and its value is never given
        to another.
    written : dict
        For each plane that was run, a copy of what the model wrote.
    """

    image: Image
    labels: Labels
    rows: dict[int, TextClass]
    written: dict[tuple[int, ...], npt.NDArray[np.unsignedinteger]] = field(
        default_factory=dict
    )


def keep_values(classes: ClassList, result: Result | None) -> ClassList:
    """Return classes with the values that a result's layer has for them.

    A class that the layer knows by name keeps its value; a new one gets a
    value that the layer never had.
    """
    if result is None:
        return classes
    known = {
        row.name.casefold(): row for value, row in result.rows.items() if value
    }
    largest = max(result.rows)
    rows = []
    for row in classes.classes:
        old = known.get(row.name.casefold())
        if old is None:
            largest += 1
            rows.append(replace(row, value=largest, color=''))
        else:
            rows.append(replace(row, value=old.value, color=old.color))
    return ClassList(tuple(rows), classes.background)


def accepts(result: Result, snapshot: PlaneSnapshot) -> bool:
    """Return whether a plane has a place in a result's layer."""
    return tuple(result.labels.data.shape) == snapshot.shape


def add_result(
    viewer: ViewerModel,
    image: Image,
    snapshot: PlaneSnapshot,
    segmentation: Segmentation,
) -> Result:
    """Add a Labels layer on an image and return the new result.

    The layer has all axes of the image, so that it moves with the sliders;
    planes that were not run are 0.

    Raises
    ------
    OutOfMemoryError
        If there is no room for an array of the image's size.
    """
    classes = segmentation.classes
    try:
        data = np.zeros(snapshot.shape, classes.label_dtype)
    except MemoryError as error:
        raise OutOfMemoryError(
            f'There is no memory for labels of the size {snapshot.shape}. '
            'Open a part of the image.'
        ) from error
    plane = np.ascontiguousarray(snapshot.orient(segmentation.labels))
    data[snapshot.index] = plane
    rows = {row.value: row for row in classes.rows}
    labels = viewer.add_labels(
        data,
        name=f'{image.name} labels',
        colormap=_colormap(rows, {}),
        features=_features(rows),
        metadata={METADATA_KEY: segmentation.recipe},
        **matching_transform(image, snapshot.downsample_factors),
    )
    labels.selected_label = classes.classes[0].value
    return Result(
        image=image,
        labels=labels,
        rows=rows,
        written={snapshot.plane_key: plane.copy()},
    )


def update_result(
    result: Result, snapshot: PlaneSnapshot, segmentation: Segmentation
) -> int:
    """Write a plane where the person has not edited; return pixels kept.

    Written in place: that leaves the layer's undo history usable.
    """
    layer = result.labels
    plane = np.ascontiguousarray(snapshot.orient(segmentation.labels))
    if not np.can_cast(plane.dtype, layer.data.dtype):
        layer.data = layer.data.astype(plane.dtype)
    target = layer.data[snapshot.index]
    before = result.written.get(snapshot.plane_key)
    is_edited = target != (0 if before is None else before)
    layer.data[snapshot.index] = np.where(is_edited, target, plane)
    result.written[snapshot.plane_key] = plane.copy()
    shown = getattr(layer.colormap, 'color_dict', {})
    kept_colors = {
        value: shown[value] for value in result.rows if value in shown
    }
    result.rows.update({row.value: row for row in segmentation.classes.rows})
    layer.colormap = _colormap(result.rows, kept_colors)
    layer.features = _features(result.rows)
    layer.metadata = {**layer.metadata, METADATA_KEY: segmentation.recipe}
    layer.refresh(extent=False)
    return int(np.count_nonzero(is_edited & (target != plane)))


def _features(rows: dict[int, TextClass]) -> dict[str, list[Any]]:
    table = [
        (value, rows[value].name, ', '.join(rows[value].prompts))
        for value in sorted(rows)
    ]
    if BACKGROUND_VALUE not in rows:
        table.insert(0, (BACKGROUND_VALUE, UNLABELED, ''))
    index, names, prompts = zip(*table, strict=True)
    return {
        'index': list(index),
        'class': list(names),
        'prompts': list(prompts),
    }


def _colormap(
    rows: dict[int, TextClass], shown: dict[int, Any]
) -> dict[int | None, Any]:
    """Return the colors of the rows; those that are shown win."""
    colors: dict[int | None, Any] = {
        value: shown.get(value, row.color) for value, row in rows.items()
    }
    return {**colors, None: _OTHER_COLOR, BACKGROUND_VALUE: 'transparent'}
