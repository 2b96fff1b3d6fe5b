"""An embedding depends on its query and templates alone, bit for bit.

Products are rounded by their shape: texts of other queries, of another length
or number, must not share a batch. The demo model, on which this shows.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip import ClassList, Settings, load_model
from napari_naclip.engine.models import Model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.templates import IMAGENET_TEMPLATES
from napari_naclip.engine.text_cache import TextCache

NAMES = [
    'sky',
    'sand',
    'water',
    'grass',
    'wood',
    'brick wall',
    'a very small red ball',
    'many green leaves on the ground',
]
TEMPLATES = {
    'none': ('{}',),
    'three': ('{}', 'a photo of a {}.', 'there are many {} in the picture'),
    'all': tuple(IMAGENET_TEMPLATES),
}


@functools.cache
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


def start_anew(folder: Path | None = None) -> Model:
    """Return the demo model as another process has it."""
    return dataclasses.replace(demo(), cache=TextCache(folder), _embeddings={})


@functools.cache
def alone(name: str, templates: str) -> torch.Tensor:
    """Return what a model makes of a query that nothing was asked before."""
    return run_to_end(start_anew().embed([name], TEMPLATES[templates]))[0]


@settings(max_examples=30, deadline=None)
@given(
    lists=st.lists(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=8),
        min_size=1,
        max_size=3,
    ),
    templates=st.sampled_from(list(TEMPLATES)),
    warm=st.booleans(),
)
def test_any_order_and_company_gives_the_same_bits(
    lists: list[list[str]], templates: str, warm: bool
) -> None:
    expected = {name: alone(name, templates) for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        model = start_anew(Path(folder))
        for names in lists:
            found = run_to_end(model.embed(names, TEMPLATES[templates]))
            for name, row in zip(names, found, strict=True):
                assert torch.equal(row, expected[name]), name
            if warm:
                # What is on the disk, and what is missing there.
                model = start_anew(Path(folder))


@pytest.mark.parametrize('templates', list(TEMPLATES))
def test_cancelling_between_batches_changes_nothing(templates: str) -> None:
    model = start_anew()
    steps = model.embed(NAMES, TEMPLATES[templates])
    list(itertools.islice(steps, 4))
    steps.close()
    found = run_to_end(model.embed(NAMES[::-1], TEMPLATES[templates]))
    for name, row in zip(NAMES[::-1], found, strict=True):
        assert torch.equal(row, alone(name, templates)), name


def test_one_query_after_another_counts_on() -> None:
    model = start_anew()
    steps = list(model.embed(NAMES[:3], IMAGENET_TEMPLATES))
    assert [step.done for step in steps] == [0, 64, 80, 144, 160, 224, 240]
    assert {step.total for step in steps} == {240}


def test_labels_in_a_near_tie_do_not_follow_the_order_of_typing() -> None:
    # Noise, in which nothing is much more like one word than another.
    typed = [
        'sand; water; grass',
        'sand; water; grass; brick; road; wood; sky',
    ]
    squares = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    image = squares.repeat(15, 0).repeat(15, 1)

    def label(*texts: str) -> np.ndarray:
        live = Segmenter(start_anew(), Settings()).open(image)
        labels = np.empty(0)
        for text in texts:
            labels = run_to_end(live.answer(ClassList.from_text(text))).labels
        return labels

    np.testing.assert_array_equal(label(*typed), label(typed[-1]))
