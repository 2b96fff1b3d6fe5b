from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_naclip.engine.types import ClassList
from napari_naclip.evaluate import count


def answer_rows(image: npt.NDArray[Any], rows: int) -> npt.NDArray[np.intp]:
    """Return made-up answers, rows of the list, that the pixels decide."""
    return image.astype(int).sum(axis=2) % rows


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let made-up answers stand for the model's; return a list that grows."""
    calls: list[int] = []

    def answer(
        image: npt.NDArray[Any], classes: ClassList, **_: object
    ) -> SimpleNamespace:
        calls.append(len(calls))
        values = np.array([row.value for row in classes.rows])
        rows = answer_rows(image, len(values))
        return SimpleNamespace(labels=values[rows], notices=())

    monkeypatch.setattr(count, 'segment', answer)
    return calls
