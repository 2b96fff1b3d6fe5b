"""Image files to arrays, as napari's own reader shows them.

One flat picture a file: grey or color. Stacks are refused in words, because
which plane is meant is not this module's to guess.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.errors import (
    InputError,
    NaclipError,
    OutOfMemoryError,
    StorageError,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    import tifffile

#: Suffixes of the files that tifffile reads.
TIFF_SUFFIXES: Final = frozenset({'.tif', '.tiff'})


def read_image(path: str | Path) -> npt.NDArray[Any]:
    """Return the picture in a file.

    The camera's orientation tag (EXIF) is not applied, because napari's own
    reader does not apply it either: labels lie on the picture as napari shows
    it, and the command line and the widget see the same pixels.

    Parameters
    ----------
    path : str or Path
        TIFF is read by tifffile, everything else by imageio.

    Returns
    -------
    (H, W), (H, W, 3) or (H, W, 4) array
        As stored, of any dtype; CMYK and grey with opacity become color.

    Raises
    ------
    InputError
        If the file is empty, cut, no image, or more than one flat picture.
    StorageError
        If it is not there or may not be read.
    OutOfMemoryError
        If it does not fit into memory.
    """
    path = Path(path)
    check_image_file(path)
    is_tiff = path.suffix.lower() in TIFF_SUFFIXES
    try:
        array = _read_tiff(path) if is_tiff else _read_other(path)
    except NaclipError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(
            f'{path} does not fit into memory. Crop it or make it smaller, '
            'or close other programs.'
        ) from error
    except Exception as error:
        # Decoders raise anything.
        raise _unreadable(path, error) from error
    if array.size == 0:
        raise InputError(
            f'{path} holds an image of no pixels. Choose another.'
        )
    _check_shape(path, array.shape)
    return array


def check_image_file(path: Path) -> None:
    """Raise an error if a file is not there, is empty or may not be read."""
    try:
        if not path.exists():
            raise StorageError(f'There is no file {path}. Check the name.')
        if path.is_dir():
            raise StorageError(
                f'{path} is a folder. Name the images in it, for example '
                f'{path / "*.png"}.'
            )
        with path.open('rb') as file:
            is_empty = not file.read(1)
    except PermissionError as error:
        raise StorageError(
            f'{path} may not be read by this user. Change its rights, or '
            'copy it.'
        ) from error
    except OSError as error:
        raise StorageError(
            f'{path} cannot be read: {error.strerror or error}. Check the '
            'disk and the name.'
        ) from error
    if is_empty:
        raise InputError(f'{path} is empty. Copy or save it again.')


def _read_tiff(path: Path) -> npt.NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        series = _only_series(path, tiff)
        shape, axes = series.shape, series.axes
        # Planes of red, green, blue: one color picture, stored apart.
        is_planar = axes == 'SYX'
        _check_shape(path, (*shape[1:], shape[0]) if is_planar else shape)
        photometric = getattr(series.keyframe.photometric, 'name', '')
        if photometric == 'SEPARATED':
            raise InputError(
                f'{path} holds inks (CMYK), not red, green and blue. Convert '
                'it to RGB first.'
            )
        try:
            array = np.asarray(series.asarray())
        except ValueError as error:
            if 'imagecodecs' not in str(error):
                raise
            return _read_packed_tiff(path)
    return np.moveaxis(array, 0, -1) if is_planar else array


def _only_series(
    path: Path, tiff: tifffile.TiffFile
) -> tifffile.TiffPageSeries:
    # Smaller copies and masks of the same picture are no pictures of their
    # own; slide scanners mark theirs in ways that tifffile knows.
    found = [
        series
        for series in tiff.series
        if not (series.keyframe.is_reduced or series.keyframe.is_mask)
    ]
    if not found:
        raise InputError(f'{path} is cut or damaged: it holds no image.')
    if len(found) > 1 and not tiff.is_svs:
        raise InputError(
            f'{path} holds {len(found)} different pictures, of the shapes '
            f'{", ".join(str(series.shape) for series in found[:4])}. Save '
            'the one that is meant as a file of its own.'
        )
    return found[0]


def _read_packed_tiff(path: Path) -> npt.NDArray[Any]:
    # tifffile needs a further package for LZW and JPEG; Pillow has them.
    try:
        return _read_other(path, plugin='pillow')
    except (OSError, ValueError) as error:
        raise InputError(
            f'{path} is compressed in a way that cannot be read here. '
            'Install the package imagecodecs, or save it without '
            'compression.'
        ) from error


def _read_other(path: Path, plugin: str | None = None) -> npt.NDArray[Any]:
    import imageio.v3 as iio
    from PIL import Image

    with warnings.catch_warnings():
        # A person who names a large picture wants it.
        warnings.simplefilter('ignore', Image.DecompressionBombWarning)
        # The content and not the name: imageio leaves files open that it
        # cannot read, and takes some names for addresses or cameras.
        content = path.read_bytes()
        options: dict[str, Any] = {'extension': path.suffix}
        if plugin is not None:
            options = {'plugin': plugin}
        array = np.asarray(iio.imread(content, **options))
        if _is_cmyk_jpeg(path, array):
            array = np.asarray(iio.imread(content, mode='RGB', **options))
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[2] == 2:
        array = array[..., [0, 0, 0, 1]]
    return array


def _is_cmyk_jpeg(path: Path, array: npt.NDArray[Any]) -> bool:
    # JPEG has no opacity, so a fourth channel is ink.
    is_jpeg = path.suffix.lower() in {'.jpg', '.jpeg'}
    return is_jpeg and array.ndim == 3 and array.shape[2] == 4


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4)):
        return
    raise InputError(
        f'{path} has the shape {tuple(shape)}; one grey picture (rows, '
        'columns) or color picture (rows, columns, 3 or 4) is needed. Save '
        'the plane or channel that is meant as a file of its own.'
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return InputError(
            f'{path} has more pixels than its reader accepts. Save it as '
            'TIFF, or crop it.'
        )
    return InputError(
        f'{path} cannot be read: it is cut, damaged or no image of a known '
        'kind. Open it in another program and save it as PNG or TIFF.'
    )
