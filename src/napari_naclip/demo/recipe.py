"""How the towers of a tiny CLIP are started and run while they learn.

Trained plainly, a CLIP this small writes the content of the whole picture
into every patch and is of no use for dense labels. What is here keeps the
early blocks from mixing: their queries and keys begin as one rotation
(like attends to like, as in a trained transformer), and their attention is
often skipped. Nothing of it remains when the model is used. The last block
is sometimes run without its residual and MLP, as the method later does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

#: open_clip's CLIP. It comes without types.
Clip: TypeAlias = Any

#: Size of the sine and cosine table of patch positions at the start.
POSITION_AMPLITUDE: Final = 0.3


@dataclass(frozen=True, slots=True)
class DropRates:
    """What is left out in training, each a probability.

    Attributes
    ----------
    patches : float
        Of each patch to be left out of a picture.
    attention : float
        Of each picture, in each block but the last, to skip the attention.
    residual : float
        Of a step to run the last block without residual and MLP.
    """

    patches: float = 0.5
    attention: float = 0.8
    residual: float = 0.5


@torch.no_grad()
def start_mimetic(model: Clip) -> None:
    """Let like patches attend to like from the first step on.

    Queries and keys of every vision block but the last get one random
    rotation, the keys of the last block another, and the patches' positions
    a two-dimensional sine and cosine table.

    Parameters
    ----------
    model : open_clip.model.CLIP
        Changed in place.
    """
    visual = model.visual
    blocks = visual.transformer.resblocks
    width = visual.positional_embedding.shape[1]
    for block in blocks[:-1]:
        rotation = torch.nn.init.orthogonal_(torch.empty(width, width))
        block.attn.in_proj_weight[:width] = rotation
        block.attn.in_proj_weight[width : 2 * width] = rotation
    torch.nn.init.orthogonal_(
        blocks[-1].attn.in_proj_weight[width : 2 * width]
    )
    table = position_table(visual.grid_size, width)
    visual.positional_embedding[0] = 0.0
    visual.positional_embedding[1:] = POSITION_AMPLITUDE * table


def position_table(grid: tuple[int, int], width: int) -> Tensor:
    """Return sines and cosines of the row and column of each patch.

    Parameters
    ----------
    grid : tuple of int
        Rows and columns of patches.
    width : int
        A multiple of four.

    Returns
    -------
    Tensor of shape (rows * columns, width), float32
        Values in [-1, 1], row by row.
    """
    count = width // 4
    frequencies = 10000.0 ** (-torch.arange(count) / count)
    rows = torch.arange(grid[0])[:, None, None] * frequencies
    columns = torch.arange(grid[1])[None, :, None] * frequencies
    parts = [
        part.expand(*grid, count)
        for part in (rows.sin(), rows.cos(), columns.sin(), columns.cos())
    ]
    return torch.cat(parts, dim=-1).reshape(-1, width)


class FrozenStart:
    """Puts the start of `start_mimetic` back after each step.

    Parameters
    ----------
    model : open_clip.model.CLIP
        Just started.
    """

    def __init__(self, model: Clip) -> None:
        visual = model.visual
        width = visual.positional_embedding.shape[1]
        self._views = [visual.positional_embedding.detach()[1:]] + [
            block.attn.in_proj_weight.detach()[: 2 * width]
            for block in visual.transformer.resblocks[:-1]
        ]
        self._values = [view.clone() for view in self._views]

    def restore(self) -> None:
        """Overwrite the model's values by those of its start."""
        for view, value in zip(self._views, self._values, strict=True):
            view.copy_(value)


def embed_images(model: Clip, images: Tensor, drop: DropRates) -> Tensor:
    """Return what the vision tower says of whole pictures, in training.

    Parameters
    ----------
    model : open_clip.model.CLIP
        The model.
    images : Tensor of shape (B, 3, H, W), float32
        Normalized, of the model's own image size.
    drop : DropRates
        What is left out.

    Returns
    -------
    Tensor of shape (B, D), float32
        Of unit length.
    """
    visual = model.visual
    patches = visual.conv1(images).flatten(2).transpose(1, 2)
    positions = visual.positional_embedding
    patches = _drop_patches(patches + positions[1:], drop.patches)
    first = (visual.class_embedding + positions[0]).expand(len(patches), 1, -1)
    x = visual.ln_pre(torch.cat([first, patches], dim=1))
    *early, last = visual.transformer.resblocks
    for block in early:
        keep = torch.rand(len(x)) >= drop.attention
        attended = _attend(block.attn, block.ln_1(x[keep]))
        # Without scaling up what is kept: in use nothing is dropped, and the
        # MLP must have seen both.
        x = x.index_put((keep,), x[keep] + attended)
        x = x + block.mlp(block.ln_2(x))
    pooled = _attend(last.attn, last.ln_1(x), queries=1)[:, 0]
    if torch.rand(()) >= drop.residual:
        pooled = pooled + x[:, 0]
        pooled = pooled + last.mlp(last.ln_2(pooled))
    return F.normalize(visual.ln_post(pooled) @ visual.proj, dim=-1)


def embed_texts(model: Clip, tokens: Tensor) -> Tensor:
    """Return what the text tower says of captions.

    Parameters
    ----------
    model : open_clip.model.CLIP
        The model.
    tokens : Tensor of shape (B, L), int64
        L may be less than the context length: the tower is causal, so
        padding behind the longest caption changes nothing.

    Returns
    -------
    Tensor of shape (B, D), float32
        Of unit length.
    """
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    mask = model.attn_mask[:length, :length]
    for block in model.transformer.resblocks:
        x = x + _attend(block.attn, block.ln_1(x), mask=mask)
        x = x + block.mlp(block.ln_2(x))
    # The end of a text has the highest number of all tokens.
    ends = x[torch.arange(len(x)), tokens.argmax(dim=-1)]
    return F.normalize(model.ln_final(ends) @ model.text_projection, dim=-1)


def contrastive_loss(
    images: Tensor, texts: Tensor, scale: Tensor, keys: Tensor
) -> Tensor:
    """Return the symmetric loss of telling matching pairs from others.

    Parameters
    ----------
    images, texts : Tensor of shape (B, D), float32
        Of unit length; row i of one belongs to row i of the other.
    scale : Tensor of shape ()
        What cosines are multiplied by.
    keys : Tensor of shape (B,), int64
        Pairs of the same key say the same and are no negatives of each
        other.

    Returns
    -------
    Tensor of shape (), float32
    """
    logits = scale * images @ texts.T
    same = keys[:, None] == keys[None, :]
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    target = torch.arange(len(logits))
    return 0.5 * (
        F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
    )


def _drop_patches(patches: Tensor, rate: float) -> Tensor:
    """Keep the same number of patches, each time others, of each picture."""
    count = max(round(patches.shape[1] * (1.0 - rate)), 1)
    if count == patches.shape[1]:
        return patches
    chosen = torch.rand(patches.shape[:2]).argsort(dim=1)[:, :count]
    index = chosen[..., None].expand(-1, -1, patches.shape[2])
    return patches.gather(1, index)


def _attend(
    attention: Any,
    x: Tensor,
    mask: Tensor | None = None,
    queries: int | None = None,
) -> Tensor:
    """Run an attention layer, for the first `queries` tokens only."""
    width = x.shape[-1]
    weights = attention.in_proj_weight.split(width)
    biases = attention.in_proj_bias.split(width)

    def project(tokens: Tensor, part: int) -> Tensor:
        projected = F.linear(tokens, weights[part], biases[part])
        size = (attention.num_heads, width // attention.num_heads)
        return projected.view(*tokens.shape[:2], *size).transpose(1, 2)

    attended = F.scaled_dot_product_attention(
        project(x[:, :queries], 0),
        project(x, 1),
        project(x, 2),
        attn_mask=mask,
    )
    output: Tensor = attention.out_proj(attended.transpose(1, 2).flatten(2))
    return output
