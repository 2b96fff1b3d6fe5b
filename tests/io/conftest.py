from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_naclip.engine.types import ClassList, Segmentation


@pytest.fixture
def make_result() -> Callable[..., Segmentation]:
    def make(text: str = 'sky; tree', **options: object) -> Segmentation:
        classes = ClassList.from_text(text, background='wall')
        values = [row.value for row in classes.rows]
        labels = np.resize(np.array(values, classes.label_dtype), (5, 7))
        return Segmentation(
            labels=labels,
            confidence=np.ones((5, 7), np.float16),
            classes=classes,
            recipe={'versions': {'python': '3'}},
            notices=('Something to know.',),
        )

    return make
