"""Objects of a result as a layer and a table of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Labels

from napari_naclip.layers.adding import add_in_steps
from napari_naclip.layers.areas import pixel_area
from napari_naclip.layers.geometry import matching_transform
from napari_naclip.layers.regions import to_world
from napari_naclip.layers.view import look_at

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import numpy.typing as npt
    from napari.components import ViewerModel

    from napari_naclip.correct.objects import ObjectTable
    from napari_naclip.engine.types import Region

    Plane = tuple[int | slice, ...]

#: What axes are called that have no name of their own, from the last one on.
_AXES: Final = ('x', 'y', 'z')


def all_planes(labels: Labels, plane: Plane) -> list[Plane]:
    """Return all planes of a layer that have the axes of one of them."""
    lengths = [
        1 if isinstance(i, slice) else length
        for i, length in zip(plane, labels.data.shape, strict=True)
    ]
    return [
        tuple(
            i if isinstance(i, slice) else int(own)
            for i, own in zip(plane, place, strict=True)
        )
        for place in np.ndindex(*lengths)
    ]


def make_columns(
    labels: Labels,
    planes: list[tuple[Plane, ObjectTable]],
    names: Mapping[int, str],
) -> dict[str, list[Any]]:
    """Return a table of objects in the units of a layer.

    Parameters
    ----------
    labels : napari.layers.Labels
        From which the objects were made.
    planes : list of tuple and ObjectTable
        The objects of each plane.
    names : mapping of int to str
        Classes by label value.

    Returns
    -------
    dict of str to list
        ``index`` (the object's value, as napari finds it), ``class``, area,
        ``pixels``, center in the world, ``confidence`` (None: not known),
        the plane, and the box in pixels, of which the last row and column
        are no part.
    """
    plane = planes[0][0]
    size, unit = pixel_area(labels, plane)
    axes = name_axes(labels)
    centers = [
        f'center {axis} ({each:~P})'.replace('(pixel)', '(px)')
        for axis, each in zip(axes, labels.units, strict=True)
    ]
    fixed = [n for n, i in enumerate(plane) if not isinstance(i, slice)]
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            'index',
            'class',
            f'area ({unit})',
            *(centers[n] for n in range(len(axes)) if n not in fixed),
            'confidence',
            'pixels',
            *(f'plane {axes[n]}' for n in fixed),
            'top',
            'left',
            'bottom',
            'right',
        )
    }
    # All at once: the layer's own way is one point at a time.
    origin = np.asarray(labels.data_to_world(np.zeros(labels.ndim)))
    linear = np.array(
        [labels.data_to_world(axis) - origin for axis in np.eye(labels.ndim)]
    )
    for index, table in planes:
        places = np.zeros((len(table), len(index)))
        places[:] = [0 if isinstance(i, slice) else i for i in index]
        shown = [n for n, i in enumerate(index) if isinstance(i, slice)]
        places[:, shown] = table.centroids
        world = places @ linear + origin
        columns['index'] += table.ids.tolist()
        columns['class'] += [
            names.get(value, str(value)) for value in table.values.tolist()
        ]
        columns[f'area ({unit})'] += (table.pixels * size).tolist()
        for n in shown:
            columns[centers[n]] += world.reshape(-1, len(index))[:, n].tolist()
        columns['confidence'] += [
            None if np.isnan(each) else float(each)
            for each in table.confidences
        ]
        columns['pixels'] += table.pixels.tolist()
        for n in fixed:
            columns[f'plane {axes[n]}'] += [index[n]] * len(table)
        for n, name in enumerate(('top', 'left', 'bottom', 'right')):
            columns[name] += table.boxes[:, n].tolist()
    return columns


def name_axes(labels: Labels) -> list[str]:
    """Return the names of a layer's axes; usual ones where it has none."""
    names = []
    for n, label in enumerate(labels.axis_labels):
        name, from_end = str(label), labels.ndim - n
        # What napari calls them by itself.
        if name in (f'-{from_end}', f'axis -{from_end}', f'axis {n}'):
            is_usual = from_end <= len(_AXES)
            name = _AXES[from_end - 1] if is_usual else f'axis {n}'
        names.append(name)
    return names


def show_objects(
    viewer: ViewerModel,
    labels: Labels,
    ids: npt.NDArray[np.int32],
    columns: Mapping[str, list[Any]],
) -> Generator[None, None, Labels]:
    """Show objects in a layer of their own, in steps; return it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    labels : napari.layers.Labels
        From which they were made. It stays the active layer.
    ids : int32 array
        In the shape of the layer.
    columns : mapping of str to list
        See ``make_columns``; becomes the layer's features.
    """
    layer = Labels(
        ids,
        name=f'{labels.name} objects',
        features=dict(columns),
        visible=False,
        **matching_transform(labels, [1.0] * labels.ndim),
    )
    yield
    yield from add_in_steps(viewer, layer)
    return layer


def go_to(
    viewer: ViewerModel,
    objects: Labels,
    plane: Plane,
    number: int,
    box: Region,
) -> None:
    """Show an object in the middle of the canvas and choose its value.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    objects : napari.layers.Labels
    plane : tuple of int or slice
        Where it is; becomes the displayed plane.
    number : int
        The object's value.
    box : Region
        Around it, along the axes of the data.
    """
    place = [0.0 if isinstance(i, slice) else float(i) for i in plane]
    world = to_world(objects, viewer, [place])[0]
    missing = viewer.dims.ndim - objects.ndim
    for axis, i in enumerate(plane):
        if not isinstance(i, slice):
            viewer.dims.set_point(axis + missing, world[axis])
    objects.selected_label = number
    viewer.layers.selection.active = objects
    look_at(viewer, objects, plane, box)
