"""What is known of a model before it is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import sliding_window


def test_the_sliding_window_is_the_loaded_model_s() -> None:
    model = load_model('demo', device='cpu')
    assert sliding_window('demo') == (model.window, model.stride)
    assert sliding_window('ViT-B-16') == (224, 112)
    with pytest.raises(ModelError, match="no model 'ViT'"):
        sliding_window('ViT')


def test_a_run_is_planned_without_torch() -> None:
    code = """
import sys
from napari_naclip.engine.registry import sliding_window
from napari_naclip.engine.types import Region, Settings
from napari_naclip.engine.windows import count_windows, plan_image

window, stride = sliding_window('demo')
plan = plan_image(448, 560, Settings(), window=window, stride=stride)
assert count_windows(plan, (448, 560)) == len(plan) == 5 * 7
assert count_windows(plan, (448, 560), Region(0, 0, 9, 9)) == 1
assert 'torch' not in sys.modules
"""
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
