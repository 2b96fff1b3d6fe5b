"""True labels: which stored value is which class, and which none."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.classes import MAX_VALUE
from napari_naclip.engine.errors import InputError
from napari_naclip.io.images import (
    TIFF_SUFFIXES,
    check_image_file,
    read_image,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_naclip.engine.types import ClassList

#: Row of pixels that do not count.
IGNORED: Final = -1
_UNKNOWN: Final = -2


@dataclass(frozen=True, slots=True)
class ValueRule:
    """What the values in label files stand for.

    Attributes
    ----------
    rows : mapping of int to int
        Row of the class list, from 0, of each value.
    ignored : frozenset of int
        Values of pixels that do not count.

    Raises
    ------
    InputError
        If an ignored value is none that a label can have.
    """

    rows: Mapping[int, int]
    ignored: frozenset[int]

    def __post_init__(self) -> None:
        # A negative place of the table would be that of unknown values.
        for value in sorted(self.ignored):
            if not 0 <= value <= MAX_VALUE:
                raise InputError(
                    f'The value {value} cannot be ignored: label values go '
                    f'from 0 to {MAX_VALUE}. Choose another with --ignore.'
                )

    @classmethod
    def in_order(
        cls, count: int, first: int, ignored: Collection[int]
    ) -> ValueRule:
        """Return the rule of values that stand in the order of the classes.

        Parameters
        ----------
        count : int
            Number of rows of the class list.
        first : int
            Value of the first one; lower ones are ignored.
        ignored : collection of int
            Other values that are ignored.
        """
        rows = {first + row: row for row in range(count)}
        return cls(rows, frozenset({*range(first), *ignored}))

    @classmethod
    def of_classes(
        cls,
        classes: ClassList,
        ignored: Collection[int],
        *,
        is_from_zero: bool = False,
    ) -> ValueRule:
        """Return the rule of files with the label values of a class list.

        Parameters
        ----------
        classes : ClassList
            Without a background row, 0 is ignored: such pixels have no label.
        ignored : collection of int
            Other values that are ignored.
        is_from_zero : bool
            Whether the files count the first class as 0, not as 1.

        Raises
        ------
        InputError
            If a value is that of a class and ignored, or there is a
            background row and the first class should be 0.
        """
        shift = int(is_from_zero)
        if shift and classes.background is not None:
            raise InputError(
                'The value 0 is the background of this list, so that the '
                'first class cannot have it, too. Leave out --from-zero.'
            )
        rows = {
            each.value - shift: row for row, each in enumerate(classes.rows)
        }
        taken = sorted(rows.keys() & set(ignored))
        if taken:
            name = classes.rows[rows[taken[0]]].name
            raise InputError(
                f'The value {taken[0]} is that of the class {name!r} and '
                'cannot be ignored. Choose another with --ignore.'
            )
        unlabeled = () if 0 in rows else (0,)
        return cls(rows, frozenset({*ignored, *unlabeled}))

    def apply(
        self, labels: npt.NDArray[np.integer[Any]], path: Path
    ) -> npt.NDArray[np.int32]:
        """Return the row of each pixel, or ``IGNORED``.

        Parameters
        ----------
        labels : (H, W) integer array
            Stored values.
        path : Path
            Where they are from, for the error.

        Raises
        ------
        InputError
            If a value is neither that of a class nor ignored.
        """
        size = max((*self.rows, *self.ignored)) + 2
        table = np.full(size, _UNKNOWN, np.int32)
        table[list(self.ignored)] = IGNORED
        table[list(self.rows)] = list(self.rows.values())
        # The last place is nobody's; negative values are sent there, too.
        places = np.minimum(labels.astype(np.int64), size - 1)
        places[places < 0] = size - 1
        found: npt.NDArray[np.int32] = table[places]
        is_unknown = found == _UNKNOWN
        if is_unknown.any():
            values = np.unique(labels[is_unknown])[:5]
            known = sorted(self.rows)
            raise InputError(
                f'{path} holds the value {", ".join(map(str, values))}, '
                f'which no class has ({known[0]} to {known[-1]}) and which '
                'is not ignored. Check that the labels belong to these '
                'classes; --ignore names values that do not count.'
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain data."""
        return {
            'rows': sorted(map(list, self.rows.items())),
            'ignored': sorted(self.ignored),
        }


def read_labels(path: Path) -> npt.NDArray[np.integer[Any]]:
    """Return the values in a label file, not the colors of its palette.

    Parameters
    ----------
    path : Path

    Returns
    -------
    (H, W) integer array

    Raises
    ------
    NaclipError
        If it is missing, cut, or holds colors.
    """
    check_image_file(path)
    if path.suffix.lower() in TIFF_SUFFIXES:
        array = read_image(path)
    else:
        array = _read_picture(path)
    if array.ndim != 2 or array.dtype.kind not in 'bui':
        raise InputError(
            f'{path} holds colors or fractions, not one whole number a '
            'pixel. Convert it to label values.'
        )
    return array.astype(np.uint8) if array.dtype.kind == 'b' else array


def _read_picture(path: Path) -> npt.NDArray[Any]:
    from PIL import Image

    # Not imageio, which gives the colors of a palette instead.
    try:
        with warnings.catch_warnings():
            # A person who names a large picture wants it.
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                array = np.asarray(picture)
        return array // _png_stretch(path) if array.ndim == 2 else array
    except Image.DecompressionBombError as error:
        raise InputError(
            f'{path} has more pixels than its reader accepts. Save it as '
            'TIFF, or crop it.'
        ) from error
    except Exception as error:
        # Decoders raise anything.
        raise InputError(
            f'{path} cannot be read: it is cut, damaged or no image. Unpack '
            'or copy it again.'
        ) from error


def _png_stretch(path: Path) -> int:
    """Return what the reader multiplies the grey values of a PNG by."""
    with path.open('rb') as file:
        head = file.read(26)
    if not head.startswith(b'\x89PNG\r\n\x1a\n'):
        return 1
    # Greys of 2 and 4 bits become 0 to 255; those of 1 bit become bool.
    depth, color_type = head[24:26]
    return 255 // (2**depth - 1) if color_type == 0 and depth in (2, 4) else 1
