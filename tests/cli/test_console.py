"""What the bar on the terminal tells."""

from __future__ import annotations

import pytest

from napari_naclip.cli.console import ProgressBar
from napari_naclip.engine.types import Progress


def test_what_was_kept_is_told_and_left_out_of_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('COLUMNS', '120')
    with ProgressBar(is_shown=True) as bar:
        bar(Progress('windows', 0, 10))
        bar(Progress('windows', 8, 10, 8))
    shown = capsys.readouterr().err
    assert ' 8/10 ' in shown
    assert '?/s' in shown.rpartition('8/10')[2]
    assert '8 kept' in shown
