"""The benchmarks' baseline is the published procedure: golden vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import baseline
from napari_naclip.engine.clip.text import clip_tokenizer
from napari_naclip.engine.templates import IMAGENET_TEMPLATES

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / 'tests' / 'golden'
CASES = json.loads((GOLDEN / 'cases.json').read_text())
#: Tolerances of golden/README.md.
LOGIT_TOLERANCE = 5e-6
PROBABILITY_TOLERANCE = 5e-5
TIE = 1e-4


@pytest.fixture(scope='module')
def arrays() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / 'arrays.npz') as file:
        return dict(file)


def class_prompts(key: str) -> list[list[str]]:
    return [entry.split(', ') for entry in CASES['names'][key]]


def make_options(kw: dict[str, Any], by_slices: bool) -> Any:
    return baseline.Options(
        window=kw['slide_crop'],
        stride=kw.get('slide_stride', 1),
        strategy=kw.get('attn_strategy', 'naclip'),
        architecture=kw.get('arch', 'reduced'),
        gaussian_std=kw.get('gaussian_std', 5.0),
        steps=kw['pamr_steps'],
        dilations=tuple(kw.get('pamr_stride', (8, 16))),
        by_slices=by_slices,
        threshold=kw.get('prob_thd', 0.0),
    )


@pytest.mark.parametrize('key', list(CASES['names']))
def test_query_embeddings(
    golden_clip: torch.nn.Module, arrays: dict[str, np.ndarray], key: str
) -> None:
    embeddings = baseline.encode_queries(
        golden_clip,
        clip_tokenizer(),
        [prompt for prompts in class_prompts(key) for prompt in prompts],
        IMAGENET_TEMPLATES,
    )
    np.testing.assert_allclose(
        embeddings, arrays[f'text/{key}'], atol=LOGIT_TOLERANCE
    )


@pytest.mark.parametrize(
    ('case', 'by_slices'),
    [
        pytest.param(case, by_slices, id=f'{case["id"]}-{by_slices}')
        for case in CASES['cases']
        for by_slices in (False, True)
        if case['kw']['pamr_steps'] or not by_slices
    ],
)
def test_case(
    golden_clip: torch.nn.Module,
    arrays: dict[str, np.ndarray],
    case: dict[str, Any],
    by_slices: bool,
) -> None:
    name, options = case['id'], make_options(case['kw'], by_slices)
    image = arrays[f'image/{case["image"]}']
    owners = torch.tensor(
        [
            index
            for index, prompts in enumerate(class_prompts(case['names']))
            for _ in prompts
        ]
    )
    queries = torch.from_numpy(arrays[f'text/{case["names"]}'])
    picture = baseline.prepare(image, short_side=None)
    cosines = baseline.image_cosines(golden_clip, picture, queries, options)
    np.testing.assert_allclose(
        cosines[:, ::3, ::3], arrays[f'{name}/logits'], atol=LOGIT_TOLERANCE
    )

    size = tuple(case.get('ori', image.shape[:2]))
    labels, probabilities = baseline.finish(
        cosines,
        picture,
        owners,
        size,
        options,
    )
    np.testing.assert_allclose(
        probabilities[:, ::3, ::3],
        arrays[f'{name}/probs'],
        atol=PROBABILITY_TOLERANCE,
    )
    best = torch.sort(probabilities, dim=0, descending=True).values
    is_clear = (best[0] - best[1] > TIE).numpy()
    assert is_clear.mean() > 0.9
    np.testing.assert_array_equal(
        labels.numpy()[is_clear], arrays[f'{name}/pred'][is_clear]
    )
