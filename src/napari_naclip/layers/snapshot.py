"""A plane of an image layer, or a part of it, that can be read later.

A snapshot holds no pixel, and ``read`` returns what reads them in slices, in
the worker, because those of dask or zarr arrays can take long and all of them
may be more than memory holds. Snapshots are taken in ``read``.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.types import Region
from napari_naclip.layers.picture import Channel, compose
from napari_naclip.layers.plane import LazyPlane
from napari_naclip.layers.regions import trim_region

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_naclip.engine.types import Settings

#: Pixels that a mask of what is left of a region may have: one for each byte.
_MOST_LEFT = 2**27


@dataclass(frozen=True, slots=True)
class PlaneSnapshot:
    """One plane of an image layer or a part of it, and how it is displayed.

    Attributes
    ----------
    data : array-like
        The array of the level, with all its axes.
    index : tuple of int or slice
        Selects the plane in ``data`` and in a labels array of ``shape``; one
        entry for each axis of the layer, a full slice for the two displayed.
    is_transposed : bool
        Whether the plane is displayed with its two axes exchanged.
    shape : tuple of int
        Of the level without the color axis.
    level : int
        Level of a multiscale layer, 0 at full size.
    downsample_factors : tuple of float
        Size of a pixel of the level in pixels of the layer.
    contrast_limits : (float, float)
        Those with which what ``read`` returns is to be seen; 0 to 255 where
        it is a composed picture.
    gamma : float
        Likewise; 1 for a composed picture.
    region : Region or None
        The part of the plane that is meant, in its pixels at this level as
        displayed; None: all of it.
    mask : (rows, columns) bool array or None
        The pixels of the region that are meant; None: all of them.
    is_cut : bool
        Whether ``read`` returns the region alone, as an image of its own.
    channels : tuple of Channel
        What the picture is composed of; empty: of ``data`` as it is.
    left_out : tuple of str
        Names of visible images that do not fit into the composite.
    """

    data: Any = field(repr=False)
    index: tuple[int | slice, ...]
    is_transposed: bool
    shape: tuple[int, ...]
    level: int
    downsample_factors: tuple[float, ...]
    contrast_limits: tuple[float, float]
    gamma: float
    region: Region | None = None
    mask: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    is_cut: bool = False
    channels: tuple[Channel, ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()

    @property
    def plane_key(self) -> tuple[int, ...]:
        """The fixed indices: what tells the planes of a layer apart."""
        return tuple(i for i in self.index if not isinstance(i, slice))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the whole plane as displayed."""
        rows, columns = (
            length
            for length, i in zip(self.shape, self.index, strict=True)
            if isinstance(i, slice)
        )
        return (columns, rows) if self.is_transposed else (rows, columns)

    @property
    def read_size(self) -> tuple[int, int]:
        """Rows and columns of what ``read`` returns."""
        cut = self.region if self.is_cut else None
        return self.size if cut is None else cut.size

    @property
    def engine_region(self) -> Region | None:
        """The part of what ``read`` returns that is to be segmented.

        None: all of it.
        """
        return None if self.is_cut else self.region

    def find_limits(self) -> Iterator[None]:
        """Find limits that depend on the data; yield while they are read.

        Raises
        ------
        InputError
            If there is no finite value, or something cannot be read.
        """
        for channel in self.channels:
            yield from channel.iter_limits()

    def doubt_limits(self, doubt: int) -> None:
        """Let limits that depend on the data be found anew.

        Parameters
        ----------
        doubt : int
            A number that rises: other planes of the run share the limits and
            the doubt, and those who come later leave what is found by then.
        """
        for channel in self.channels:
            channel.doubt_limits(doubt)

    def read(self) -> npt.NDArray[Any] | LazyPlane:
        """Return the pixels, (H, W) or (H, W, 3 or 4), as displayed.

        They are read when slices of rows and columns are taken; arrays in
        memory are returned as they are.

        Raises
        ------
        InputError
            See ``find_limits``.
        """
        for _ in self.find_limits():
            pass
        index = self.index_of(self.region if self.is_cut else None)
        if self.channels:
            return compose(self.channels, index, self.is_transposed)
        if isinstance(self.data, np.ndarray):
            plane: npt.NDArray[Any] = np.asarray(self.data[index])
            return plane.swapaxes(0, 1) if self.is_transposed else plane
        return LazyPlane(self.data, index, is_transposed=self.is_transposed)

    def index_of(self, region: Region | None) -> tuple[int | slice, ...]:
        """Return what selects a part of the plane in data and labels."""
        if region is None:
            return self.index
        rows, columns = region.slices
        parts = iter((columns, rows) if self.is_transposed else region.slices)
        return tuple(
            next(parts) if isinstance(i, slice) else i for i in self.index
        )

    def place(self, region: Region | None) -> Region:
        """Return where a part of what ``read`` returns lies in the plane."""
        if self.is_cut and self.region is not None:
            if region is None:
                return self.region
            top, left = self.region.top, self.region.left
            return Region(
                region.top + top,
                region.left + left,
                region.bottom + top,
                region.right + left,
            )
        if region is not None:
            return region
        return Region(0, 0, *self.size)

    @property
    def area(self) -> Region:
        """The part of the plane that is labeled, in its pixels."""
        return self.region or Region(0, 0, *self.size)

    def meets(self, other: PlaneSnapshot) -> bool:
        """Return whether another one means any of the pixels.

        Takes no room where neither is drawn, however large they are.

        Parameters
        ----------
        other : PlaneSnapshot
            Of the same plane, displayed in the same way.
        """
        own, theirs = self.area, other.area
        if not own.meets(theirs):
            return False
        shared = own.intersection(theirs)
        masks = [
            each.mask[shared.within(area)]
            for each, area in ((self, own), (other, theirs))
            if each.mask is not None
        ]
        return not masks or bool(np.logical_and.reduce(masks).any())

    def without(self, other: PlaneSnapshot) -> PlaneSnapshot | None:
        """Return what is left where another one's pixels are not meant.

        It has the same labels there: unless the region is an image of its
        own, its windows are those of the whole plane. Only a clean-up may
        take an object on its new border for a smaller one.

        Parameters
        ----------
        other : PlaneSnapshot
            Of the same plane, displayed in the same way.

        Returns
        -------
        PlaneSnapshot or None
            Itself if they share no pixel. None if nothing is left, or if
            that takes too large a mask to tell.
        """
        if not self.meets(other):
            return self
        own, theirs = self.area, other.area
        shared = own.intersection(theirs)
        if self.mask is None and other.mask is None:
            if shared == own:
                return None
            strip = None if self.is_cut else _find_strip(own, shared)
            if strip is not None:
                return dataclasses.replace(self, region=strip)
        if self.mask is not None:
            mask = self.mask.copy()
        elif math.prod(own.size) <= _MOST_LEFT:
            mask = np.ones(own.size, bool)
        else:
            return None
        lost = mask[shared.within(own)].copy()
        if other.mask is not None:
            lost &= other.mask[shared.within(theirs)]
        mask[shared.within(own)] &= ~lost
        if not mask.any():
            return None
        # Nothing to trim then, which takes long in a large plane.
        is_box_kept = all(
            a < b for a, b in zip(shared.size, own.size, strict=True)
        )
        if self.is_cut or is_box_kept:
            return dataclasses.replace(self, region=own, mask=mask)
        region, left = trim_region(own, mask)
        return dataclasses.replace(self, region=region, mask=left)

    def orient(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array (H, W) as displayed with the axes of the layer."""
        return labels.T if self.is_transposed else labels

    def adapt(self, settings: Settings) -> Settings:
        """Return settings for what ``read`` returns.

        Contrast limits and gamma are the snapshot's, and a reduction, which
        is in pixels of the layer's full size, becomes one in pixels of the
        level.
        """
        changes: dict[str, Any] = {
            'contrast_limits': self.contrast_limits,
            'gamma': self.gamma,
        }
        reduction = getattr(settings, 'reduction', None)
        if reduction is not None:
            factors = [
                factor
                for factor, i in zip(
                    self.downsample_factors, self.index, strict=True
                )
                if isinstance(i, slice)
            ]
            changes['reduction'] = reduction / float(np.prod(factors)) ** 0.5
        return dataclasses.replace(settings, **changes)

    def describe(self) -> dict[str, Any]:
        """Return how the picture was made, as plain data for the recipe.

        Call it after ``read``: limits that depend on the data are known then.
        """
        region = self.region
        limits = [channel.find_limits() for channel in self.channels]
        return {
            'level': self.level,
            'downsample_factors': list(self.downsample_factors),
            'plane': list(self.plane_key),
            'region': None if region is None else dataclasses.astuple(region),
            'fits_region': self.is_cut,
            'limits': [
                list(each) for each in limits or [self.contrast_limits]
            ],
            'gamma': [each.gamma for each in self.channels] or [self.gamma],
            'colored': any(each.colors is not None for each in self.channels),
        }


def _find_strip(whole: Region, gone: Region) -> Region | None:
    """Return what a rectangle leaves of one around it, if it is one, too."""
    top, left, bottom, right = whole.top, whole.left, whole.bottom, whole.right
    if (gone.left, gone.right) == (left, right):
        if gone.top == top:
            return Region(gone.bottom, left, bottom, right)
        if gone.bottom == bottom:
            return Region(top, left, gone.top, right)
    elif (gone.top, gone.bottom) == (top, bottom):
        if gone.left == left:
            return Region(top, gone.right, bottom, right)
        if gone.right == right:
            return Region(top, left, bottom, gone.left)
    return None
