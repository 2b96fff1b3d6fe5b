"""Fixtures of the engine's tests: tiny random models, built when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from napari_naclip.engine.clip import load
from napari_naclip.engine.clip.text import Tokenizer
from napari_naclip.engine.models import Model, load_model

VISION = {'image_size': 32, 'layers': 2, 'width': 32, 'patch_size': 8}
TEXT = {'vocab_size': 49408, 'width': 32, 'heads': 2, 'layers': 2}


@pytest.fixture(scope='session')
def make_clip() -> Callable[..., torch.nn.Module]:
    """Return a function that builds a tiny random CLIP of open_clip."""

    def make(
        *, seed: int = 0, quick_gelu: bool = True, **vision: Any
    ) -> torch.nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            clip = load.build_clip(
                {
                    'embed_dim': 16,
                    'vision_cfg': VISION | {'head_width': 16} | vision,
                    'text_cfg': TEXT,
                    'quick_gelu': quick_gelu,
                }
            )
            for parameter in clip.parameters():
                # Away from zeros and ones, which would hide what is unused.
                noise = torch.randn(parameter.shape)
                parameter.data.add_(0.1 * noise)
        return clip

    return make


@pytest.fixture(scope='session')
def tiny_clip(make_clip: Callable[..., torch.nn.Module]) -> torch.nn.Module:
    """Return a tiny CLIP with windows of 32 px; never to be changed."""
    return make_clip()


@pytest.fixture
def tiny_model(tiny_clip: torch.nn.Module, tokenizer: Tokenizer) -> Model:
    """Return the tiny CLIP as a model in float32 on the CPU."""
    return load_model(
        (tiny_clip, tokenizer), device='cpu', precision='float32'
    )
