"""The published NACLIP procedure, transcribed plainly: what is compared with.

One class name and one window at a time, texts at the full 77 tokens, cosines
upsampled in each window, accumulators of the image's full size, PAMR with all
shifted copies of all maps in one tensor (``baseline_pamr``), the maximum over
synonyms by a one-hot product. Nothing is made slower than the procedure is,
and nothing is made faster by reordering it. It shares no code with the engine.

Hajimiri, Ben Ayed and Dolz, "Pay Attention to Your Neighbours: Training-Free
Open-Vocabulary Semantic Segmentation", WACV 2025, arXiv 2404.08181.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import (
    interpolate,
    linear,
    normalize,
    one_hot,
    pad,
    softmax,
)

import baseline_pamr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

#: CLIP's mean and std of pixels from 0 to 255, as published.
PIXEL_MEAN = (122.771, 116.746, 104.094)
PIXEL_STD = (68.501, 66.632, 70.323)


@dataclass(frozen=True, slots=True)
class Options:
    """The published settings.

    Attributes
    ----------
    window, stride : int
        In pixels; a window of 0 takes the whole image in one pass.
    strategy : str
        ``naclip``, ``nonly``, ``kk``, ``csa`` or ``vanilla``.
    architecture : str
        ``reduced`` or ``vanilla``.
    gaussian_std : float
        In patches.
    steps : int
        Of PAMR; 0: none.
    dilations : tuple of int
        Of PAMR, in pixels.
    by_slices : bool
        Not published: see ``shifted_copies``.
    logit_scale, threshold : float
    """

    window: int = 224
    stride: int = 112
    strategy: str = 'naclip'
    architecture: str = 'reduced'
    gaussian_std: float = 5.0
    steps: int = 10
    dilations: tuple[int, ...] = (8, 16)
    by_slices: bool = False
    logit_scale: float = 40.0
    threshold: float = 0.0


@torch.inference_mode()
def encode_query(
    clip: torch.nn.Module,
    tokenizer: Callable[[list[str]], torch.Tensor],
    query: str,
    templates: Sequence[str],
) -> torch.Tensor:
    """Return the unit embedding (D,) of one query over all templates."""
    prompts = [template.replace('{}', query) for template in templates]
    features = normalize(clip.encode_text(tokenizer(prompts)), dim=-1)
    return normalize(features.mean(dim=0), dim=0)


def encode_queries(
    clip: torch.nn.Module,
    tokenizer: Callable[[list[str]], torch.Tensor],
    queries: Sequence[str],
    templates: Sequence[str],
) -> torch.Tensor:
    """Return the unit embeddings (Q, D) of queries, one after the other."""
    return torch.stack(
        [encode_query(clip, tokenizer, query, templates) for query in queries]
    )


def prepare(
    image: npt.NDArray[np.uint8],
    *,
    short_side: int | None = 336,
    long_side: int = 2048,
) -> torch.Tensor:
    """Return the resized, normalized picture (3, H, W) of an RGB image.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    short_side : int or None
        In pixels, of the result; None: as it is.
    long_side : int
        Upper limit of the result's long side; wins over `short_side`.
    """
    picture = torch.from_numpy(image).permute(2, 0, 1).float()
    if short_side is not None:
        sides = picture.shape[1:]
        factor = min(long_side / max(sides), short_side / min(sides))
        size = tuple(int(side * factor + 0.5) for side in sides)
        if size != tuple(sides):
            picture = interpolate(picture[None], size, mode='bilinear')[0]
            picture = picture.round().clamp(0, 255)
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (PIXEL_MEAN, PIXEL_STD)
    )
    return (picture - mean) / std


@functools.lru_cache(maxsize=8)
def neighborhood(grid: tuple[int, int], std: float) -> torch.Tensor:
    """Return the Gaussian window over patch pairs, CLS row and column 0."""
    rows, columns = torch.meshgrid(
        torch.arange(grid[0]), torch.arange(grid[1]), indexing='ij'
    )
    places = torch.stack([rows.flatten(), columns.flatten()], dim=1).double()
    squared = (places[:, None] - places[None]).square().sum(dim=-1)
    window = torch.exp(-squared / (2 * std**2)).float()
    return pad(window, (1, 0, 1, 0))


def position_embedding(
    visual: torch.nn.Module, grid: tuple[int, int]
) -> torch.Tensor:
    """Return the position embedding (1 + N, C), resized for a token grid."""
    table = visual.positional_embedding
    rows, columns = visual.grid_size
    if grid == (rows, columns):
        return table
    patches = interpolate(
        table[1:].reshape(1, rows, columns, -1).permute(0, 3, 1, 2),
        scale_factor=((grid[0] + 0.1) / rows, (grid[1] + 0.1) / columns),
        mode='bicubic',
    )
    return torch.cat([table[:1], patches.flatten(2)[0].T])


def last_attention(
    block: torch.nn.Module,
    x: torch.Tensor,
    grid: tuple[int, int],
    options: Options,
) -> torch.Tensor:
    """Return the last block's attention output (N, C) of its input (N, C)."""
    attention = block.attn
    count, width = x.shape
    heads = attention.num_heads
    projected = linear(
        block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias
    )
    query, key, value = (
        part.reshape(count, heads, width // heads).transpose(0, 1)
        for part in projected.chunk(3, dim=-1)
    )
    scale = (width // heads) ** -0.5
    strategy = options.strategy
    if strategy == 'naclip':
        logits = key @ key.transpose(1, 2) * scale
        logits = logits + neighborhood(grid, options.gaussian_std)
        weights = softmax(logits, dim=-1)
    elif strategy == 'nonly':
        sizes = query.norm(dim=-1)[:, :, None] * key.norm(dim=-1)[:, None, :]
        window = neighborhood(grid, options.gaussian_std)
        weights = softmax(window * (sizes.mean() * scale), dim=-1)
        weights = weights.expand(heads, -1, -1)
    elif strategy == 'kk':
        weights = softmax(key @ key.transpose(1, 2) * scale, dim=-1)
    elif strategy == 'csa':
        weights = softmax(query @ query.transpose(1, 2) * scale, dim=-1)
        weights = weights + softmax(key @ key.transpose(1, 2) * scale, dim=-1)
    else:
        weights = softmax(query @ key.transpose(1, 2) * scale, dim=-1)
    merged = (weights @ value).transpose(0, 1).reshape(count, width)
    return attention.out_proj(merged)


@torch.inference_mode()
def window_tokens(
    clip: torch.nn.Module, pixels: torch.Tensor, options: Options
) -> torch.Tensor:
    """Return the unit tokens (rows, columns, D) of one window (3, H, W)."""
    visual = clip.visual
    patches = visual.conv1(pixels[None])
    grid = (patches.shape[2], patches.shape[3])
    x = patches.flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(1, 1, -1), x], dim=1)
    x = visual.ln_pre(x + position_embedding(visual, grid))
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = block(x)
    x = x[0]
    attended = last_attention(last, x, grid, options)
    if options.architecture == 'reduced':
        x = attended
    else:
        x = x + attended
        x = x + last.mlp(last.ln_2(x))
    tokens = visual.ln_post(x)[1:] @ visual.proj
    return normalize(tokens, dim=-1).reshape(*grid, -1)


@torch.inference_mode()
def window_cosines(
    clip: torch.nn.Module,
    pixels: torch.Tensor,
    queries: torch.Tensor,
    options: Options,
) -> torch.Tensor:
    """Return the cosines (Q, H, W) of the pixels of one window (3, H, W)."""
    tokens = window_tokens(clip, pixels, options)
    cosines = (tokens @ queries.T).permute(2, 0, 1)
    return interpolate(cosines[None], pixels.shape[1:], mode='bilinear')[0]


@torch.inference_mode()
def image_cosines(
    clip: torch.nn.Module,
    picture: torch.Tensor,
    queries: torch.Tensor,
    options: Options,
) -> torch.Tensor:
    """Return the cosines (Q, H, W), the mean over overlapping windows.

    Parameters
    ----------
    picture : (3, H, W) float32 Tensor
        From ``prepare``.
    queries : (Q, D) float32 Tensor
    """
    if not options.window:
        return window_cosines(clip, picture, queries, options)
    _, height, width = picture.shape
    crop, stride = options.window, options.stride
    total = picture.new_zeros(len(queries), height, width)
    count = picture.new_zeros(1, height, width)
    for row in range(max(height - crop + stride - 1, 0) // stride + 1):
        for column in range(max(width - crop + stride - 1, 0) // stride + 1):
            bottom = min(row * stride + crop, height)
            right = min(column * stride + crop, width)
            top, left = max(bottom - crop, 0), max(right - crop, 0)
            place = (slice(None), slice(top, bottom), slice(left, right))
            total[place] += window_cosines(
                clip, picture[place], queries, options
            )
            count[place] += 1
    return total / count


@torch.inference_mode()
def decide(
    maps: torch.Tensor, owners: torch.Tensor, options: Options
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return labels (H, W) and probabilities (K, H, W) of query maps.

    Parameters
    ----------
    maps : (Q, H, W) float32 Tensor
        Cosines at the image's size.
    owners : (Q,) int64 Tensor
        Class of each query.
    """
    probabilities = softmax(maps * options.logit_scale, dim=0)
    membership = one_hot(owners).T
    classes, queries = membership.shape
    if classes != queries:
        chosen = probabilities[None] * membership[:, :, None, None]
        probabilities = chosen.max(dim=1).values
    best, labels = probabilities.max(dim=0)
    labels[best < options.threshold] = 0
    return labels, probabilities / probabilities.sum(dim=0, keepdim=True)


@torch.inference_mode()
def finish(
    cosines: torch.Tensor,
    picture: torch.Tensor,
    owners: torch.Tensor,
    size: tuple[int, int],
    options: Options,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return labels and probabilities at the image's original size.

    Parameters
    ----------
    cosines : (Q, h, w) float32 Tensor
        From ``image_cosines``.
    picture : (3, h, w) float32 Tensor
        From ``prepare``.
    size : (int, int)
        Rows and columns of the original image.
    """
    maps = interpolate(cosines[None], size, mode='bilinear')[0]
    if options.steps:
        guide = interpolate(picture[None], size, mode='bilinear')[0]
        maps = baseline_pamr.refine(
            maps,
            guide,
            steps=options.steps,
            dilations=options.dilations,
            by_slices=options.by_slices,
        )
    return decide(maps, owners, options)


def segment(
    clip: torch.nn.Module,
    image: npt.NDArray[np.uint8],
    queries: torch.Tensor,
    owners: torch.Tensor,
    options: Options,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return labels (H, W) and probabilities (K, H, W) of an RGB image."""
    picture = prepare(image)
    cosines = image_cosines(clip, picture, queries, options)
    return finish(cosines, picture, owners, image.shape[:2], options)
