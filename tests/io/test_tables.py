"""Tables as files: what is read back is what was shown."""

from __future__ import annotations

import csv

import pytest

from napari_naclip.engine.errors import StorageError
from napari_naclip.io.tables import format_table, write_table

COLUMNS = {
    'class': ['a, b', '=1+1', 'é"'],
    'area (µm²)': [0.1 + 0.2, float('nan'), 3.0],
    'confidence': [None, 0.5, -1.0],
}


def test_numbers_are_whole_and_what_is_not_known_is_empty(tmp_path) -> None:
    path = tmp_path / 'table.csv'
    write_table(path, COLUMNS)
    with path.open(encoding='utf-8', newline='') as file:
        titles, *rows = csv.reader(file)
    assert titles == list(COLUMNS)
    # No formula is made of a name.
    assert [row[0] for row in rows] == ['a, b', "'=1+1", 'é"']
    assert float(rows[0][1]) == 0.1 + 0.2
    assert rows[0][2] == rows[1][1] == ''
    assert float(rows[2][2]) == -1


def test_a_file_that_is_there_is_kept(tmp_path) -> None:
    path = tmp_path / 'table.csv'
    path.write_text('mine')
    with pytest.raises(StorageError):
        write_table(path, COLUMNS)
    assert path.read_text() == 'mine'
    write_table(path, COLUMNS, overwrite=True)
    assert path.read_text(encoding='utf-8').startswith('class,')


def test_for_a_spreadsheet_tabs_stand_between() -> None:
    text = format_table({'a': [1], 'b': [2.5]}, '\t')
    assert text.splitlines() == ['a\tb', '1\t2.5']
