"""Procedural textures: patterns in [0, 1] and nature-like RGB tiles.

Everything is drawn from a seeded generator; nothing is read from a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

FloatArray = npt.NDArray[np.float32]
Generator = np.random.Generator

_PERIOD: Final = (6.0, 16.0)


def _axes(
    rng: Generator, size: int, angle: float | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the two coordinates, in pixels, of a turned and shifted grid."""
    if angle is None:
        angle = rng.uniform(0.0, np.pi)
    y = np.arange(size, dtype=np.float32)[:, None]
    x = np.arange(size, dtype=np.float32)[None, :]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    shift = rng.uniform(0.0, 64.0, 2).astype(np.float32)
    return cos * x + sin * y + shift[0], cos * y - sin * x + shift[1]


def _period(rng: Generator) -> np.float32:
    return np.float32(rng.uniform(*_PERIOD))


def _distance_in_cell(values: FloatArray, period: np.float32) -> FloatArray:
    """Return the distance, in pixels, to the nearest multiple of a period."""
    half = period / np.float32(2)
    distance: FloatArray = np.abs((values + half) % period - half)
    return distance


def _soft(values: FloatArray) -> FloatArray:
    """Clip to [0, 1]: a one-pixel ramp instead of a jagged edge."""
    clipped: FloatArray = np.clip(values + np.float32(0.5), 0.0, 1.0)
    return clipped


def smooth_noise(rng: Generator, size: int, sigma: float) -> FloatArray:
    """Return periodic Gaussian noise of zero mean and unit variance.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance.
    size : int
        Side in pixels.
    sigma : float
        Standard deviation of the smoothing, in pixels.

    Returns
    -------
    ndarray of shape (size, size), float32
    """
    return _filtered_noise(rng, size, sigma, sigma)


def _filtered_noise(
    rng: Generator, size: int, sigma_rows: float, sigma_columns: float
) -> FloatArray:
    noise = rng.standard_normal((size, size), dtype=np.float32)
    y = np.exp(-2.0 * (np.pi * sigma_rows * np.fft.fftfreq(size)) ** 2)
    x = np.exp(-2.0 * (np.pi * sigma_columns * np.fft.rfftfreq(size)) ** 2)
    spectrum = np.fft.rfft2(noise) * (y[:, None] * x[None, :])
    result = np.fft.irfft2(spectrum, s=noise.shape)
    result -= result.mean()
    result /= result.std() + 1e-8
    return result.astype(np.float32)


def _plain(rng: Generator, size: int) -> FloatArray:
    shading = 0.05 + 0.03 * smooth_noise(rng, size, 20.0)
    clipped: FloatArray = np.clip(shading, 0.0, 0.15).astype(np.float32)
    return clipped


def _stripes(rng: Generator, size: int) -> FloatArray:
    u, _ = _axes(rng, size)
    period = _period(rng)
    duty = np.float32(rng.uniform(0.35, 0.55))
    return _soft(duty * period / 2 - _distance_in_cell(u, period))


def _dots(rng: Generator, size: int) -> FloatArray:
    u, v = _axes(rng, size)
    period = _period(rng)
    radius = period * np.float32(rng.uniform(0.24, 0.36))
    du, dv = _distance_in_cell(u, period), _distance_in_cell(v, period)
    return _soft(radius - np.sqrt(du**2 + dv**2))


def _checkerboard(rng: Generator, size: int) -> FloatArray:
    u, v = _axes(rng, size)
    period = _period(rng)
    scale = np.float32(2.0 * np.pi) / period
    waves = np.sin(u * scale) * np.sin(v * scale)
    return _soft(waves * period / np.float32(3))


def _grid(rng: Generator, size: int) -> FloatArray:
    u, v = _axes(rng, size)
    period = _period(rng)
    half_line = period * np.float32(rng.uniform(0.10, 0.16))
    nearest = np.minimum(
        _distance_in_cell(u, period), _distance_in_cell(v, period)
    )
    return _soft(half_line - nearest)


def _speckles(rng: Generator, size: int) -> FloatArray:
    noise = smooth_noise(rng, size, rng.uniform(1.0, 1.9))
    level = np.float32(rng.uniform(0.5, 0.9))
    return _soft((noise - level) * np.float32(4))


def _waves(rng: Generator, size: int) -> FloatArray:
    u, v = _axes(rng, size)
    period = _period(rng)
    length = np.float32(rng.uniform(18.0, 34.0))
    swing = period * np.float32(rng.uniform(0.45, 0.8))
    bent = u + swing * np.sin(v * np.float32(2.0 * np.pi) / length)
    duty = np.float32(rng.uniform(0.35, 0.55))
    return _soft(duty * period / 2 - _distance_in_cell(bent, period))


PATTERN_FIELDS: Final[dict[str, Callable[[Generator, int], FloatArray]]] = {
    'plain': _plain,
    'stripes': _stripes,
    'dots': _dots,
    'checkerboard': _checkerboard,
    'grid': _grid,
    'speckles': _speckles,
    'waves': _waves,
}


def _color(
    rng: Generator, rgb: tuple[float, float, float], jitter: float = 0.03
) -> FloatArray:
    color = np.asarray(rgb) + rng.normal(0.0, jitter, 3)
    return color.astype(np.float32)


def _mix(a: FloatArray, b: FloatArray, share: FloatArray) -> FloatArray:
    """Blend two colors; `share` (H, W) in [0, 1] is the part of `b`."""
    mixed: FloatArray = a + (b - a) * share[..., None]
    return mixed


def _water(rng: Generator, size: int) -> FloatArray:
    u, v = _axes(rng, size, rng.uniform(1.2, 1.9))
    bend = 3.0 * smooth_noise(rng, size, 7.0)
    ripple = np.sin((u + bend) * np.float32(2 * np.pi / rng.uniform(6, 11)))
    swell = smooth_noise(rng, size, 12.0) + np.sin(v / np.float32(15))
    share = np.clip(0.35 + 0.28 * ripple + 0.12 * swell, 0.0, 1.0)
    return _mix(
        _color(rng, (0.05, 0.24, 0.42)), _color(rng, (0.38, 0.62, 0.74)), share
    )


def _sand(rng: Generator, size: int) -> FloatArray:
    u, _ = _axes(rng, size)
    bend = 4.0 * smooth_noise(rng, size, 10.0)
    dunes = np.sin((u + bend) * np.float32(2 * np.pi / rng.uniform(12, 24)))
    grain = smooth_noise(rng, size, 0.6)
    share = np.clip(0.5 + 0.18 * dunes + 0.14 * grain, 0.0, 1.0)
    return _mix(
        _color(rng, (0.70, 0.57, 0.38)), _color(rng, (0.92, 0.83, 0.64)), share
    )


def _grass(rng: Generator, size: int) -> FloatArray:
    blades = _filtered_noise(rng, size, rng.uniform(2.2, 3.6), 0.5)
    patches = smooth_noise(rng, size, 9.0)
    share = np.clip(0.5 + 0.26 * blades + 0.08 * patches, 0.0, 1.0)
    return _mix(
        _color(rng, (0.18, 0.40, 0.07)), _color(rng, (0.58, 0.78, 0.26)), share
    )


def _brick(rng: Generator, size: int) -> FloatArray:
    u, v = _axes(rng, size, rng.uniform(-0.15, 0.15))
    height = np.float32(rng.uniform(8.0, 12.0))
    width = height * np.float32(rng.uniform(1.9, 2.4))
    course = np.floor(v / height)
    u = u + (course % 2) * width / 2
    joint = np.minimum(
        _distance_in_cell(v, height), _distance_in_cell(u, width)
    )
    mortar = _soft(np.float32(1.0) - joint)
    tone = np.sin(np.floor(u / width) * 12.9898 + course * 78.233) * 0.5 + 0.5
    stone = _mix(
        _color(rng, (0.50, 0.20, 0.14)), _color(rng, (0.70, 0.34, 0.25)), tone
    )
    light = _color(rng, (0.80, 0.76, 0.70))
    wall: FloatArray = stone + (light - stone) * mortar[..., None]
    return wall + 0.02 * smooth_noise(rng, size, 0.6)[..., None]


def _lattice_cells(
    rng: Generator, size: int, spacing: float
) -> tuple[FloatArray, FloatArray]:
    """Return distance to the nearest jittered point and that point's tone.

    The distance is in units of `spacing`, the tone uniform in [0, 1].
    """
    count = int(np.ceil(size / spacing)) + 2
    jitter = rng.uniform(-0.35, 0.35, (count, count, 2)).astype(np.float32)
    tones = rng.random((count, count), dtype=np.float32)
    grid = (np.arange(size, dtype=np.float32) + 0.5) / np.float32(spacing)
    base = np.floor(grid).astype(np.intp)
    best = np.full((size, size), np.inf, dtype=np.float32)
    tone = np.zeros((size, size), dtype=np.float32)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            rows, columns = base[:, None] + down, base[None, :] + right
            dy = grid[:, None] - (rows - 0.5 + jitter[rows, columns, 0])
            dx = grid[None, :] - (columns - 0.5 + jitter[rows, columns, 1])
            distance = (dy**2 + dx**2).astype(np.float32)
            nearer = distance < best
            best = np.where(nearer, distance, best)
            tone = np.where(nearer, tones[rows, columns], tone)
    return np.sqrt(best), tone


def _forest(rng: Generator, size: int) -> FloatArray:
    distance, tone = _lattice_cells(rng, size, rng.uniform(10.0, 15.0))
    leaves = smooth_noise(rng, size, 0.9)
    share = np.clip(
        0.75 - 0.95 * distance + 0.3 * tone + 0.10 * leaves, 0.0, 1.0
    )
    return _mix(
        _color(rng, (0.02, 0.10, 0.05)), _color(rng, (0.18, 0.42, 0.20)), share
    )


def _cells(rng: Generator, size: int) -> FloatArray:
    distance, tone = _lattice_cells(rng, size, rng.uniform(12.0, 17.0))
    bump = 0.05 * smooth_noise(rng, size, 2.0)
    inside = np.clip((0.34 - distance + bump) * 9.0 + 0.5, 0.0, 1.0)
    nuclei = (inside * (0.75 + 0.25 * tone)).astype(np.float32)
    stroma = _mix(
        _color(rng, (0.90, 0.72, 0.82)),
        _color(rng, (0.96, 0.88, 0.92)),
        np.clip(0.5 + 0.25 * smooth_noise(rng, size, 4.0), 0.0, 1.0),
    )
    dark = _color(rng, (0.34, 0.18, 0.48))
    tissue: FloatArray = stroma + (dark - stroma) * nuclei[..., None]
    return tissue


def _roof(rng: Generator, size: int) -> FloatArray:
    u, v = _axes(rng, size, rng.uniform(-0.3, 0.3))
    width = np.float32(rng.uniform(8.0, 13.0))
    height = width * np.float32(0.8)
    row = np.floor(v / height)
    u = u + (row % 2) * width / 2
    across = _distance_in_cell(u, width) / width
    down = v / height - row - np.float32(0.8) * across**2
    shade = np.clip(0.25 + 0.75 * (down % 1.0), 0.0, 1.0)
    share = np.clip(shade + 0.05 * smooth_noise(rng, size, 0.7), 0.0, 1.0)
    return _mix(
        _color(rng, (0.30, 0.12, 0.07)), _color(rng, (0.86, 0.46, 0.28)), share
    )


def _road(rng: Generator, size: int) -> FloatArray:
    grain = smooth_noise(rng, size, 0.7)
    patches = smooth_noise(rng, size, 14.0)
    share = np.clip(0.5 + 0.17 * grain + 0.10 * patches, 0.0, 1.0)
    asphalt = _mix(
        _color(rng, (0.24, 0.24, 0.26), 0.015),
        _color(rng, (0.52, 0.52, 0.54), 0.015),
        share,
    )
    u, v = _axes(rng, size)
    line = _soft(np.float32(1.2) - _distance_in_cell(u, np.float32(44.0)))
    dashes = line * ((v % 30.0) < 17.0)
    marked: FloatArray = asphalt + (0.86 - asphalt) * dashes[..., None]
    return marked


NATURE_TILES: Final[dict[str, Callable[[Generator, int], FloatArray]]] = {
    'water': _water,
    'sand': _sand,
    'grass': _grass,
    'brick': _brick,
    'forest': _forest,
    'cells': _cells,
    'roof': _roof,
    'road': _road,
}
