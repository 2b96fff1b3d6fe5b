"""What is told of an answer under way."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from napari_naclip.engine.types import Partial, Progress, Region, Settings
from napari_naclip.ui import reporting
from napari_naclip.ui.reporting import Reporter, take_all


@pytest.fixture(autouse=True)
def tells_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, '_QUIET', -1.0)
    monkeypatch.setattr(reporting, '_REPORT_INTERVAL', -1.0)


def part(top: int, bottom: int) -> Partial:
    return Partial(Region(top, 0, bottom, 10), np.zeros((bottom - top, 10)))


def tell(steps, *, has_parts: bool = True, refine: str = 'off'):
    """Return the progress that is told of the second of two questions."""
    wanted = SimpleNamespace(settings=Settings(refine=refine))
    first, second = (
        SimpleNamespace(
            kept=SimpleNamespace(
                snapshot=SimpleNamespace(area=Region(0, 0, rows, 10))
            ),
            wanted=wanted,
        )
        for rows in (10, 30)
    )
    wish = SimpleNamespace(
        questions=(first, second),
        is_stopped=threading.Event(),
        is_replaced=threading.Event(),
    )
    told: list[Progress] = []

    def say(_wish, _question, what) -> None:
        if isinstance(what, Progress):
            told.append(what)

    take_all(iter(steps), Reporter(say, wish, second), has_parts)
    return [(each.stage, each.done, each.total) for each in told]


@pytest.mark.parametrize('has_parts', [True, False])
def test_labels_that_are_there_are_counted(has_parts: bool) -> None:
    """Of a large plane they take long though no window is looked at."""
    steps = [Progress('windows', 9, 9), part(5, 20), part(0, 5), part(20, 30)]
    assert tell(steps, has_parts=has_parts) == [
        ('windows', 9, 9),
        ('labels', 250, 400),
        ('labels', 300, 400),
        ('labels', 400, 400),
    ]


def test_windows_and_refinement_tell_of_themselves() -> None:
    looked = [Progress('windows', 3, 9), part(0, 20)]
    assert tell(looked) == [('windows', 3, 9)]
    refined = [part(0, 20), Progress('refine', 3, 9)]
    assert tell(refined, refine='fine') == [('refine', 3, 9)]
