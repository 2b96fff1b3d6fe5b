"""The benchmark's two sides compute the same, on a tiny model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import matrix_rate
import spine
import spine_sides
from napari_naclip.engine.models import Model
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.templates import IMAGENET_TEMPLATES


def test_class_list_is_voc21() -> None:
    prompts = spine_sides.load_prompts()
    assert len(prompts) == 21
    assert sum(len(each) for each in prompts) == 56


def test_both_sides_agree(
    golden_clip: torch.nn.Module,
    golden_model: Model,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # How fast the machine is matters to the times only.
    monkeypatch.setattr(matrix_rate, 'BLOCKS', 1)
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
    work = spine_sides.Work(image, prompts, queries, torch.rand(4, 336, 336))
    published = spine_sides.Published(golden_clip, work)
    engine = spine_sides.Engine(golden_model, work)
    for row in spine.ROWS:
        if row.key == 'bfloat16' or row.key.startswith('pamr-56'):
            continue
        result = spine.measure_row(row, published, engine, work.owners, 1)
        assert result['largest'] < 1e-5
        assert not result['clear_labels']
        assert result['ratio'] > 0
