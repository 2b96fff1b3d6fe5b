"""The eight data sets as small folders in their true layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Rows and columns of every picture.
SIZE = (12, 16)

NAMES = ('2007_000033', '2007_000042', '2008_000073')
PLACES = (
    'frankfurt/frankfurt_000000_000294',
    'frankfurt/frankfurt_000001_000538',
    'munster/munster_000005_000019',
)

VOC = 'VOCdevkit/VOC2012'
CONTEXT = 'VOCdevkit/VOC2010'
ADE = 'ADEChallengeData2016'


@dataclass(frozen=True)
class Sample:
    """How one data set is stored, and which class each stored value is.

    ``row`` gives None for a value that does not count.
    """

    images: str
    labels: str
    row: Callable[[int], int | None]
    values: tuple[int, ...]
    image_suffix: str = '.jpg'
    label_suffix: str = '.png'
    listing: str = ''
    names: tuple[str, ...] = NAMES


def _from(first: int) -> Callable[[int], int | None]:
    return lambda value: (
        None if value == 255 or value < first else value - first
    )


SAMPLES = {
    'voc21': Sample(
        f'{VOC}/JPEGImages',
        f'{VOC}/SegmentationClass',
        _from(0),
        (*range(21), 255),
        listing=f'{VOC}/ImageSets/Segmentation/val.txt',
    ),
    'voc20': Sample(
        f'{VOC}/JPEGImages',
        f'{VOC}/SegmentationClass',
        _from(1),
        (*range(21), 255),
        listing=f'{VOC}/ImageSets/Segmentation/val.txt',
    ),
    'context60': Sample(
        f'{CONTEXT}/JPEGImages',
        f'{CONTEXT}/SegmentationClassContext',
        _from(0),
        (*range(60), 255),
        listing=f'{CONTEXT}/ImageSets/SegmentationContext/val.txt',
    ),
    'context59': Sample(
        f'{CONTEXT}/JPEGImages',
        f'{CONTEXT}/SegmentationClassContext',
        _from(1),
        (*range(60), 255),
        listing=f'{CONTEXT}/ImageSets/SegmentationContext/val.txt',
    ),
    'coco_object': Sample(
        'images/val2017',
        'annotations/val2017',
        _from(0),
        (*range(81), 255),
        label_suffix='_instanceTrainIds.png',
    ),
    'coco_stuff': Sample(
        'images/val2017',
        'annotations/val2017',
        _from(0),
        (*range(171), 255),
        label_suffix='_labelTrainIds.png',
    ),
    'ade20k': Sample(
        f'{ADE}/images/validation',
        f'{ADE}/annotations/validation',
        _from(1),
        tuple(range(151)),
    ),
    'cityscapes': Sample(
        'leftImg8bit/val',
        'gtFine/val',
        _from(0),
        (*range(19), 255),
        '_leftImg8bit.png',
        '_gtFine_labelTrainIds.png',
        names=PLACES,
    ),
}

#: Stored values, and their classes' names, before any conversion.
STUFF = {
    0: 'person',
    10: 'firehydrant',
    12: 'stopsign',
    24: 'giraffe',
    26: 'backpack',
    27: 'umbrella',
    30: 'handbag',
    66: 'diningtable',
    69: 'toilet',
    71: 'tv',
    81: 'refrigerator',
    83: 'book',
    89: 'toothbrush',
    91: 'banner',
    181: 'wood',
}
STREET = {
    7: 'road',
    8: 'sidewalk',
    11: 'building',
    12: 'wall',
    13: 'fence',
    17: 'pole',
    19: 'trafficlight',
    20: 'trafficsign',
    21: 'vegetation',
    22: 'terrain',
    23: 'sky',
    24: 'person',
    25: 'rider',
    26: 'car',
    27: 'truck',
    28: 'bus',
    31: 'train',
    32: 'motorcycle',
    33: 'bicycle',
}


def write_picture(path: Path, rng: np.random.Generator) -> None:
    """Write a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(array).save(path)


def write_values(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Write label values with a palette, as VOC does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array, mode=None)
    picture.putpalette([(37 * each) % 256 for each in range(768)])
    picture.save(path)


def write_sample(root: Path, sample: Sample, seed: int = 0) -> None:
    """Write a data set below a folder: three pictures and their labels."""
    rng = np.random.default_rng(seed)
    for name in sample.names:
        write_picture(
            root / sample.images / f'{name}{sample.image_suffix}', rng
        )
        array = rng.choice(np.array(sample.values, np.uint8), SIZE)
        write_values(
            root / sample.labels / f'{name}{sample.label_suffix}', array
        )
    if sample.listing:
        # One more picture, which the list does not name.
        folder = root / sample.images
        write_picture(folder / '2011_003276.jpg', rng)
        listing = root / sample.listing
        listing.parent.mkdir(parents=True)
        listing.write_text('\n'.join(sample.names) + '\n')
