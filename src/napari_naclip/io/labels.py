"""Results to files: labels as TIFF or palette PNG, with a recipe beside them.

Both are written together or not at all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.colors import class_color, hex_to_rgb
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.outputs import count_values, is_on_disk
from napari_naclip.io.atomic import write_atomically, write_together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_naclip.engine.types import ClassList, Segmentation

#: What label files end in.
LABEL_SUFFIXES: Final = ('.tif', '.tiff', '.png')
#: Values that a palette has room for.
PALETTE_SIZE: Final = 256
#: Rows and columns of the tiles of a TIFF that is written in parts.
_TILE: Final = (256, 256)
#: What the recipe file says it is.
RECIPE_FORMAT: Final = 'napari-naclip labels, version 1'


def check_suffix(path: Path) -> None:
    """Raise ``InputError`` if a label file's name ends in something else."""
    if path.suffix.lower() not in LABEL_SUFFIXES:
        raise InputError(
            f'{path} does not end in {", ".join(LABEL_SUFFIXES[:-1])} or '
            f'{LABEL_SUFFIXES[-1]}, the kinds of label files. Choose one; a '
            'folder is named with a separator at its end.'
        )


def check_palette(path: Path, classes: ClassList) -> None:
    """Raise ``InputError`` if a PNG has no room for the label values."""
    largest = max(row.value for row in classes.rows)
    if path.suffix.lower() == '.png' and largest >= PALETTE_SIZE:
        raise _too_many(path, largest)


def recipe_path(path: Path) -> Path:
    """Return where the recipe of a label file is: its name with ``.json``."""
    return path.with_suffix('.json')


def class_shares(segmentation: Segmentation) -> dict[str, float]:
    """Return the share of the pixels, 0 to 1, of each row by its name."""
    counts = _count_values(segmentation)
    return {
        row.name: counts[row.value] / segmentation.labels.size
        for row in segmentation.classes.rows
    }


def write_result(
    path: Path, segmentation: Segmentation, *, overwrite: bool = False
) -> None:
    """Write labels, and the recipe beside them.

    Parameters
    ----------
    path : Path
        Ends in ``.tif``, ``.tiff`` or ``.png``.
    segmentation : Segmentation
    overwrite : bool
        Whether files that are there may be replaced.

    Raises
    ------
    InputError
        If the suffix is another, or the values do not fit into a PNG.
    StorageError
        If either file cannot be written; then neither is.
    """
    check_suffix(path)
    with write_together(
        (recipe_path(path), path), overwrite=overwrite
    ) as files:
        recipe_file, label_file = files
        _dump_labels(
            label_file, path, segmentation.labels, segmentation.classes
        )
        _dump_recipe(recipe_file, segmentation)


def write_labels(
    path: Path,
    labels: npt.NDArray[np.unsignedinteger],
    classes: ClassList,
    *,
    overwrite: bool = False,
) -> None:
    """Write labels alone; see ``write_result``.

    Parameters
    ----------
    path : Path
    labels : (H, W) uint8 or uint16 array
    classes : ClassList
        Gives the colors of a PNG.
    overwrite : bool
    """
    check_suffix(path)
    with write_atomically(path, overwrite=overwrite) as temporary:
        _dump_labels(temporary, path, labels, classes)


def write_recipe(
    path: Path, segmentation: Segmentation, *, overwrite: bool = False
) -> None:
    """Write classes, colors, recipe and notices of a result as JSON."""
    with write_atomically(path, overwrite=overwrite) as temporary:
        _dump_recipe(temporary, segmentation)


def _dump_labels(
    file: Path,
    path: Path,
    labels: npt.NDArray[np.unsignedinteger],
    classes: ClassList,
) -> None:
    """Write labels to `file`; errors and the kind are about `path`."""
    if path.suffix.lower() == '.png':
        dump_png(file, path, labels, make_palette(classes))
    else:
        dump_tiff(file, labels)


def dump_tiff(file: Path, labels: npt.NDArray[np.integer]) -> None:
    """Write labels to a file that there is already; see ``write_together``."""
    import tifffile

    if is_on_disk(labels):
        # Some rows at a time: together they may not fit into memory.
        layout: dict[str, Any] = {
            'data': _iter_tiles(labels),
            'shape': labels.shape,
            'dtype': labels.dtype,
            'tile': _TILE,
        }
    else:
        layout = {'data': labels}
    tifffile.imwrite(
        file,
        **layout,
        compression='zlib',
        photometric='minisblack',
        software='napari-naclip',
        metadata=None,
    )


def _iter_tiles(labels: Any) -> Iterator[npt.NDArray[np.integer]]:
    """Yield the tiles of a TIFF, row by row, filled up with zeros."""
    height, width = _TILE
    for plane in np.ndindex(*labels.shape[:-2]):
        for top in range(0, labels.shape[-2], height):
            band = np.asarray(labels[(*plane, slice(top, top + height))])
            for left in range(0, labels.shape[-1], width):
                part = band[:, left : left + width]
                tile = np.zeros(_TILE, labels.dtype)
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile


def dump_png(
    file: Path,
    path: Path,
    labels: npt.NDArray[np.integer],
    palette: npt.NDArray[np.uint8],
) -> None:
    """Write (H, W) labels from 0 to 255 with a (256, 3) palette to a file.

    Errors are about `path`, which the file is going to be.
    """
    from PIL import Image

    # PNG has no way to write parts.
    labels = np.asarray(labels[:])
    largest = int(labels.max(initial=0))
    if largest >= PALETTE_SIZE:
        raise _too_many(path, largest)
    image = Image.fromarray(np.ascontiguousarray(labels, np.uint8), 'L')
    # All 256 entries: with fewer, Pillow packs several pixels into a byte.
    image.putpalette(palette.tobytes())
    image.save(file, format='PNG', optimize=False)


def make_palette(classes: ClassList) -> npt.NDArray[np.uint8]:
    """Return the colors of the label values 0 to 255, (256, 3).

    Values without a class have the color that a class would get there, and 0
    is black, as in the palettes of the usual data sets.
    """
    colors = ['#000000', *map(class_color, range(1, PALETTE_SIZE))]
    for row in classes.rows:
        if row.value < PALETTE_SIZE:
            colors[row.value] = row.color
    return np.array([hex_to_rgb(color) for color in colors], np.uint8)


def _too_many(path: Path, largest: int) -> InputError:
    return InputError(
        f'{path} cannot hold the label value {largest}: a PNG has room for '
        f'values up to {PALETTE_SIZE - 1}. Choose a TIFF.'
    )


def _count_values(segmentation: Segmentation) -> npt.NDArray[np.int64]:
    largest = max(row.value for row in segmentation.classes.rows)
    return count_values(segmentation.labels, largest + 1)


def _dump_recipe(file: Path, segmentation: Segmentation) -> None:
    counts = _count_values(segmentation)
    rows: list[dict[str, Any]] = [
        {**row, 'pixels': int(counts[row['value']])}
        for row in segmentation.classes.to_dict()
    ]
    content = {
        'format': RECIPE_FORMAT,
        'classes': rows,
        'notices': list(segmentation.notices),
        'recipe': segmentation.recipe,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + '\n', encoding='utf-8')
