"""Numbers are written in one way, wherever they stand."""

from __future__ import annotations

import pytest

from napari_naclip.ui.correct.edit_messages import describe_edits
from napari_naclip.ui.correct.messages import describe_region, describe_share
from napari_naclip.ui.correct.rows import format_cell


@pytest.mark.parametrize(
    ('share', 'text'),
    [(0, '0 %'), (0.0012, '< 1 %'), (0.01, '1 %'), (0.756, '76 %')],
)
def test_little_is_not_nothing(share: float, text: str) -> None:
    assert describe_share(share) == text


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (1.0, '1.00'),
        (0.9854, '0.985'),
        (0.0, '0.00'),
        (123.4, '123'),
        (12345.6, '12,346'),
        (12345, '12,345'),
        (float('nan'), ''),
        ('sand', 'sand'),
    ],
)
def test_cells_of_a_column_have_as_many_digits(
    value: object, text: str
) -> None:
    assert format_cell(value) == text


def test_thousands_are_parted_alike() -> None:
    assert describe_edits(12872) == '12,872 px edited'
    assert '12,872 px' in describe_region('sand', 0.5, 12872)
