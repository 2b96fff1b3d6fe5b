"""Parity with the outputs of the published code, case by case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_naclip.engine.affinities import Affinities
from napari_naclip.engine.models import Model
from napari_naclip.engine.prompts import parse_classes
from napari_naclip.engine.refine import refine_in_place
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.templates import IMAGENET_TEMPLATES
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import ClassList, Region, Settings
from tallies import class_probabilities, tally_maps

GOLDEN = Path(__file__).parents[1] / 'golden'
CASES = json.loads((GOLDEN / 'cases.json').read_text())
#: Tolerances of golden/README.md.
LOGIT_TOLERANCE = 5e-6
PROBABILITY_TOLERANCE = 5e-5
TIE = 1e-4


@pytest.fixture(scope='module')
def arrays() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / 'arrays.npz') as file:
        return dict(file)


def class_list(key: str) -> ClassList:
    return ClassList.from_text('; '.join(CASES['names'][key]))


def make_settings(kw: dict[str, Any]) -> Settings:
    return Settings(
        strategy=kw.get('attn_strategy', 'naclip'),
        architecture=kw.get('arch', 'reduced'),
        gaussian_std=kw.get('gaussian_std', 5.0),
        detail=None,
        window=kw['slide_crop'],
        stride=kw.get('slide_stride', 1),
        token_precision='float32',
    )


@pytest.mark.parametrize('key', list(CASES['names']))
def test_query_embeddings(
    golden_model: Model, arrays: dict[str, np.ndarray], key: str
) -> None:
    prompts = parse_classes('; '.join(CASES['names'][key]))
    queries = [prompt for each in prompts for prompt in each]
    embeddings = run_to_end(golden_model.embed(queries, IMAGENET_TEMPLATES))
    np.testing.assert_allclose(
        embeddings, arrays[f'text/{key}'], atol=LOGIT_TOLERANCE
    )


@pytest.mark.parametrize('case', CASES['cases'], ids=lambda c: c['id'])
def test_case(
    golden_model: Model, arrays: dict[str, np.ndarray], case: dict[str, Any]
) -> None:
    kw, name = case['kw'], case['id']
    classes = class_list(case['names'])
    image = arrays[f'image/{case["image"]}']
    segmenter = Segmenter(golden_model, make_settings(kw))
    features = run_to_end(segmenter.encode(image))
    queries = run_to_end(segmenter.embed(classes))
    scores = TokenScores(features, queries)

    cosines = Projection(features).maps(scores, features.region)
    np.testing.assert_allclose(
        cosines[:, ::3, ::3], arrays[f'{name}/logits'], atol=LOGIT_TOLERANCE
    )

    # A resized copy whose labels are wanted at another size.
    size = tuple(case.get('ori', image.shape[:2]))
    region = Region(0, 0, *size)
    features.seen.size = size
    features = replace(features, region=region)
    scores = TokenScores(features, queries)
    maps = Projection(features).maps(scores, region)
    if kw['pamr_steps']:
        dilations = tuple(kw.get('pamr_stride', (8, 16)))
        affinities = Affinities(features.seen.guide(region), dilations)
        for _ in refine_in_place(maps, affinities, kw['pamr_steps']):
            pass
    tally = tally_maps(maps, classes, scale=40)
    labels = tally.labels(classes, kw.get('prob_thd', 0))
    probabilities = class_probabilities(maps, tally, classes, scale=40)
    np.testing.assert_allclose(
        probabilities[:, ::3, ::3],
        arrays[f'{name}/probs'],
        atol=PROBABILITY_TOLERANCE,
    )
    best = torch.sort(probabilities, dim=0, descending=True).values
    is_clear = (best[0] - best[1] > TIE).numpy()
    expected = arrays[f'{name}/pred'].astype(int)
    if classes.background is None:
        expected += 1
    assert is_clear.mean() > 0.9
    np.testing.assert_array_equal(labels[is_clear], expected[is_clear])
