"""Where the files of the paper's eight data sets are, and what they hold.

The folders are those of the data sets' own archives and of the usual
conversions to one label file an image. Label values that are stored in another
order than the class list's are translated (COCO-Stuff's own label maps,
Cityscapes' own ids), so that these need no conversion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.evaluate.pairs import IMAGE_SUFFIXES, Pair, list_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Value of pixels that no annotator decided.
UNDECIDED: Final = 255

#: Ids that COCO-Stuff's list of 182 leaves free, counted from 0 as its label
#: maps do.
_COCO_FREE = frozenset({11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90})
_COCO_STUFF_IDS = {
    stored: row
    for row, stored in enumerate(
        each for each in range(182) if each not in _COCO_FREE
    )
}
#: Cityscapes' ids of the 19 classes that are evaluated, in their order.
_CITYSCAPES_IDS = {
    stored: row
    for row, stored in enumerate(
        (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)
    )
}


@dataclass(frozen=True, slots=True)
class Storage:
    """One way in which the files of a data set are stored.

    Attributes
    ----------
    images, labels : str
        Folders below the data set's own.
    label_suffix : str
        What follows an image's name in that of its label file.
    image_suffix : str
        What follows it in the image's; empty: any suffix of a picture.
    listing : str
        File of the names that count; empty: all of the folder.
    values : mapping of int to int, or None
        Class of each stored value, from 0; None: see ``Layout.first``.
    """

    images: str
    labels: str
    label_suffix: str = '.png'
    image_suffix: str = ''
    listing: str = ''
    values: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """A data set.

    Attributes
    ----------
    folders : tuple of str
        What its own folder may be below the one that a person names.
    storages : tuple of Storage
        The first one that is there counts.
    sizes : tuple of int
        How many images the published figure may be over.
    first : int
        Stored value of the first class; lower ones are ignored.
    """

    folders: tuple[str, ...]
    storages: tuple[Storage, ...]
    sizes: tuple[int, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class FoundSet:
    """A data set on this machine.

    Attributes
    ----------
    pairs : tuple of Pair
    values : mapping of int to int, or None
        Class of each stored value, from 0; None: in their order from `first`.
    first : int
    sizes : tuple of int
        See ``Layout``.
    """

    pairs: tuple[Pair, ...] = field(repr=False)
    values: Mapping[int, int] | None
    first: int
    sizes: tuple[int, ...]


_VOC_FOLDERS = ('VOCdevkit/VOC2012', 'VOC2012', '')
_VOC = (
    Storage(
        'JPEGImages',
        'SegmentationClass',
        listing='ImageSets/Segmentation/val.txt',
    ),
)
_CONTEXT_FOLDERS = ('VOCdevkit/VOC2010', 'VOC2010', '')
_CONTEXT = (
    Storage(
        'JPEGImages',
        'SegmentationClassContext',
        listing='ImageSets/SegmentationContext/val.txt',
    ),
)
_COCO_FOLDERS = ('', 'coco', 'coco_stuff164k', 'coco_object')
_COCO_PLACES = (
    ('images/val2017', 'annotations/val2017'),
    ('images/val2017', 'stuffthingmaps/val2017'),
    ('val2017', 'stuffthingmaps/val2017'),
    ('val2017', 'annotations/val2017'),
)

#: By the key of the class list that ships with the package.
LAYOUTS: Final[dict[str, Layout]] = {
    'voc21': Layout(_VOC_FOLDERS, _VOC, (1449,)),
    'voc20': Layout(_VOC_FOLDERS, _VOC, (1449,), first=1),
    'context60': Layout(_CONTEXT_FOLDERS, _CONTEXT, (5104, 5105)),
    'context59': Layout(_CONTEXT_FOLDERS, _CONTEXT, (5104, 5105), first=1),
    'coco_object': Layout(
        _COCO_FOLDERS,
        tuple(
            Storage(images, labels, '_instanceTrainIds.png')
            for images, labels in _COCO_PLACES
        ),
        (5000,),
    ),
    'coco_stuff': Layout(
        _COCO_FOLDERS,
        (
            *(
                Storage(images, labels, '_labelTrainIds.png')
                for images, labels in _COCO_PLACES
            ),
            *(
                Storage(images, labels, values=_COCO_STUFF_IDS)
                for images, labels in _COCO_PLACES
            ),
        ),
        (5000,),
    ),
    'ade20k': Layout(
        ('ADEChallengeData2016', 'ade/ADEChallengeData2016', ''),
        (Storage('images/validation', 'annotations/validation'),),
        (2000,),
        first=1,
    ),
    'cityscapes': Layout(
        ('', 'cityscapes'),
        tuple(
            Storage(
                'leftImg8bit/val',
                'gtFine/val',
                suffix,
                '_leftImg8bit.png',
                values=values,
            )
            for suffix, values in (
                ('_gtFine_labelTrainIds.png', None),
                ('_gtFine_labelIds.png', _CITYSCAPES_IDS),
            )
        ),
        (500,),
    ),
}


def find_dataset(key: str, root: Path) -> FoundSet:
    """Return the images and label files of a data set.

    Parameters
    ----------
    key : str
        Of ``LAYOUTS``.
    root : Path
        The data set's own folder or the one that holds it.

    Raises
    ------
    InputError
        If there is no such data set, or its files are not in their places.
    StorageError
        If a file that it lists is missing, or a folder cannot be read.
    """
    if key not in LAYOUTS:
        raise InputError(
            f'There is no data set {key!r}. Choose one of '
            f'{", ".join(LAYOUTS)}.'
        )
    if not root.is_dir():
        raise StorageError(f'There is no folder {root}. Check the name.')
    layout = LAYOUTS[key]
    for storage in layout.storages:
        for name in layout.folders:
            folder = root / name
            if _is_there(storage, folder):
                return FoundSet(
                    _list_pairs(storage, folder),
                    storage.values,
                    layout.first,
                    layout.sizes,
                )
    raise InputError(_describe_missing(key, layout, root))


def _is_there(storage: Storage, folder: Path) -> bool:
    labels = folder / storage.labels
    if not ((folder / storage.images).is_dir() and labels.is_dir()):
        return False
    if storage.listing:
        return (folder / storage.listing).is_file()
    # In one folder there may be files of several conversions.
    return any(
        not storage.values or _is_plain(path)
        for path in labels.rglob(f'*{storage.label_suffix}')
    )


def _is_plain(path: Path) -> bool:
    return not path.stem.endswith('TrainIds')


def _list_pairs(storage: Storage, folder: Path) -> tuple[Pair, ...]:
    images, labels = folder / storage.images, folder / storage.labels
    if storage.listing:
        stems = _read_listing(folder / storage.listing)
    else:
        stems = _list_stems(storage, images)
    pairs = [
        Pair(
            stem.replace('/', '__'),
            _image_path(storage, images, stem),
            labels / f'{stem}{storage.label_suffix}',
        )
        for stem in stems
    ]
    missing = [
        path
        for pair in pairs
        for path in (pair.image, pair.labels)
        if not path.is_file()
    ]
    if missing:
        raise StorageError(
            f'{missing[0]} is not there; of the {2 * len(pairs)} files of '
            f'the data set {len(missing)} cannot be found. Unpack or convert '
            'it again.'
        )
    return tuple(pairs)


def _image_path(storage: Storage, images: Path, stem: str) -> Path:
    if storage.image_suffix:
        return images / f'{stem}{storage.image_suffix}'
    paths = [images / f'{stem}{suffix}' for suffix in IMAGE_SUFFIXES]
    return next((path for path in paths if path.is_file()), paths[0])


def _read_listing(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f'{path} cannot be read. Unpack the data set again.'
        ) from error
    # Some lists have further columns.
    stems = list(
        dict.fromkeys(line.split()[0] for line in lines if line.strip())
    )
    if not stems:
        raise InputError(f'{path} lists no image. Unpack the data set again.')
    return stems


def _list_stems(storage: Storage, images: Path) -> list[str]:
    found = list_files(images, f'**/*{storage.image_suffix}')
    stems = [
        path.relative_to(images)
        .as_posix()
        .removesuffix(storage.image_suffix or path.suffix)
        for path in found
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not stems:
        raise InputError(
            f'There is no image in {images}. Unpack the data set again.'
        )
    return stems


def _describe_missing(key: str, layout: Layout, root: Path) -> str:
    storage = layout.storages[0]
    needed = [
        storage.listing,
        f'{storage.images}/*{storage.image_suffix or IMAGE_SUFFIXES[0]}',
        f'{storage.labels}/*{storage.label_suffix}',
    ]
    places = ', '.join(str(root / name) for name in layout.folders)
    return (
        f'The files of {key} are not in {root}: '
        f'{", ".join(filter(None, needed))} are looked for in {places}. '
        'Name the folder that holds them, or convert the data set first.'
    )
