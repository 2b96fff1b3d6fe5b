"""How the values of image layers become the picture that the model sees.

The limits and channels that a person chose are a ``Picture``; a ``Channel`` is
what the picture takes from one layer. Limits that depend on the data are
found once for a run, in the worker, over everything that the run reads: one
mapping for all of its windows, regions and planes.
"""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from napari.layers import Image

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.source import Source
from napari_naclip.engine.types import Region
from napari_naclip.layers.maps import is_map
from napari_naclip.layers.plane import LazyPlane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from napari.components import ViewerModel

    Index = tuple[int | slice, ...]

Limits = Literal['displayed', 'range', 'percentiles']
Channels = Literal['grey', 'colormap', 'composite']

#: The percentiles that become black and white.
PERCENTILES: Final = (0.5, 99.5)
#: Limits of a picture that is composed already.
COMPOSED: Final = (0.0, 255.0)
#: Values of a run beyond which percentiles are those of a regular sample.
_SAMPLE_SIZE = 4_000_000
#: Pixels that are composed at a time, so that little memory is used.
_BAND_PIXELS = 1_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """How a person wants the values of an image to be seen.

    Attributes
    ----------
    limits : {'displayed', 'range', 'percentiles'}
        What becomes black and white: the layer's contrast limits, together
        with its gamma; the least and largest value that the run reads; the
        0.5th and 99.5th percentile of those (of a regular sample, if they
        are more than four million). The last two leave gamma out.
    channels : {'grey', 'colormap', 'composite'}
        Of a layer that is not RGB: in grey, with its colormap, or added to
        all visible layers that lie on it.
    """

    limits: Limits = 'displayed'
    channels: Channels = 'grey'


@dataclass(slots=True, eq=False)
class RunLimits:
    """Limits of one layer, found when they are first asked for.

    Parameters
    ----------
    data : array-like
    indices : sequence of tuple
        What the run reads of it; each is looked at on its own.
    kind : {'range', 'percentiles'}
    """

    data: Any = field(repr=False)
    indices: Sequence[Index]
    kind: Limits
    _found: tuple[float, float] | None = None
    _doubt: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def find(self) -> tuple[float, float]:
        """Return the limits; reads the data the first time.

        Raises
        ------
        InputError
            If there is no finite value.
        """
        with self._lock:
            for _ in self.search():
                pass
            if self._found is None:
                raise RuntimeError('a search ended without limits')
            return self._found

    def forget(self, doubt: int) -> None:
        """Forget what was found before a doubt; see ``PlaneSnapshot``."""
        with self._lock:
            if self._doubt < doubt:
                self._doubt, self._found = doubt, None

    def search(self) -> Iterator[None]:
        """Find the limits, if nobody has; yield while the data are read.

        Raises
        ------
        InputError
            If there is no finite value.
        """
        if self._found is not None:
            return
        share = max(1, _SAMPLE_SIZE // len(self.indices))
        found: list[npt.NDArray[Any]] = []
        for index in self.indices:
            source = Source(LazyPlane(self.data, index))
            step = -(-math.prod(source.shape) // share)
            start = 0
            for part in source.parts(Region(0, 0, *source.size)):
                values = source.read(part).ravel()
                size = values.size
                if self.kind == 'percentiles':
                    # A copy, so that what was read is not kept.
                    values = values[start::step].copy()
                    start = (start - size) % step
                if values.dtype.kind == 'f':
                    values = values[np.isfinite(values)]
                if self.kind == 'range' and values.size:
                    values = np.array([values.min(), values.max()])
                found.append(values)
                yield
        values = np.concatenate(found)
        if not values.size:
            raise InputError(
                'The image holds no finite value, only NaN or infinity. '
                'Check how it was read.'
            )
        if self.kind == 'range':
            self._found = float(values.min()), float(values.max())
            return
        low, high = np.percentile(values.astype(np.float64), PERCENTILES)
        self._found = float(low), float(high)


@dataclass(frozen=True, slots=True)
class Channel:
    """What a picture takes from one layer.

    Attributes
    ----------
    data : array-like
        Of the level that is read.
    limits : (float, float) or RunLimits
    gamma : float
    colors : (256, 3) float32 array or None
        Colors, 0 to 255, of the values from black to white; None: grey.
    nan_color : (3,) float32 array
    """

    data: Any = field(repr=False)
    limits: tuple[float, float] | RunLimits
    gamma: float
    colors: npt.NDArray[np.float32] | None = field(repr=False)
    nan_color: npt.NDArray[np.float32] = field(repr=False)

    def find_limits(self) -> tuple[float, float]:
        """Return the values that become black and white."""
        if isinstance(self.limits, RunLimits):
            return self.limits.find()
        return self.limits

    def iter_limits(self) -> Iterator[None]:
        """Yield while limits that depend on the data are looked for."""
        if isinstance(self.limits, RunLimits):
            yield from self.limits.search()

    def doubt_limits(self, doubt: int) -> None:
        """Let limits that depend on the data be found anew."""
        if isinstance(self.limits, RunLimits):
            self.limits.forget(doubt)


def composite_layers(
    image: Image, viewer: ViewerModel
) -> tuple[list[Image], list[str]]:
    """Return the layers of a composite, and the names of those left out.

    Parameters
    ----------
    image : napari.layers.Image
        In it even when it is hidden.
    viewer : napari.components.ViewerModel

    Returns
    -------
    together : list of napari.layers.Image
        `image` and all visible single-channel images of the same shape at the
        same place in the world, in the order of the layer list.
    left_out : list of str
        Names of the other visible images.
    """
    together, left_out = [], []
    for layer in viewer.layers:
        if not isinstance(layer, Image) or is_map(layer):
            continue
        if layer == image or (layer.visible and _fits(layer, image)):
            together.append(layer)
        elif layer.visible:
            left_out.append(layer.name)
    return together, left_out


def _fits(layer: Image, image: Image) -> bool:
    return (
        not layer.rgb
        and layer.ndim == image.ndim
        and layer.multiscale == image.multiscale
        and np.array_equal(layer.level_shapes, image.level_shapes)
        and tuple(layer.units) == tuple(image.units)
        and np.allclose(_placement(layer), _placement(image), rtol=1e-6)
    )


def _placement(layer: Image) -> npt.NDArray[np.float64]:
    """Return where the corners of a layer's axes are in the world."""
    far = np.diag(np.asarray(layer.level_shapes[0], dtype=float))
    points = [np.zeros(layer.ndim), *far]
    return np.array([layer.data_to_world(point) for point in points])


def make_channel(
    layer: Image,
    data: Any,
    picture: Picture,
    indices: Sequence[Index],
) -> Channel:
    """Return what a picture takes from a layer; copies no pixel.

    Parameters
    ----------
    layer : napari.layers.Image
    data : array-like
        Of the level that is read.
    picture : Picture
    indices : sequence of tuple
        Everything that the run reads of `data`.
    """
    limits: tuple[float, float] | RunLimits
    if picture.limits == 'displayed':
        low, high = layer.contrast_limits
        limits, gamma = (float(low), float(high)), float(layer.gamma)
    else:
        limits, gamma = RunLimits(data, indices, picture.limits), 1.0
    opacity = layer.opacity if picture.channels == 'composite' else 1.0
    colors = None
    if picture.channels != 'grey' and not layer.rgb:
        colors = _over_black(
            layer.colormap.map(np.linspace(0, 1, 256)), opacity
        )
    nan_color = getattr(layer.colormap, 'nan_color', np.zeros(4))
    return Channel(
        data=data,
        limits=limits,
        gamma=gamma,
        colors=colors,
        nan_color=_over_black(np.asarray(nan_color, float)[None], opacity)[0],
    )


def _over_black(
    rgba: npt.NDArray[Any], opacity: float
) -> npt.NDArray[np.float32]:
    colors: npt.NDArray[np.float32] = (
        255 * opacity * rgba[:, :3] * rgba[:, 3:]
    ).astype(np.float32)
    return colors


def compose(
    channels: Sequence[Channel], index: Index, is_transposed: bool
) -> LazyPlane:
    """Return the picture of channels, to be seen with ``COMPOSED`` limits.

    Parameters
    ----------
    channels : sequence of Channel
        Added to each other, as napari's additive blending does.
    index : tuple
        The plane, or its part, that is read of each.
    is_transposed : bool
        Whether the picture has its axes exchanged.

    Returns
    -------
    (rows, columns) float32 or (rows, columns, 3) uint8 LazyPlane
        0 to 255; the former for one channel in grey, (rows, columns, 3 or 4)
        float32 for one that is RGB.
    """
    first = channels[0]
    if len(channels) == 1 and first.colors is None:
        return LazyPlane(
            first.data,
            index,
            is_transposed=is_transposed,
            read=functools.partial(_map_values, first),
            dtype=np.float32,
        )
    return LazyPlane(
        first.data,
        index,
        is_transposed=is_transposed,
        read=functools.partial(_add_colors, channels),
        colors=(3,),
        dtype=np.uint8,
    )


def _add_colors(
    channels: Sequence[Channel], index: Index
) -> npt.NDArray[np.uint8]:
    planes = [np.asarray(channel.data[index]) for channel in channels]
    limits = [channel.find_limits() for channel in channels]
    picture = np.empty((*planes[0].shape, 3), np.uint8)
    for band in _bands(planes[0].shape):
        total = np.zeros((*planes[0][band].shape, 3), np.float32)
        for channel, plane, limit in zip(
            channels, planes, limits, strict=True
        ):
            total += _color_values(channel, plane[band], limit)
        np.clip(total, 0, 255, out=total)
        picture[band] = np.rint(total)
    return picture


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    step = max(1, _BAND_PIXELS // max(1, shape[1]))
    for start in range(0, shape[0], step):
        yield slice(start, start + step)


def _map_values(channel: Channel, index: Index) -> npt.NDArray[np.float32]:
    """Return grey or RGB values from 0 to 255; opacity (RGBA) likewise."""
    plane = np.asarray(channel.data[index])
    limits = channel.find_limits()
    mapped = np.empty(plane.shape, np.float32)
    for band in _bands(plane.shape):
        values = plane[band]
        mapped[band] = 255 * _shares(values, limits, channel.gamma)
        if values.ndim == 3 and values.shape[2] == 4:
            alpha = values[..., 3]
            full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in 'ui' else 1
            mapped[band][..., 3] = alpha.astype(np.float32) / full
    return mapped


def _color_values(
    channel: Channel, values: npt.NDArray[Any], limits: tuple[float, float]
) -> npt.NDArray[np.float32]:
    shares = _shares(values, limits, channel.gamma)
    if channel.colors is None:
        return np.repeat(255 * shares[..., None], 3, axis=-1)
    colors = channel.colors[np.rint(255 * shares).astype(np.uint8)]
    if values.dtype.kind == 'f':
        colors[np.isnan(values)] = channel.nan_color
    return colors


def _shares(
    values: npt.NDArray[Any], limits: tuple[float, float], gamma: float
) -> npt.NDArray[np.float32]:
    """Return values as shares, 0 to 1, of the way from black to white."""
    low, high = limits
    shares = values.astype(np.float64)
    shares -= low
    if high > low:
        shares /= high - low
    np.nan_to_num(shares, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(shares, 0, 1, out=shares)
    if gamma != 1:
        shares **= gamma
    return shares.astype(np.float32)
