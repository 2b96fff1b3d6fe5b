"""Class lists in files: what is written is read, the rest is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.class_rows import ClassRow, clean_text
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.classes import name_key
from napari_naclip.engine.errors import InputError, NaclipError, StorageError
from napari_naclip.io import class_files
from napari_naclip.io.class_files import (
    MAX_SIZE,
    read_classes,
    write_classes,
)

names = (
    st.text(
        st.one_of(
            st.sampled_from(list(',;"\t\n\r=#空é\u2028\ufeff 0')),
            st.characters(codec='utf-8'),
        ),
        min_size=1,
        max_size=10,
    )
    .map(clean_text)
    .filter(bool)
)
rows = st.builds(
    ClassRow,
    st.integers(1, 65535),
    names,
    st.lists(names, unique_by=name_key, min_size=1, max_size=3).map(tuple),
    st.integers(0, 0xFFFFFF).map('#{:06x}'.format),
    st.booleans(),
    st.booleans(),
)
backgrounds = st.builds(
    ClassRow,
    st.just(0),
    names,
    st.lists(names, unique_by=name_key, max_size=3).map(tuple),
)


def read_rows(path: Path) -> tuple[ClassRow, ...]:
    return ListState.from_drafts(read_classes(path)).rows


@pytest.mark.parametrize('suffix', ['csv', 'tsv', 'json'])
@given(
    classes=st.lists(
        st.one_of(rows, backgrounds),
        unique_by=(lambda r: r.value, lambda r: name_key(r.name)),
        min_size=1,
        max_size=5,
    )
)
def test_tables_and_json_keep_all(tmp_path_factory, suffix, classes) -> None:
    classes.sort(key=lambda row: row.value > 0)
    path = tmp_path_factory.mktemp('lists') / f'list.{suffix}'
    notices = write_classes(path, ListState(tuple(classes), 65536))
    assert read_rows(path) == tuple(classes)
    assert notices == ()


@given(st.lists(names, unique_by=name_key, min_size=2, max_size=5))
def test_text_keeps_the_prompts(tmp_path_factory, prompts) -> None:
    if name_key(prompts[0]) == 'background':
        prompts.reverse()
    path = tmp_path_factory.mktemp('lists') / 'list.txt'
    classes = (
        ClassRow(1, prompts[0], (prompts[0],)),
        ClassRow(2, prompts[1], tuple(prompts[1:])),
    )
    assert write_classes(path, ListState(classes, 3)) == ()
    assert [(r.name, r.prompts) for r in read_rows(path)] == [
        (r.name, r.prompts) for r in classes
    ]


def test_text_says_what_it_cannot_keep(tmp_path) -> None:
    path = tmp_path / 'list.txt'
    state = ListState.from_text('sky; tree, bush')
    write_classes(path, state)
    assert path.read_text() == 'sky\ntree, bush\n'
    renamed = state.with_row(1, name='air').with_background(is_on=True)
    notices = write_classes(path, renamed, overwrite=True)
    assert len(notices) == 2
    assert 'no background row' in notices[0]
    assert 'not the names' in notices[1]
    assert path.read_text() == 'sky\ntree, bush\n'


def test_text_that_would_mean_something_else_is_not_written(tmp_path) -> None:
    path = tmp_path / 'list.txt'
    odd = ListState((ClassRow(1, 'x', ('background',)),), 2)
    with pytest.raises(InputError, match='read as the background row'):
        write_classes(path, odd)
    only = ListState().with_background(is_on=True)
    with pytest.raises(InputError, match='no class to write as text'):
        write_classes(path, only)
    with pytest.raises(InputError, match='no class to write'):
        write_classes(path, ListState())
    assert not path.exists()


def test_a_file_that_is_there_is_kept(tmp_path) -> None:
    path = tmp_path / 'list.csv'
    path.write_text('mine')
    with pytest.raises(StorageError, match='there already'):
        write_classes(path, ListState.from_text('sky'))
    assert path.read_text() == 'mine'


@pytest.mark.parametrize(
    'content',
    [
        'name,prompts\nsky,\ntree,"tree, bush"\n',
        'name;prompts\nsky;\ntree;tree, bush\n',
        'Name\tPrompts\nsky\t\ntree\ttree, bush\n',
        'sky\ntree,"tree, bush"\n',
        'sky;\ntree;tree, bush\n',
        '\ufeffname,prompts\r\nsky,sky\r\n,"tree, bush"\r\n\r\n',
        'prompts,notes,name\nsky,x,sky\n"tree, bush",,\n',
        'name,prompts,color,value,on,locked\nsky,,,1,,0\ntree,"tree,bush",,2,x,',
    ],
)
def test_tables_of_other_programs(tmp_path, content) -> None:
    path = tmp_path / 'list.csv'
    path.write_bytes(content.encode())
    assert read_rows(path) == ListState.from_text('sky; tree, bush').rows


def test_a_table_in_utf_16(tmp_path) -> None:
    path = tmp_path / 'list.csv'
    path.write_bytes('name\tprompts\nsky\t\n'.encode('utf-16'))
    assert read_rows(path)[0].name == 'sky'


def test_a_table_may_name_the_background(tmp_path) -> None:
    path = tmp_path / 'list.csv'
    path.write_text('name,prompts,value\nrest,,0\nsky,,\n')
    background, sky = read_rows(path)
    assert (background.value, background.prompts) == (0, ())
    assert sky.value == 1
    path.write_text('background,"wall, floor"\nsky\n')
    assert read_rows(path)[0].prompts == ('wall', 'floor')
    path.write_text('background\nsky\n')
    assert read_rows(path)[0].prompts == ('background',)


def test_the_file_beside_a_result_is_a_list(tmp_path) -> None:
    path = tmp_path / 'labels.json'
    rows = [row.to_dict() for row in ListState.from_text('a; b').rows]
    path.write_text(json.dumps({'format': 'other', 'classes': rows}))
    assert [row.name for row in read_rows(path)] == ['a', 'b']


JSON_LIST = (
    '{"format": "napari-naclip classes", "version": 1, "classes": '
    '[{"name": "sky", "prompts": ["sky"], "value": 1}]}'
)


@pytest.mark.parametrize(
    ('name', 'content', 'sentence'),
    [
        ('a.txt', b'', 'is empty'),
        ('a.csv', b' \n', 'is empty'),
        ('a.csv', b'\xfe\xff', 'is empty'),
        ('a.txt', b'\x89PNG\r\n\x1a\n\0\0', 'no text'),
        ('a.txt', b'sky\0tree', 'binary'),
        ('a.csv', 'café'.encode('cp1252'), 'UTF-8'),
        ('a.txt', b'a' * (MAX_SIZE + 1), 'larger than 1000 kB'),
        ('a.txt', b'sky;; tree', 'Class 2 is empty'),
        ('a.txt', b'sky\nSKY', 'there twice'),
        ('a.json', JSON_LIST[:-9].encode(), 'no JSON, or cut'),
        ('a.json', b'[' * 100_000, 'no JSON, or cut'),
        ('a.json', b'[]', 'no list "classes"'),
        ('a.json', b'{"classes": 3}', 'no list "classes"'),
        ('a.json', b'{"classes": []}', 'holds no class'),
        ('a.json', b'{"classes": ["sky"]}', 'is no class'),
        ('a.json', b'{"classes": [{"name": "\\ud800"}]}', 'half a char'),
        ('a.json', JSON_LIST.replace('1,', '2,').encode(), 'has version 2'),
        (
            'a.json',
            JSON_LIST.replace('"value": 1', '"color": "red"').encode(),
            'not a color',
        ),
        ('a.csv', b'prompts,color\nsky,#ffffff\n', 'no column "name"'),
        ('a.csv', b'name,name\nsky,sky\n', 'a column twice'),
        ('a.csv', b'name,prompts\nsky,sky,blue\n', 'row 2 has 3 columns'),
        ('a.csv', b'name,color\nsky,red\n', 'not a color'),
        ('a.csv', b'name,value\nsky,one\n', "row 2 has the label value 'one'"),
        ('a.csv', b'name,value\nsky,70000\n', 'label value 70000'),
        ('a.csv', b'name,value\na,1\nb,1\n', 'same label value'),
        ('a.csv', b'name,on\nsky,maybe\n', "in the column 'on'"),
        ('a.csv', b'name\nsky\nsky\n', 'there twice'),
        ('a.csv', b'name,prompts\n"sky', 'never closed'),
        ('a.csv', b'name,prompts\nsky,"a,,b"\n', 'empty prompt'),
        ('a.csv', b'name,prompts\n', 'holds no class'),
        ('a.csv', b'name,prompts,value\nsky,,0\nx,,0\n', 'same label value'),
    ],
)
def test_bad_files_give_one_sentence(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read_classes(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_files_that_are_not_there(tmp_path) -> None:
    with pytest.raises(StorageError, match='is not there'):
        read_classes(tmp_path / 'missing.txt')
    with pytest.raises(StorageError):
        read_classes(tmp_path)


@given(st.sampled_from(['txt', 'csv', 'json']), st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, suffix, data) -> None:
    path = tmp_path_factory.mktemp('lists') / f'list.{suffix}'
    path.write_bytes(data)
    try:
        drafts = read_classes(path)
    except NaclipError:
        return
    assert ListState.from_drafts(drafts).rows


@pytest.mark.parametrize('name', ['a.json', 'a.csv', 'a.txt'])
def test_nothing_is_written_that_cannot_be_read_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state = tmp_path / name, ListState.from_text('sky; trée')
    write_classes(path, state)
    size = path.stat().st_size
    limit = 'MAX_JSON_SIZE' if name.endswith('json') else 'MAX_SIZE'
    monkeypatch.setattr(class_files, limit, size)
    write_classes(path, state, overwrite=True)
    read_classes(path)
    monkeypatch.setattr(class_files, limit, size - 1)
    with pytest.raises(InputError, match='can be read back'):
        write_classes(path, state, overwrite=True)
    assert path.stat().st_size == size
