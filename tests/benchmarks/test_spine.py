"""The benchmark's two sides compute the same, on a tiny model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from napari_naclip.engine.models import Model
from napari_naclip.engine.prompts import IMAGENET_TEMPLATES
from napari_naclip.engine.segmenter import run_to_end

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture
def spine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return ``benchmarks/spine.py``, which imports the scripts beside it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location(
        'spine', BENCHMARKS / 'spine.py'
    )
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'spine', module)
    spec.loader.exec_module(module)
    return module


def test_class_list_is_voc21(spine: ModuleType) -> None:
    prompts = spine.load_prompts()
    assert len(prompts) == 21
    assert sum(len(each) for each in prompts) == 56


def test_both_sides_agree(
    spine: ModuleType, golden_clip: torch.nn.Module, golden_model: Model
) -> None:
    image = np.random.default_rng(0).integers(
        0, 256, (336, 336, 3), dtype=np.uint8
    )
    prompts = [['wall', 'floor'], ['cat'], ['cup']]
    queries = run_to_end(
        golden_model.embed(
            [prompt for each in prompts for prompt in each],
            IMAGENET_TEMPLATES,
        )
    )
    work = spine.Work(image, prompts, queries, torch.rand(21, 336, 336))
    published = spine.Published(golden_clip, work)
    engine = spine.Engine(golden_model, work)
    for row in spine.ROWS:
        if row.key == 'bfloat16' or row.key.startswith('pamr-56'):
            continue
        result = spine.measure_row(row, published, engine, work.owners, 1)
        assert result['largest'] < 1e-5
        assert not result['clear_labels']
        assert result['ratio'] > 0
