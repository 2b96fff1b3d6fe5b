"""Cached, banded and partial answers are the whole and fresh one, bit for bit.

Over patch sizes, strides, sizes, kinds of values and numbers of classes.
"""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np
import open_clip
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip.engine.clip.text import clip_tokenizer
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import (
    ClassList,
    Region,
    Segmentation,
    Settings,
)
from tiny_clip import TINY_CFG


@functools.cache
def make_model(patch: int) -> Model:
    """Return a random CLIP with patches of so many pixels."""
    vision = {**TINY_CFG['vision_cfg'], 'patch_size': patch}
    torch.manual_seed(patch)
    clip = open_clip.CLIP(**{**TINY_CFG, 'vision_cfg': vision})
    return load_model(
        (clip.eval(), clip_tokenizer()), device='cpu', precision='float32'
    )


def make_image(size: tuple[int, int], dtype: str, *, is_rgb: bool) -> Any:
    shape = (*size, 3) if is_rgb else size
    generator = np.random.default_rng(0)
    if np.dtype(dtype).kind == 'f':
        return generator.normal(size=shape).astype(dtype)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype)


def make_list(count: int) -> ClassList:
    return ClassList.from_text(
        '; '.join(['background', *(f'thing {i}' for i in range(count))])
    )


def spans(length: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(0, length - 1).flatmap(
        lambda start: st.tuples(st.just(start), st.integers(start + 1, length))
    )


def assert_equal(one: Segmentation, labels: Any, confidence: Any) -> None:
    np.testing.assert_array_equal(one.labels, labels)
    np.testing.assert_array_equal(one.confidence, confidence)


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    patch=st.sampled_from([4, 8, 16]),
    stride=st.sampled_from([12, 16, 24, 32]),
    size=st.tuples(st.integers(20, 110), st.integers(20, 110)),
    dtype=st.sampled_from(['uint8', 'uint16', 'int32', 'float32']),
    is_rgb=st.booleans(),
    count=st.integers(1, 20),
)
def test_every_way_to_labels_gives_the_same(
    data: st.DataObject,
    patch: int,
    stride: int,
    size: tuple[int, int],
    dtype: str,
    is_rgb: bool,
    count: int,
) -> None:
    model, classes = make_model(patch), make_list(count)
    options = Settings(
        detail=None,
        window=32,
        stride=stride,
        templates=('{}',),
        # Of the image: a part's own would be others.
        contrast_limits=(0.0, 200.0),
    )
    image = make_image(size, dtype, is_rgb=is_rgb)
    whole = segment(image, classes, model=model, settings=options)

    store = DictStore()
    other = make_list(data.draw(st.integers(1, 20), 'classes before'))
    live = Segmenter(model, options, store).open(image)
    run_to_end(live.answer(other))
    cached = run_to_end(live.answer(classes))
    assert_equal(cached, whole.labels, whole.confidence)

    chunks = tuple(data.draw(st.integers(7, 60), 'chunk') for _ in size)
    lazy = da.from_array(image, chunks=(*chunks, 3) if is_rgb else chunks)
    banded = segment(lazy, classes, model=model, settings=options)
    assert_equal(banded, whole.labels, whole.confidence)

    (top, bottom), (left, right) = (data.draw(spans(each)) for each in size)
    region = Region(top, left, bottom, right)
    part = segment(
        image, classes, model=model, settings=options, region=region
    )
    assert_equal(
        part, whole.labels[region.slices], whole.confidence[region.slices]
    )
