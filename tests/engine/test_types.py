"""Classes, settings and what they refuse."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.colors import class_color
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import (
    ClassList,
    Region,
    Settings,
    TextClass,
    margin_from_threshold,
    threshold_from_margin,
)


def test_values_count_from_one() -> None:
    classes = ClassList.from_text('sky; tree, bush; water')
    assert [each.value for each in classes.rows] == [1, 2, 3]
    assert [each.name for each in classes.rows] == ['sky', 'tree', 'water']
    assert classes.background is None


def test_a_first_entry_named_background_is_the_background_row() -> None:
    classes = ClassList.from_text('Background, wall; sky; tree')
    assert classes.background is not None
    assert classes.background.prompts == ('Background', 'wall')
    assert [each.value for each in classes.rows] == [0, 1, 2]


def test_a_later_entry_named_background_is_a_class() -> None:
    classes = ClassList.from_text('sky; background')
    assert classes.background is None
    assert [each.value for each in classes.rows] == [1, 2]


def test_the_background_can_be_given_on_its_own() -> None:
    classes = ClassList.from_text('sky; tree', background='wall, floor')
    assert classes.queries == ('wall', 'floor', 'sky', 'tree')
    assert classes.query_owners.tolist() == [0, 0, 1, 2]


def test_a_background_without_prompts_does_not_compete() -> None:
    classes = ClassList.from_text('sky; tree', background='')
    assert len(classes.rows) == 3
    assert classes.queries == ('sky', 'tree')
    assert [row.value for row in classes.competitors] == [1, 2]


def test_synonyms_are_queries_of_their_class() -> None:
    classes = ClassList.from_text('sky; tree, bush; water')
    assert classes.queries == ('sky', 'tree', 'bush', 'water')
    assert classes.query_owners.tolist() == [0, 1, 1, 2]


@given(
    st.lists(
        st.text('abc, ;"\n', min_size=1, max_size=6)
        .map(str.strip)
        .filter(bool),
        min_size=1,
        max_size=6,
        unique_by=lambda text: ' '.join(text.split()),
    )
)
def test_a_class_list_survives_its_text(names: list[str]) -> None:
    classes = ClassList.from_prompts([[name] for name in names])
    assert ClassList.from_text(classes.to_text()) == classes


@pytest.mark.parametrize(
    ('text', 'background', 'message'),
    [
        ('   ', None, 'no class to look for'),
        ('sky;; tree', None, 'is empty'),
        ('sky; tree; Sky', None, "'Sky' is there twice"),
        ('a  red cup; a red cup', None, 'is there twice'),
        ('tree, Tree', None, "prompt 'Tree' twice"),
        ('background', None, 'besides the background'),
        ('background; sky', 'wall', 'background is given twice'),
        ('sky; background', 'wall', 'is there twice'),
    ],
)
def test_unusable_classes_are_refused(
    text: str, background: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ClassList.from_text(text, background=background)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('  ', ('sky',), 3), 'Class 3 has no name'),
        (('sky', (), 1), 'has no prompt'),
        (('sky', (' ',), 1), 'empty prompt'),
        (('sky', ('sky',), -1), 'label value -1'),
        (('sky', ('sky',), 65536), 'label value 65536'),
        (('sky', ('sky',), 1, 'blue'), "'blue' is not a color"),
    ],
)
def test_an_unusable_class_is_refused(
    arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        TextClass(*arguments)


def test_an_empty_class_is_refused() -> None:
    with pytest.raises(InputError, match='has no prompt'):
        ClassList.from_prompts([['sky'], []])


def test_equal_values_are_refused() -> None:
    with pytest.raises(InputError, match='same label value'):
        ClassList((TextClass('a', ('a',), 1), TextClass('b', ('b',), 1)))


def test_value_0_is_kept_for_the_background() -> None:
    with pytest.raises(InputError, match='kept for the background'):
        ClassList((TextClass('a', ('a',), 0),))
    with pytest.raises(InputError, match='has the label value 0'):
        ClassList(
            (TextClass('a', ('a',), 1),), TextClass('rest', ('rest',), 2)
        )


@pytest.mark.parametrize(
    ('value', 'dtype'),
    [(1, np.uint8), (254, np.uint8), (255, np.uint16), (65535, np.uint16)],
)
def test_labels_have_room_for_one_more_value(
    value: int, dtype: type[np.unsignedinteger]
) -> None:
    assert ClassList((TextClass('a', ('a',), value),)).label_dtype == dtype


def test_a_class_gets_the_color_of_its_value() -> None:
    classes = ClassList.from_text('background; sky; tree')
    assert [row.color for row in classes.rows] == [
        '#000000',
        class_color(1),
        class_color(2),
    ]


def test_classes_are_plain_data() -> None:
    rows = ClassList.from_text('background; sky, air').to_dict()
    assert json.loads(json.dumps(rows)) == rows
    assert rows[1] == {
        'value': 1,
        'name': 'sky',
        'prompts': ['sky', 'air'],
        'color': class_color(1),
    }


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'strategy': 'sclip'}, "strategy is 'sclip'"),
        ({'architecture': 'full'}, "architecture is 'full'"),
        ({'refine': 'yes'}, "refine is 'yes'"),
        ({'resampling': 'cubic'}, "resampling is 'cubic'"),
        ({'strategy': 'csa'}, "'csa' is defined for the architecture"),
        ({'gaussian_std': 0}, 'gaussian_std is 0'),
        ({'gaussian_std': math.nan}, 'gaussian_std is nan'),
        ({'logit_scale': -1}, 'logit_scale is -1'),
        ({'gamma': math.inf}, 'gamma is inf'),
        ({'threshold': 1.1}, 'threshold is 1.1'),
        ({'threshold': -0.1}, 'threshold is -0.1'),
        ({'threshold': math.nan}, 'threshold is nan'),
        ({'detail': 0}, 'detail is 0'),
        ({'max_side': 0}, 'max_side is 0'),
        ({'window': -1}, 'window is -1'),
        ({'stride': 0}, 'stride is 0'),
        ({'reduction': 0}, 'reduction is 0 image pixels'),
        ({'reduction': -2.0}, 'reduction is -2.0'),
        ({'reduction': math.inf}, 'reduction is inf'),
        ({'reduction': math.nan}, 'reduction is nan'),
        ({'templates': ()}, 'no prompt template'),
        ({'templates': ('a photo',)}, "template 'a photo' needs"),
        ({'templates': ('{} or {}',)}, 'exactly once'),
        ({'contrast_limits': (1.0, 1.0)}, 'contrast limits'),
        ({'contrast_limits': (2.0, 1.0)}, 'contrast limits'),
        ({'contrast_limits': (0.0, math.inf)}, 'contrast limits'),
    ],
)
def test_unusable_settings_are_refused(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**wrong)


def test_csa_is_accepted_with_its_architecture() -> None:
    settings = Settings(strategy='csa', architecture='vanilla')
    assert settings.strategy == 'csa'


def test_the_defaults_are_the_published_ones() -> None:
    settings = Settings()
    assert (settings.strategy, settings.architecture) == ('naclip', 'reduced')
    assert (settings.gaussian_std, settings.logit_scale) == (5, 40)
    assert (settings.detail, settings.max_side) == (336, 2048)
    assert settings.templates is None


def test_settings_are_frozen_plain_data() -> None:
    settings = Settings(templates=('{}',), contrast_limits=(0, 9))
    plain = json.loads(json.dumps(settings.to_dict()))
    assert plain['templates'] == ['{}']
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.threshold = 0.5  # type: ignore[misc]


def test_a_margin_means_the_published_probability() -> None:
    assert threshold_from_margin(0, 4, 40) == 0.25
    rivals = np.exp(40 * np.array([0.3, 0.25, 0.25, 0.25]))
    assert threshold_from_margin(0.05, 4, 40) == pytest.approx(
        rivals[0] / rivals.sum()
    )


@given(
    st.floats(0, 0.2), st.integers(2, 300), st.sampled_from([1.0, 40.0, 100.0])
)
def test_a_probability_means_the_margin_that_gives_it(
    margin: float, queries: int, scale: float
) -> None:
    threshold = threshold_from_margin(margin, queries, scale)
    again = margin_from_threshold(threshold, queries, scale)
    assert again == pytest.approx(margin, abs=1e-6)


def test_margins_of_probabilities_at_the_ends() -> None:
    # The best of four has a quarter at least.
    assert margin_from_threshold(0, 4, 40) == 0
    assert margin_from_threshold(0.25, 4, 40) == 0
    assert margin_from_threshold(0.5, 1, 40) == 0
    assert margin_from_threshold(1, 4, 40) == math.inf


@pytest.mark.parametrize(
    'edges', [(0, 0, 0, 1), (0, 0, 1, 0), (3, 0, 2, 1), (-1, 0, 1, 1)]
)
def test_a_region_without_a_pixel_is_refused(
    edges: tuple[int, int, int, int],
) -> None:
    with pytest.raises(InputError, match='holds no pixel'):
        Region(*edges)


def test_a_region_cuts_its_pixels() -> None:
    region = Region(1, 2, 4, 4)
    image = np.arange(30).reshape(5, 6)
    assert region.size == image[region.slices].shape == (3, 2)
    assert image[region.slices][0, 0] == image[1, 2]
    other = Region(0, 3, 3, 9)
    assert region.intersection(other) == Region(1, 3, 3, 4)
