"""An example is what labels are made from at its pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_naclip.correct.examples import (
    collect_example,
    find_center,
    mean_token,
)
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.taught import Teaching
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import Region


def test_product_with_a_query_is_its_mean_score(draft) -> None:
    features = draft.live.features
    size = features.tokens.shape[-1]
    rng = np.random.default_rng(0)
    queries = torch.from_numpy(rng.normal(size=(3, size)).astype(np.float32))
    place = Region(20, 90, 145, 200)
    maps = Projection(features).maps(TokenScores(features, queries), place)
    mask = rng.random(place.size) < 0.1
    token = mean_token(draft.live, mask, place)
    np.testing.assert_allclose(
        queries.numpy() @ token, maps.numpy()[:, mask].mean(axis=1), atol=2e-5
    )


def test_one_region_teaches_its_class(draft) -> None:
    """A wrong region gets its class; the share of right pixels rises."""
    wrong = draft.result.labels != draft.truth
    value = np.bincount(draft.truth[wrong]).argmax()
    mask = wrong & (draft.truth == value)
    example = collect_example(draft.live, mask)
    assert example.pixels == mask.sum()
    classes = draft.result.classes
    row = classes.classes[value - 1]
    taught = replace(row, teaching=Teaching((example,)))
    classes = replace(
        classes,
        classes=tuple(
            taught if each is row else each for each in classes.rows
        ),
    )
    answer = run_to_end(draft.live.answer(classes))
    before = (draft.result.labels == draft.truth).mean()
    assert (answer.labels[mask] == value).mean() > 0.5
    assert (answer.labels == draft.truth).mean() > before


def test_center_is_found_once(draft) -> None:
    center = find_center(draft.live)
    mask = np.zeros(draft.truth.shape, bool)
    mask[:9] = True
    given = collect_example(draft.live, mask, center=center)
    assert given == collect_example(draft.live, mask)
    # The demo model's tokens of different things have little in common.
    assert np.linalg.norm(center) < 0.5


@pytest.mark.parametrize(
    ('place', 'size', 'message'),
    [
        (Region(0, 0, 4, 4), (4, 4), 'no pixel'),
        (Region(0, 0, 4, 4), (4, 5), 'pixels'),
        (Region(0, 0, 4, 999), (4, 999), 'reaches out'),
    ],
)
def test_pixels_that_are_none_are_refused(draft, place, size, message) -> None:
    with pytest.raises(InputError, match=message):
        collect_example(draft.live, np.zeros(size, bool), place)
