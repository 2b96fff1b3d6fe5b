"""The color cycle, seen with normal and with color-blind eyes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_naclip.engine.colors import (
    class_color,
    describe_color,
    hex_to_rgb,
    is_hex_color,
    next_color,
    rgb_to_hex,
)

#: Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
EYES = {
    'normal': np.eye(3),
    'protanopia': [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    'deuteranopia': [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    'tritanopia': [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
#: Linear sRGB to XYZ, white D65.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
#: CIELAB distance of a clear difference; 2.3 is just noticeable.
CLEAR = 8.0


def lab(color: str, eye: str) -> np.ndarray:
    rgb = np.array(hex_to_rgb(color)) / 255
    linear = np.where(
        rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4
    )
    linear = np.clip(np.asarray(EYES[eye]) @ linear, 0, 1)
    xyz = TO_XYZ @ linear / (TO_XYZ @ np.ones(3))
    f = np.where(
        xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29
    )
    return np.array(
        [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]
    )


@pytest.mark.parametrize('eye', EYES)
def test_the_first_eight_colors_stay_apart(eye: str) -> None:
    seen = [lab(class_color(value), eye) for value in range(1, 9)]
    distances = [
        float(np.linalg.norm(one - other))
        for one, other in itertools.combinations(seen, 2)
    ]
    assert min(distances) > CLEAR


def test_all_colors_of_the_cycle_differ() -> None:
    colors = [class_color(value) for value in range(1, 22)]
    assert len(set(colors)) == 21
    assert all(is_hex_color(color) for color in colors)


def test_the_cycle_repeats() -> None:
    assert class_color(22) == class_color(1)


def test_hex_is_read_as_it_is_written() -> None:
    assert hex_to_rgb(rgb_to_hex(1, 128, 255)) == (1, 128, 255)


@pytest.mark.parametrize('text', ['', 'red', '#12345', '#1234567', '#12345g'])
def test_other_texts_are_no_colors(text: str) -> None:
    assert not is_hex_color(text)


def test_a_free_color_is_the_first_that_nobody_has() -> None:
    first = [class_color(value) for value in (1, 2, 3)]
    assert next_color(9, first) == class_color(4)
    assert next_color(9, [first[0].upper(), first[2]]) == class_color(2)
    everything = [class_color(value) for value in range(1, 22)]
    assert next_color(23, everything) == class_color(23)


@pytest.mark.parametrize(
    ('color', 'name'),
    [
        ('#000000', 'black'),
        ('#ffffff', 'white'),
        ('#808080', 'gray'),
        ('#e69f00', 'orange'),
        ('#56b4e9', 'blue'),
        ('#009e73', 'green'),
        ('#f0e442', 'yellow'),
        ('#0072b2', 'blue'),
        ('#660000', 'dark red'),
        ('#ffb0ff', 'light pink'),
    ],
)
def test_a_color_has_a_plain_name(color: str, name: str) -> None:
    assert describe_color(color).endswith(name)
