"""The class table without a window."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.class_rows import (
    ClassDraft,
    ClassRow,
    clean_text,
    read_class_text,
)
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.classes import ClassList, name_key
from napari_naclip.engine.errors import InputError

names = st.text(min_size=1, max_size=12).map(clean_text).filter(bool)
colors = st.integers(0, 0xFFFFFF).map('#{:06x}'.format)


@st.composite
def list_states(draw: st.DrawFn) -> ListState:
    labels = draw(st.lists(names, unique_by=name_key, max_size=5))
    values = draw(
        st.lists(
            st.integers(0, 300),
            unique=True,
            min_size=len(labels),
            max_size=len(labels),
        )
    )
    values.sort(key=lambda value: value > 0)
    rows = tuple(
        ClassRow(
            value,
            name,
            tuple(
                draw(
                    st.lists(
                        names, unique_by=name_key, min_size=value > 0
                    ).map(lambda found: found[:3])
                )
            ),
            draw(colors),
            draw(st.booleans()),
            draw(st.booleans()),
        )
        for value, name in zip(values, labels, strict=True)
    )
    return ListState(
        rows,
        max(values, default=0) + draw(st.integers(1, 9)),
        draw(st.floats(0, 0.2)),
        draw(st.booleans()),
    )


def values_of(state: ListState) -> list[int]:
    return [row.value for row in state.rows]


def names_of(state: ListState) -> list[str]:
    return [row.name for row in state.rows]


@given(list_states())
def test_a_list_comes_back_from_plain_data(state: ListState) -> None:
    data = json.loads(json.dumps(state.to_dict()))
    assert ListState.from_dict(data) == state


@pytest.mark.parametrize(
    'change',
    [
        {'version': 2},
        {'rows': None},
        {'rows': ['sky']},
        {'rows': [{'name': 'sky'}]},
        {'rows': [{'name': 'sky', 'value': True}]},
        {'rows': [{'name': 'sky', 'value': 1, 'prompts': 'sky'}]},
        {'rows': [{'name': 'sky', 'value': 1, 'color': 'red'}]},
        {'rows': [{'name': 'sky', 'value': 1, 'color': 7}]},
        {'rows': [{'name': 'sky', 'value': 1, 'on': 1}]},
        {'rows': [{'name': ['sky'], 'value': 1}]},
        {'rows': [{'name': '', 'value': 1}]},
        {'rows': [{'name': 'sky', 'value': 9}]},
        {'rows': [{'name': 'a', 'value': 1}, {'name': 'A', 'value': 2}]},
        {'rows': [{'name': 'a', 'value': 1}, {'name': 'b', 'value': 1}]},
        {'rows': [{'name': 'a', 'value': 1}, {'name': 'b', 'value': 0}]},
        {'rows': [{'name': 'a', 'value': -1}]},
        {'next_value': None},
        {'next_value': 0},
        {'next_value': 70_000},
        {'margin': float('nan')},
        {'margin': -0.1},
        {'margin': 'much'},
        {'used': 1},
    ],
)
def test_other_data_are_refused(change: dict) -> None:
    data = ListState(next_value=5).to_dict()
    ListState.from_dict(data)
    with pytest.raises(InputError):
        ListState.from_dict({**data, **change})


@pytest.mark.parametrize('data', [None, [], 'x', {}])
def test_what_is_no_list_is_refused(data: object) -> None:
    with pytest.raises(InputError):
        ListState.from_dict(data)


@pytest.mark.parametrize(
    'text',
    ['sky; tree, bush; water', 'background, wall; cat', 'a; background'],
)
def test_a_text_means_what_it_means_to_the_engine(text: str) -> None:
    assert ListState.from_text(text).class_list() == ClassList.from_text(text)


def test_a_value_is_never_given_out_again() -> None:
    state = ListState.from_text('sky; tree; water')
    state = state.without({3}).add(read_class_text('road'))
    assert values_of(state) == [1, 2, 4]
    state = state.without({1, 2, 4}).add(read_class_text('sky'))
    assert values_of(state) == [5]


def test_a_class_that_is_there_is_named() -> None:
    state = ListState.from_text('sky; tree')
    with pytest.raises(InputError, match="'TREE' is in the list already"):
        state.add(read_class_text('water; TREE'))
    with pytest.raises(InputError, match="'Water' is there twice"):
        state.add(read_class_text('water; Water'))


def test_the_first_entry_background_is_the_background_row() -> None:
    state = ListState.from_text('sky').add(
        read_class_text('background, wall; road')
    )
    assert names_of(state) == ['background', 'sky', 'road']
    assert values_of(state) == [0, 1, 2]
    with pytest.raises(InputError, match='in the list already'):
        state.add(read_class_text('background; car'))


def test_a_new_class_gets_a_color_that_is_free() -> None:
    state = ListState.from_text('a; b; c')
    state = state.without({1}).add(read_class_text('d; e'))
    assert len({row.color for row in state.rows}) == 4
    assert state.find(4).color == ListState.from_text('a').rows[0].color


def test_a_list_that_no_run_had_is_replaced_from_one() -> None:
    state = ListState.from_text('a; b; c')
    assert values_of(state.replace_all(read_class_text('c; d'))) == [1, 2]
    drafts = [ClassDraft('x', ('x',), value=7), ClassDraft('y', ('y',))]
    assert values_of(state.replace_all(drafts)) == [7, 8]


def test_a_list_that_a_run_had_is_replaced_with_values_of_its_own() -> None:
    state = ListState(
        (
            ClassRow(1, 'a', ('a',), '#102030'),
            ClassRow(3, 'c', ('c',), '#405060'),
        ),
        next_value=4,
        is_used=True,
    )
    new = state.replace_all(
        [
            ClassDraft('d', ('d',), value=1),
            ClassDraft('C', ('c', 'sea')),
            ClassDraft('e', ('e',), value=9),
        ]
    )
    assert values_of(new) == [10, 3, 9]
    assert new.find(3).color == '#405060'
    assert new.next_value == 11
    assert values_of(state.replace_all(read_class_text('background; c'))) == [
        0,
        3,
    ]


def test_rows_move_together_and_the_background_stays_first() -> None:
    state = ListState.from_text('background; a; b; c; d')
    assert values_of(state.moved({1, 3}, 5)) == [0, 2, 4, 1, 3]
    assert values_of(state.moved({4, 0}, 0)) == [0, 4, 1, 2, 3]
    assert values_of(state.moved({2}, 2)) == values_of(state)


@given(list_states(), st.data())
def test_moving_loses_no_row(state: ListState, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.sampled_from(values_of(state) or [1])))
    position = data.draw(st.integers(0, len(state.rows)))
    moved = state.moved(chosen, position)
    assert sorted(values_of(moved)) == sorted(values_of(state))
    kept = [v for v in values_of(state) if v not in chosen]
    assert [v for v in values_of(moved) if v in kept] == kept


def test_the_background_row_is_turned_off_and_not_removed() -> None:
    state = ListState.from_text('a').with_background(is_on=True)
    assert state.background.prompts == ()
    assert state.class_list().background is not None
    assert state.without({0, 1}).rows == (state.background,)
    off = state.with_background(is_on=False)
    assert off.background is not None
    assert off.class_list().background is None
    assert not off.has_background


def test_only_rows_that_are_on_are_looked_for() -> None:
    state = ListState.from_text('a; b').with_row(1, is_on=False)
    assert [row.name for row in state.class_list().classes] == ['b']
    with pytest.raises(InputError, match='none besides the background'):
        state.with_row(2, is_on=False).class_list()
    with pytest.raises(InputError, match='no class to look for'):
        ListState().class_list()


def test_there_is_an_end_of_values() -> None:
    state = ListState(next_value=65535).add(read_class_text('last'))
    assert values_of(state) == [65535]
    with pytest.raises(InputError, match='no label value left'):
        state.add(read_class_text('more'))


def test_names_hold_one_line_of_whole_characters() -> None:
    row = ClassRow(1, ' a\n b\x00', ('c \t d',), '#ABCDEF')
    assert (row.name, row.prompts, row.color) == ('a b', ('c d',), '#abcdef')
    with pytest.raises(InputError, match='half a character'):
        ClassRow(1, 'a\ud800', ('a',))
