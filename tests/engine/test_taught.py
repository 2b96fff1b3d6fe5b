"""What a class was taught by is plain data, whole or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_naclip.engine.class_rows import make_row, read_draft
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.taught import Example, Teaching, read_teaching

tokens = arrays.arrays(
    np.float32, 8, elements=st.floats(-1, 1, width=16, allow_subnormal=True)
).filter(np.any)
examples = st.builds(
    Example.of, tokens, tokens, st.integers(1, 10**9), st.text(max_size=5)
)
teachings = st.builds(
    Teaching, st.lists(examples, max_size=3).map(tuple), st.floats(0, 1)
)


@given(teachings)
def test_files_hold_all_of_it(teaching: Teaching) -> None:
    data = json.loads(json.dumps(teaching.to_dict()))
    assert read_teaching(data, 'tree') == teaching


@given(teachings.filter(bool))
def test_lists_hold_all_of_it(teaching: Teaching) -> None:
    state = ListState.from_text('sky; tree').with_row(2, teaching=teaching)
    data = json.loads(json.dumps(state.to_dict()))
    assert ListState.from_dict(data) == state
    row = state.rows[1]
    assert make_row(read_draft(row.to_dict()), 2, '') == row
    assert state.class_list().classes[1].teaching == teaching


@given(teachings, examples)
def test_last_example_is_undone(teaching: Teaching, more: Example) -> None:
    assert teaching.with_example(more).without(more) == teaching


def test_untaught_rows_are_written_as_before() -> None:
    row = ListState.from_text('sky').rows[0]
    assert 'taught' not in row.to_dict()
    assert 'taught' not in ListState.from_text('sky').class_list().to_dict()[0]


BAD = [
    [],
    {},
    {'examples': [{}]},
    {'examples': [], 'weight': 2},
    {'examples': [], 'weight': float('nan')},
    {'examples': [], 'weight': True},
]


@pytest.mark.parametrize('data', BAD)
def test_other_data_are_refused(data: object) -> None:
    with pytest.raises(InputError):
        read_teaching(data, 'tree')


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('vector', 'AAA'),
        ('vector', ''),
        ('vector', 'AH4AAA=='),
        ('vector', 'AAAAAA=='),
        ('center', 'AAA='),
        ('center', '%%%%'),
        ('pixels', 0),
        ('pixels', True),
        ('model', None),
    ],
)
def test_damaged_examples_are_refused(field: str, value: object) -> None:
    data = Example.of([1, 0], [0, 0], 1, 'm').to_dict()
    assert read_teaching({'examples': [data]}, 'x').pixels == 1
    with pytest.raises(InputError, match=r"class 'x'|finite|zeros"):
        read_teaching({'examples': [{**data, field: value}]}, 'x')


def test_row_without_words_needs_an_example() -> None:
    state = ListState.from_text('sky')
    with pytest.raises(InputError, match='no prompt'):
        state.with_row(1, prompts=())
    seen = Teaching((Example.of([1, 0], [0, 0], 1, 'm'),))
    taught = state.with_row(1, prompts=(), teaching=seen)
    assert taught.class_list().competitors[0].prompts == ()
    with pytest.raises(InputError, match='no prompt'):
        taught.with_row(1, teaching=Teaching())
