"""Any image array to the picture that the model looks at.

``to_rgb`` maps values to red, green and blue as napari displays them;
``resize`` makes the size at which the windows slide.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from napari_naclip.engine.errors import BlankImageError, InputError
from napari_naclip.engine.resample import bilinear_taps

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.engine.types import Resampling

#: Reduction beyond which bilinear resizing skips source pixels.
MAX_BILINEAR_REDUCTION = 2.0


def to_rgb(
    image: npt.ArrayLike,
    *,
    contrast_limits: tuple[float, float] | None = None,
    gamma: float = 1.0,
) -> npt.NDArray[np.float32]:
    """Return an image as napari shows it, single channels in grey.

    Values become ``clip((v - low) / (high - low), 0, 1) ** gamma``. An alpha
    channel is laid over black. NaN becomes black.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        Of any real dtype, at least 2 pixels.
    contrast_limits : (float, float), optional
        Values that become black and white. Default: 0 to 255 for uint8, 0 to
        1 for bool, else the range of the finite values.
    gamma : float
        Exponent.

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
    array = np.asarray(image)
    _check_image(array)
    limits = contrast_limits or _default_limits(array)
    low, high = limits
    color = array[..., :3] if array.ndim == 3 else array[..., None]
    values: npt.NDArray[np.float32]
    if limits == (0.0, 255.0) and array.dtype == np.uint8:
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
        values = (np.clip(shares, 0, 1) * 255).astype(np.float32)
    if gamma != 1:
        values = (255 * (values / 255) ** gamma).astype(np.float32)
    if array.ndim == 3 and array.shape[2] == 4:
        values = values * _opacity(array[..., 3:])
    if values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    return np.ascontiguousarray(values)


def _check_image(array: npt.NDArray[np.generic]) -> None:
    if array.ndim not in (2, 3) or (
        array.ndim == 3 and array.shape[2] not in (3, 4)
    ):
        raise InputError(
            f'The image has the shape {array.shape}; a grey image (rows, '
            'columns) or a color image (rows, columns, 3 or 4) is needed. '
            'Choose one plane or channel.'
        )
    if array.shape[0] * array.shape[1] < 2:
        raise InputError(
            f'The image has {array.shape[0]} x {array.shape[1]} pixels; '
            'there is nothing to tell apart. Choose a larger one.'
        )
    if array.dtype.kind not in 'buif':
        raise InputError(
            f'The image has the dtype {array.dtype}; real numbers are '
            'needed. Convert it first, for example to its magnitude.'
        )
    if array.dtype.kind == 'f' and not np.isfinite(array).any():
        raise BlankImageError(
            'The image holds no finite value, only NaN or infinity. Check '
            'how it was read.'
        )
    if (array == array[0, 0]).all():
        raise BlankImageError(
            'The image is constant: all its pixels have the value '
            f'{array[0, 0].tolist()}, so that there is nothing to tell '
            'apart. Choose another.'
        )


def _default_limits(
    array: npt.NDArray[np.generic],
) -> tuple[float, float]:
    if array.dtype == np.uint8:
        return 0.0, 255.0
    if array.dtype == np.bool_:
        return 0.0, 1.0
    return value_range(array)


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
    values = _finite_values(image)
    return _check_limits(float(values.min()), float(values.max()))


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
    values = _finite_values(image)
    if values.dtype == np.float16 or values.dtype == np.bool_:
        # Their own arithmetic overflows, or is none.
        values = values.astype(np.float32)
    limits = np.percentile(values, (low, high))
    if limits[0] < limits[1]:
        return float(limits[0]), float(limits[1])
    return _check_limits(float(values.min()), float(values.max()))


def _finite_values(image: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(image)
    _check_image(array)
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


def resize(
    picture: npt.NDArray[np.float32],
    size: tuple[int, int],
    resampling: Resampling,
) -> npt.NDArray[np.uint8]:
    """Return a picture resized and rounded to 8 bits.

    Parameters
    ----------
    picture : (H, W, 3) float32 array
        0 to 255.
    size : (int, int)
        Rows and columns of the result.
    resampling : {'auto', 'published'}
        Bilinear without antialiasing; ``'auto'`` averages by area along with
        a reduction by more than 2.

    Returns
    -------
    (size[0], size[1], 3) uint8 array
    """
    if picture.shape[:2] != tuple(size):
        if uses_area_average(picture.shape[:2], size, resampling):
            tensor = torch.from_numpy(picture).permute(2, 0, 1)
            tensor = adaptive_avg_pool2d(tensor, size)
            picture = tensor.permute(1, 2, 0).contiguous().numpy()
        else:
            picture = _resize_bilinear(picture, size)
    rounded = np.clip(picture + np.float32(0.5), 0, 255)
    seen: npt.NDArray[np.uint8] = rounded.astype(np.uint8)
    return seen


def _resize_bilinear(
    picture: npt.NDArray[np.float32], size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return a picture resized as by torch's ``interpolate``.

    Not by it: there the last bit depends on the number of threads, and where
    a value lies between two gray levels, so would the picture. The same
    labels must come from a window that is left a core and from a script.
    """
    for axis, length in enumerate(size):
        taps = bilinear_taps(picture.shape[axis], length, 0, length)
        shares = taps.fraction.astype(np.float32)
        shares = shares.reshape([-1 if axis == i else 1 for i in range(3)])
        lower = picture.take(taps.lower, axis)
        lower *= 1 - shares
        upper = picture.take(taps.upper, axis)
        upper *= shares
        lower += upper
        picture = lower
    return picture


def uses_area_average(
    source: tuple[int, ...], target: tuple[int, int], resampling: Resampling
) -> bool:
    """Return whether ``resize`` averages by area between these sizes."""
    reduction = max(
        math.inf if not new else old / new
        for old, new in zip(source, target, strict=True)
    )
    return resampling == 'auto' and reduction > MAX_BILINEAR_REDUCTION


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
