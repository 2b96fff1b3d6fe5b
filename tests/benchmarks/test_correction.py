"""The simulated person counts answers rightly."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from correction import Scene, needed, score, walk
from correction_report import interval, reliability


def make_scene() -> Scene:
    """Return four regions of two true classes, drafted as three."""
    counts = np.array([[50, 0, 0], [0, 30, 0], [0, 10, 0], [8, 2, 0]])
    return Scene(SimpleNamespace(), counts, np.array([0, 0, 2, 0]))


def test_walk_ends_at_the_ceiling() -> None:
    scene = make_scene()
    way = walk(scene, [0, 2, 1, 3], of_truth=False)
    # Nothing is done by accepting what is right.
    assert way[0] == way[1] == score(scene, scene.values, of_truth=False)
    assert way[-1] == score(scene, scene.truth, of_truth=False)
    assert way[-1] == pytest.approx((58 / 60 + 40 / 42) / 2)
    assert needed(way) == 3
    assert needed(walk(scene, [1, 2, 0, 3], of_truth=False)) == 2


def test_classes_that_are_not_there_count_by_one_measure() -> None:
    scene = make_scene()
    values = np.array([0, 1, 2, 0])
    by_both = score(scene, values, of_truth=False)
    by_truth = score(scene, values, of_truth=True)
    assert by_both == pytest.approx(by_truth * 2 / 3)


def test_interval_of_a_ratio_holds_it() -> None:
    below = np.arange(10.0, 30)
    assert interval(below / 2, below) == '0.500 (0.500 to 0.500)'


def test_reliability_compares_doubt_with_what_is_wrong() -> None:
    doubt = np.array([0.1, 0.1, 0.9])
    text = reliability(doubt, np.array([False, True, True]))
    assert '2 regions, doubt 0.10, wrong 0.50' in text
    assert '1 regions, doubt 0.90, wrong 1.00' in text
