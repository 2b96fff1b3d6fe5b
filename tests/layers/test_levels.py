"""A level of a pyramid gives the labels that it gives as an image."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image

from napari_naclip import Settings, load_model, segment
from napari_naclip.engine.models import Model
from napari_naclip.layers.read import take_snapshot
from napari_naclip.layers.snapshot import PlaneSnapshot

CLASSES = 'grass; sand; water; brick; road'


@pytest.fixture(scope='module')
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


def take(image: Image, detail: int) -> PlaneSnapshot:
    viewer = ViewerModel()
    viewer.add_layer(image)
    return take_snapshot(image, viewer, Settings(detail=detail))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    size=st.tuples(st.integers(120, 260), st.integers(120, 260)),
    detail=st.integers(40, 130),
    dtype=st.sampled_from(['uint8', 'uint16', 'float32']),
    is_lazy=st.booleans(),
)
def test_level_is_image(
    demo: Model,
    size: tuple[int, int],
    detail: int,
    dtype: str,
    is_lazy: bool,
) -> None:
    values = np.random.default_rng(0).integers(0, 200, size).astype(dtype)
    levels = [values, values[::2, ::2], values[::4, ::4]]
    shown = [da.from_array(each, chunks=37) for each in levels]
    pyramid = Image(
        shown if is_lazy else levels, multiscale=True, contrast_limits=(0, 200)
    )
    snapshot = take(pyramid, detail)
    alone = take(
        Image(levels[snapshot.level], contrast_limits=(0, 200)), detail
    )
    options = Settings(
        detail=detail, templates=('{}',), contrast_limits=(0.0, 200.0)
    )
    of_level, of_image = (
        segment(
            each.read(),
            CLASSES,
            model=demo,
            settings=options,
        )
        for each in (snapshot, alone)
    )
    np.testing.assert_array_equal(of_level.labels, of_image.labels)
    np.testing.assert_array_equal(of_level.confidence, of_image.confidence)
    assert of_level.labels.shape == levels[snapshot.level].shape
