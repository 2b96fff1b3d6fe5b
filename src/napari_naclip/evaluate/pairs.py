"""Images and the label files that belong to them, in any two folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_naclip.engine.errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Suffixes of pictures, the usual one of data sets first.
IMAGE_SUFFIXES: Final = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp')
#: Suffixes of files that hold a label value for each pixel.
LABEL_SUFFIXES: Final = ('.png', '.tif', '.tiff')


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its true labels.

    Attributes
    ----------
    name : str
        Unlike that of any other pair; fit for a file's name.
    image, labels : Path
    """

    name: str
    image: Path
    labels: Path


@dataclass(frozen=True, slots=True)
class FoundPairs:
    """What two folders hold.

    Attributes
    ----------
    pairs : tuple of Pair
        By name.
    unmatched : int
        Files of either folder that have no partner in the other.
    """

    pairs: tuple[Pair, ...]
    unmatched: int


def pair_folders(images: Path, labels: Path) -> FoundPairs:
    """Return the images and label files that have the same name.

    Parameters
    ----------
    images, labels : Path
        Folders; suffixes do not count, nor do the folders in them.

    Raises
    ------
    InputError
        If no two files belong together, or one image could have several.
    StorageError
        If either is no folder that can be read.
    """
    pictures = _by_stem(images, IMAGE_SUFFIXES)
    truths = _by_stem(labels, LABEL_SUFFIXES)
    shared = sorted(pictures.keys() & truths.keys())
    if not shared:
        raise InputError(
            f'No image in {images} ({len(pictures)} found) has the name of a '
            f'label file in {labels} ({len(truths)} found). Give both the '
            'same names, such as 7.jpg and 7.png.'
        )
    return FoundPairs(
        tuple(Pair(name, pictures[name], truths[name]) for name in shared),
        len(pictures) + len(truths) - 2 * len(shared),
    )


def list_files(folder: Path, pattern: str = '*') -> list[Path]:
    """Return the visible files in a folder, by name.

    Parameters
    ----------
    folder : Path
    pattern : str
        As in ``Path.glob``.

    Raises
    ------
    StorageError
        If it is no folder that can be read.
    """
    if not folder.is_dir():
        raise StorageError(f'There is no folder {folder}. Check the name.')
    try:
        # Listed itself, because glob is silent where it may not look.
        next(folder.iterdir(), None)
        return sorted(
            path
            for path in folder.glob(pattern)
            if path.is_file() and not path.name.startswith('.')
        )
    except OSError as error:
        raise StorageError(
            f'The folder {folder} cannot be read: '
            f'{error.strerror or error}. Check its rights and the disk.'
        ) from error


def _by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_files(folder):
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise InputError(
                f'{found[path.stem]} and {path} have one name, so that it is '
                'not known which of them is meant. Remove or rename one.'
            )
        found[path.stem] = path
    return found
