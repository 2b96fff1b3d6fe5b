"""A window seen in several ways, and what they have in common.

Every way of looking takes the pixels of the window alone and gives tokens of
its own grid: windows, regions and kept features are what they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import interpolate
from torch.nn.functional import normalize as unit_length

if TYPE_CHECKING:
    import torch

    from napari_naclip.engine.clip.tower import ImageTower
    from napari_naclip.engine.types import Settings


def window_tokens(
    tower: ImageTower, pixels: torch.Tensor, settings: Settings
) -> torch.Tensor:
    """Return the unit tokens of windows, as settings want them seen.

    Those of several ways of looking are averaged, which averages the cosines
    with every text but for a factor, and brought to unit length again. What
    was seen mirrored is mirrored back. What was seen at another size is
    resampled to the window's grid.

    Parameters
    ----------
    pixels : (B, 3, H, W) float32 Tensor
        Normalized pixels of windows of one size.

    Returns
    -------
    (B, rows, columns, D) float32 Tensor
        On the CPU.
    """
    beyond = settings.beyond

    def look(part: torch.Tensor) -> torch.Tensor:
        return tower.tokens(
            part,
            strategy=settings.strategy,
            architecture=settings.architecture,
            gaussian_std=settings.gaussian_std,
            beyond=beyond,
        ).cpu()

    def look_both_ways(part: torch.Tensor) -> torch.Tensor:
        tokens = look(part)
        if beyond.mirror:
            tokens = (tokens + look(part.flip(3)).flip(2)) / 2
        return tokens

    if not beyond.mirror and beyond.second_scale is None:
        return look(pixels)
    grid = tower.grid(pixels.shape[2], pixels.shape[3])
    # Else the mirrored window would have its patches elsewhere.
    pixels = _whole_patches(pixels, grid, tower.patch_size)
    tokens = look_both_ways(pixels)
    if beyond.second_scale is not None:
        size = [
            max(1, round(count * beyond.second_scale)) * patch
            for count, patch in zip(grid, tower.patch_size, strict=True)
        ]
        other = look_both_ways(_resample(pixels, size))
        other = _resample(other.permute(0, 3, 1, 2), list(grid))
        tokens = (tokens + other.permute(0, 2, 3, 1)) / 2
    return unit_length(tokens, dim=-1)


def _whole_patches(
    pixels: torch.Tensor, grid: tuple[int, int], patch: tuple[int, int]
) -> torch.Tensor:
    return pixels[:, :, : grid[0] * patch[0], : grid[1] * patch[1]]


def _resample(maps: torch.Tensor, size: list[int]) -> torch.Tensor:
    """Return (B, C, rows, columns) maps at another size, never aliased."""
    return interpolate(maps, size=size, mode='bilinear', antialias=True)
