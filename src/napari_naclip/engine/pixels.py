"""Any image array to the picture that the model looks at.

``to_rgb`` maps values to red, green and blue as napari displays them, and
``Mapping`` does so part by part; ``iter_limits`` finds what an image is to be
mapped with, and whether there is anything to see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_naclip.engine.errors import BlankImageError, InputError
from napari_naclip.engine.resize import resize
from napari_naclip.engine.source import Source
from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

__all__ = [
    'Mapping',
    'iter_limits',
    'normalize',
    'percentile_range',
    'resize',
    'to_rgb',
    'value_range',
]


@dataclass(frozen=True, slots=True)
class Mapping:
    """How values become red, green and blue, single channels grey.

    Values become ``clip((v - low) / (high - low), 0, 1) ** gamma``. An alpha
    channel is laid over black. NaN becomes black.

    Attributes
    ----------
    limits : (float, float)
        Values that become black and white.
    gamma : float
        Exponent.
    """

    limits: tuple[float, float]
    gamma: float = 1.0

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return a new (H, W, 3) float32 array, 0 to 255.

        Parameters
        ----------
        array : (H, W), (H, W, 3) or (H, W, 4) array
            Of any real dtype.
        """
        low, high = self.limits
        color = array[..., :3] if array.ndim == 3 else array[..., None]
        values: npt.NDArray[np.float32]
        if self.limits == (0.0, 255.0) and array.dtype == np.uint8:
            values = color.astype(np.float32)
        else:
            # Wider types may hold small differences of large numbers.
            is_narrow = array.dtype.itemsize <= 2 or array.dtype == np.float32
            shares: npt.NDArray[Any] = color.astype(
                np.float32 if is_narrow else np.float64
            )
            shares -= low
            shares /= high - low
            np.nan_to_num(shares, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
            np.clip(shares, 0, 1, out=shares)
            shares *= 255
            values = shares.astype(np.float32, copy=False)
        if self.gamma != 1:
            values = (255 * (values / 255) ** self.gamma).astype(np.float32)
        if array.ndim == 3 and array.shape[2] == 4:
            values = values * _opacity(array[..., 3:])
        if values.shape[2] == 1:
            values = np.repeat(values, 3, axis=2)
        return np.ascontiguousarray(values)


def to_rgb(
    image: npt.ArrayLike,
    *,
    contrast_limits: tuple[float, float] | None = None,
    gamma: float = 1.0,
) -> npt.NDArray[np.float32]:
    """Return an image as napari shows it, single channels in grey.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        Of any real dtype, at least 2 pixels.
    contrast_limits : (float, float), optional
        Values that become black and white. Default: 0 to 255 for uint8, 0 to
        1 for bool, else the range of the finite values.
    gamma : float
        Exponent; see ``Mapping``.

    Returns
    -------
    (H, W, 3) float32 array
        0 to 255.

    Raises
    ------
    InputError
        If the array has another shape or dtype, fewer than 2 pixels, no
        finite value, or only one value.
    """
    source = Source(image)
    limits = _run(iter_limits(source, contrast_limits))
    return Mapping(limits, gamma)(source.read(Region(0, 0, *source.size)))


def iter_limits(
    source: Source,
    limits: tuple[float, float] | None = None,
    first: Region | None = None,
) -> Generator[tuple[int, int], None, tuple[float, float]]:
    """Yield rows that were read and all of them; return contrast limits.

    Reads no more than shows that there is something to see, unless limits
    have to be found.

    Parameters
    ----------
    source : Source
    limits : (float, float), optional
        See ``to_rgb``.
    first : Region, optional
        Where to look before anywhere else.

    Raises
    ------
    InputError
        See ``to_rgb``.
    """
    source.check()
    if limits is None and source.dtype == np.uint8:
        limits = 0.0, 255.0
    if limits is None and source.dtype == np.bool_:
        limits = 0.0, 1.0
    return (yield from _survey(source, limits, first))


def value_range(image: npt.ArrayLike) -> tuple[float, float]:
    """Return the lowest and the highest finite value of an image.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        Of any real dtype; an alpha channel does not count.

    Raises
    ------
    InputError
        If the image cannot be used, or has only one finite value.
    """
    source = Source(image)
    source.check()
    return _run(_survey(source))


def _survey(
    source: Source,
    limits: tuple[float, float] | None = None,
    first: Region | None = None,
) -> Generator[tuple[int, int], None, tuple[float, float]]:
    """See ``iter_limits``; without limits, find the range of values."""
    whole = Region(0, 0, *source.size)
    is_finite = source.dtype.kind != 'f'
    varies = False
    low, high = math.inf, -math.inf
    pixel: npt.NDArray[Any] | None = None
    areas = [whole] if first is None or limits is None else [first, whole]
    for area in areas:
        for part in source.parts(area):
            values = source.read(part)
            if pixel is None:
                pixel = values[0, 0].copy()
            varies = varies or bool((values != pixel).any())
            is_finite = is_finite or bool(np.isfinite(values).any())
            if limits is not None:
                if varies and is_finite:
                    return limits
            else:
                finite = _finite_values(values)
                if finite.size:
                    low = min(low, float(finite.min()))
                    high = max(high, float(finite.max()))
            if area is whole:
                yield part.bottom, whole.bottom
    if not is_finite or (varies and limits is None and low > high):
        raise BlankImageError(
            'The image holds no finite value, only NaN or infinity. Check '
            'how it was read.'
        )
    if not varies:
        value = None if pixel is None else pixel.tolist()
        raise BlankImageError(
            f'The image is constant: all its pixels have the value {value}, '
            'so that there is nothing to tell apart. Choose another.'
        )
    return _check_limits(low, high)


def _run(
    steps: Generator[tuple[int, int], None, tuple[float, float]],
) -> tuple[float, float]:
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        limits: tuple[float, float] = stop.value
        return limits


def percentile_range(
    image: npt.ArrayLike, low: float = 0.5, high: float = 99.5
) -> tuple[float, float]:
    """Return two percentiles of the finite values of an image.

    Where they are equal (more than the share between them has one value),
    the range of all values is returned.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        Of any real dtype; an alpha channel does not count.
    low, high : float
        0 to 100, the lower one first.

    Raises
    ------
    InputError
        If the image cannot be used, or has only one finite value, or the
        percentiles are no such numbers.
    """
    if not 0 <= low < high <= 100:
        raise InputError(
            f'The percentiles are {low} and {high}; they need two numbers '
            'from 0 to 100, the lower one first.'
        )
    source = Source(image)
    _run(iter_limits(source, (0.0, 1.0)))
    values = _finite_values(source.read(Region(0, 0, *source.size)))
    if values.dtype == np.float16 or values.dtype == np.bool_:
        # Their own arithmetic overflows, or is none.
        values = values.astype(np.float32)
    limits = np.percentile(values, (low, high))
    if limits[0] < limits[1]:
        return float(limits[0]), float(limits[1])
    return _check_limits(float(values.min()), float(values.max()))


def _finite_values(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    color = array[..., :3] if array.ndim == 3 else array
    return color[np.isfinite(color)] if color.dtype.kind == 'f' else color


def _check_limits(low: float, high: float) -> tuple[float, float]:
    if low == high:
        # One finite value among NaN and infinity, or beside an alpha.
        raise BlankImageError(
            f'Every finite value of the image is {low:g}, so that there is '
            'nothing to tell apart. Choose another, or set contrast limits.'
        )
    return low, high


def _opacity(alpha: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in 'ui' else 1
    shares = np.nan_to_num(alpha.astype(np.float32) / np.float32(full))
    opacity: npt.NDArray[np.float32] = np.clip(shares, 0, 1)
    return opacity


def normalize(
    picture: npt.NDArray[np.uint8],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> torch.Tensor:
    """Return the (3, H, W) float32 tensor that the image tower takes.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
    mean, std : tuple of float
        Of the channels, for values from 0 to 1.
    """
    tensor = torch.from_numpy(picture).permute(2, 0, 1).float()
    # The published code gives both on the scale of 0 to 255 with three
    # decimals; rounding makes them the same numbers.
    mean_255, std_255 = (
        torch.tensor([round(value * 255, 3) for value in each])[:, None, None]
        for each in (mean, std)
    )
    return (tensor - mean_255) / std_255
