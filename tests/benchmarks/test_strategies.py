"""The table of strategies says what was measured."""

from __future__ import annotations

import pytest

import strategies
from strategies_report import BEGIN, END, put_tables


def test_every_row_is_something_else() -> None:
    made = [strategies.row_settings(row) for row in strategies.ROWS]
    assert len(set(made)) == len(made)
    assert strategies.row_settings(strategies.PLAIN).beyond.is_off


def test_tables_come_between_the_marks() -> None:
    quality = {
        'scenes': 2,
        'seed': 300,
        'rows': {
            strategies.PLAIN: {'a': [0.5, 0.6], 'b': [0.7, 0.8]},
            'other': {'a': [0.6, 0.5], 'b': [0.8, 0.8]},
        },
    }
    cost = {
        'machine': {'cores': '2'},
        'repeat': 3,
        'rows': {
            'other': {'time': 2, 'least': 1.5, 'most': 2.5, 'memory': 99.6}
        },
    }
    text = f'before\n{BEGIN}\nold\n{END}\nafter'
    made = put_tables(text, quality, cost)
    assert made.startswith(f'before\n{BEGIN}\n\nMean IoU, 2 held-out scenes')
    assert made.endswith(f'{END}\nafter')
    assert 'old' not in made
    row = '| other | 0.550 (0.500 to 0.600) | 0.800 (0.800 to 0.800) |'
    assert f'{row} +0.025 | 1 of 2 |' in made
    assert '| other | 2.00 (1.50 to 2.50) | 100 |' in made
    assert put_tables(made, quality, cost) == made


def test_quality_is_that_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {strategies.PLAIN: strategies.ROWS[strategies.PLAIN]}
    monkeypatch.setattr(strategies, 'ROWS', kept)
    found = strategies.measure_quality([], 1, ['nature8'])
    assert 0.5 < found['rows'][strategies.PLAIN]['nature8'][0] <= 1
