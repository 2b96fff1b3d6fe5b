"""A small Labels layer that outlines a part of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_naclip.layers.adding import add_in_steps
from napari_naclip.layers.geometry import match_axes, matching_transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from napari.components import ViewerModel

#: Of the outline and of what is around it: seen on every picture and mask.
_COLORS: Final = {1: '#ffffff', 2: '#000000', None: 'transparent'}
#: Rows and columns of the layer, at most: contours are found in the window's
#: thread each time that it is drawn.
_MOST_SIDE: Final = 512
#: Pixels of the layer that the outline is wide, for each so many of its side.
_WIDTH_SHARE: Final = 1 / 192


class Outline:
    """Outlines one part of a Labels layer at a time.

    The layer is made when it is first needed, and kept; that is faster than
    a new one each time. It never becomes the active one.

    Parameters
    ----------
    name : str
        Of the layer.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._layer: Labels | None = None
        self._placed: dict[str, Any] = {}

    def show(
        self,
        viewer: ViewerModel,
        labels: Labels,
        plane: Sequence[int | slice],
        corner: tuple[int, ...],
        small: npt.NDArray[np.bool_],
        step: int,
    ) -> Iterator[None]:
        """Outline the pixels of a mask; return the steps that are left.

        Parameters
        ----------
        viewer : napari.components.ViewerModel
        labels : napari.layers.Labels
            What the mask is about.
        plane : sequence of int or slice
            Of `labels`; see ``areas.shown_plane``.
        corner : (int, int)
            Where its first pixel lies in the plane.
        small : (rows, columns) bool array
            Along the axes of the data, reduced.
        step : int
            Rows and columns that became one; see ``reduction_of``.
        """
        width = max(1, round(max(small.shape) * _WIDTH_SHARE))
        drawn = _surround(small, width)
        shape, factors, offset = [], [], []
        margin = width * step
        lengths = _lengths(labels, plane)
        # A last row or column that reaches beyond the plane moves all.
        corner = tuple(
            first - max(0, first + count * step - length)
            for first, count, length in zip(
                corner, small.shape, lengths, strict=True
            )
        )
        # Not beyond the plane: each time that the extent of all layers
        # changes, napari draws every one of them anew.
        rows, columns = (
            _inside(first - margin, count, step, length)
            for first, count, length in zip(
                corner, drawn.shape, lengths, strict=True
            )
        )
        drawn = drawn[rows, columns]
        corners = iter(
            (
                corner[0] - margin + rows.start * step,
                corner[1] - margin + columns.start * step,
            )
        )
        sides = iter(drawn.shape)
        for i in plane:
            if isinstance(i, slice):
                shape.append(next(sides))
                factors.append(float(step))
                offset.append(float(next(corners)))
            else:
                shape.append(1)
                factors.append(1.0)
                offset.append(float(i))
        data = drawn.reshape(shape)
        transform = matching_transform(labels, factors, offset)
        layer = self._find(viewer, labels.ndim)
        if layer is None:
            layer = self._layer = Labels(
                data,
                name=self._name,
                opacity=1.0,
                colormap=DirectLabelColormap(color_dict=_COLORS),
                visible=False,
                **transform,
            )
            steps = add_in_steps(viewer, layer)
        else:
            steps = iter(())
            start = [0.0 if isinstance(i, slice) else float(i) for i in plane]
            self._place(
                layer,
                data,
                transform,
                matching_transform(labels, factors, start)['translate'],
            )
            if not layer.visible:
                layer.visible = True
        self._placed = transform
        if layer.contour != width:
            layer.contour = width
        return steps

    def _place(
        self,
        layer: Labels,
        data: npt.NDArray[np.uint8],
        transform: dict[str, Any],
        start: npt.NDArray[np.float64],
    ) -> None:
        """Give the layer other pixels and another place.

        By way of the first pixel of the plane, `start`, where it reaches
        beyond the plane at no time.
        """
        match_axes(layer, transform)
        layer.translate = start
        # napari finds the contours anew each time that one is set.
        changed = [
            key
            for key in ('scale', 'rotate', 'shear', 'affine')
            if key not in self._placed
            or not np.array_equal(self._placed[key], transform[key])
        ]
        if changed:
            layer.data = np.zeros([1] * data.ndim, data.dtype)
        for key in changed:
            setattr(layer, key, transform[key])
        layer.data = data
        layer.translate = transform['translate']

    def was_removed(self, viewer: ViewerModel) -> bool:
        """Return whether the person removed the layer."""
        return self._layer is not None and self._layer not in viewer.layers

    def pause(self, viewer: ViewerModel) -> None:
        """Show nothing, but keep the layer: napari is slow to remove one."""
        if self._layer is not None and self._layer in viewer.layers:
            self._layer.visible = False

    def remove(self, viewer: ViewerModel) -> None:
        """Take the outline and its layer away."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def _find(self, viewer: ViewerModel, ndim: int) -> Labels | None:
        """Return the layer, unless the person removed it."""
        layer = self._layer
        if layer is not None and layer in viewer.layers:
            if layer.ndim == ndim:
                return layer
            self.remove(viewer)
        self._layer = None
        return None


def _surround(
    mask: npt.NDArray[np.bool_], width: int
) -> npt.NDArray[np.uint8]:
    """Return 1 in a mask and 2 within a width around it; it grows by that."""
    inner = np.pad(mask, width)
    outer = inner.copy()
    for _ in range(width):
        grown = outer.copy()
        grown[1:] |= outer[:-1]
        grown[:-1] |= outer[1:]
        grown[:, 1:] |= outer[:, :-1]
        grown[:, :-1] |= outer[:, 1:]
        outer = grown
    around = np.zeros(inner.shape, np.uint8)
    around[outer] = 2
    around[inner] = 1
    return around


def _lengths(labels: Labels, plane: Sequence[int | slice]) -> tuple[int, ...]:
    """Return the rows and columns of a plane."""
    return tuple(
        length
        for length, i in zip(labels.data.shape, plane, strict=True)
        if isinstance(i, slice)
    )


def _inside(first: int, count: int, step: int, length: int) -> slice:
    """Return which of some steps lie between 0 and a length."""
    start = max(0, -(first // step))
    stop = max(start + 1, min(count, (length - first) // step))
    return slice(start, stop)


def reduction_of(size: tuple[int, ...]) -> int:
    """Return how many rows and columns of a mask become one of an outline."""
    return max(1, -(-max(size) // _MOST_SIDE))
