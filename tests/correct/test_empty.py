"""Classes without a pixel are told what would help."""

from __future__ import annotations

import pytest

from napari_naclip.correct.empty import find_empty
from napari_naclip.engine.reasons import ClassReach, merge_reaches

NOTHING = ClassReach(
    value=3,
    won=0,
    labeled=0,
    highest_threshold=0.0,
    second=0,
    peak=0.0,
    rival=1,
    rival_probability=1.0,
)
TOKEN = 256.0


def make(**changes: float) -> ClassReach:
    fields = {name: getattr(NOTHING, name) for name in NOTHING.__slots__}
    return ClassReach(**{**fields, **changes})


@pytest.mark.parametrize(
    ('reach', 'expected'),
    [
        (make(won=5, peak=0.9), 'threshold'),
        (make(peak=0.05, second=9999), 'word'),
        (make(peak=0.4, second=10), 'detail'),
        (make(peak=0.4, second=9999), 'contrast'),
    ],
)
def test_each_has_its_help(reach: ClassReach, expected: str) -> None:
    (found,) = find_empty([reach], TOKEN)
    assert found.reach is reach
    assert found.help == expected


def test_classes_with_pixels_and_the_background_are_not_named() -> None:
    assert not find_empty([make(won=5, labeled=1), make(value=0)], TOKEN)


def test_regions_together_reach_what_any_of_them_does() -> None:
    merged = merge_reaches(
        [
            (make(won=2, labeled=0, second=3, peak=0.2, rival=1),),
            (make(won=5, labeled=1, second=4, peak=0.6, rival=2),),
        ]
    )
    assert merged == (make(won=7, labeled=1, second=7, peak=0.6, rival=2),)
