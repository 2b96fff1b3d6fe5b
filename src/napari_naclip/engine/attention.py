"""The last block's attention: NACLIP's and those it is compared with.

Hajimiri, Ben Ayed and Dolz, "Pay Attention to Your Neighbours: Training-Free
Open-Vocabulary Semantic Segmentation", WACV 2025, arXiv 2404.08181. Section
3.2 gives the neighborhood window and the key-key similarity, section 3.3 the
reduced architecture (see the tower).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import scaled_dot_product_attention, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_naclip.engine.types import Strategy


def neighborhood_bias(
    grid: tuple[int, int],
    std: float,
    *,
    prefix: int = 1,
    device: torch.device,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Return the window that is added to the attention logits.

    Between the patch tokens i and j it is exp(-(dy² + dx²) / (2 std²)), with
    distances in patches and an amplitude of 1; the rows and the columns of
    the CLS token and of registers are 0.

    Parameters
    ----------
    grid : (int, int)
        Rows and columns of patch tokens.
    std : float
        Standard deviation in patches.
    prefix : int
        Tokens before those of the patches.

    Returns
    -------
    (prefix + rows * columns, prefix + rows * columns) Tensor
    """
    vertical, horizontal = (
        torch.exp(-((index[:, None] - index[None, :]) ** 2) / (2 * std**2))
        for index in (torch.arange(side, dtype=torch.float64) for side in grid)
    )
    count = prefix + grid[0] * grid[1]
    bias = torch.zeros(count, count)
    # The window of two axes is the outer product of the windows of one.
    bias[prefix:, prefix:] = torch.kron(vertical, horizontal)
    return bias.to(device, dtype)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor,
    strategy: Strategy,
) -> torch.Tensor:
    """Return the attention of the last block.

    Parameters
    ----------
    query, key, value : (B, heads, N, head_dim) Tensor
        Projections of the tokens of B windows, CLS and registers first.
    bias : (N, N) Tensor
        ``neighborhood_bias`` of the token grid, in the dtype of `query`.
    strategy : {'naclip', 'nonly', 'kk', 'csa', 'vanilla'}
        ``naclip``: softmax(k kᵀ / √d + bias); ``nonly``: the bias alone,
        scaled to the mean size of the logits; ``kk``: without the bias;
        ``csa``: softmax(q qᵀ / √d) + softmax(k kᵀ / √d), of SCLIP;
        ``vanilla``: softmax(q kᵀ / √d), of CLIP.

    Returns
    -------
    (B, heads, N, head_dim) Tensor
    """
    if strategy == 'naclip':
        return scaled_dot_product_attention(key, key, value, attn_mask=bias)
    if strategy == 'kk':
        return scaled_dot_product_attention(key, key, value)
    if strategy == 'csa':
        return scaled_dot_product_attention(
            query, query, value
        ) + scaled_dot_product_attention(key, key, value)
    if strategy == 'nonly':
        return _attend_neighbors_only(query, key, value, bias)
    return scaled_dot_product_attention(query, key, value)


def mix_across(
    attended: torch.Tensor,
    value: torch.Tensor,
    across: Sequence[tuple[torch.Tensor, torch.Tensor]],
    share: float,
) -> torch.Tensor:
    """Return the attention with a share of that of other blocks mixed in.

    (1 - share) A v + share mean(softmax(q kᵀ / √d)) v: the residual
    cross-correlation attention of Yang et al., "ResCLIP", arXiv 2411.15851.
    Each head has the attention of its own number in the other blocks.

    Parameters
    ----------
    attended, value : (B, heads, N, head_dim) Tensor
        A v and v of the last block.
    across : sequence of (query, key)
        Of the other blocks, each like `value`; none changes nothing.
    share : float
        0 to 1.
    """
    if not across:
        return attended
    # The mean goes over products with v: no attention is ever held whole.
    total = torch.zeros_like(attended)
    for query, key in across:
        total += scaled_dot_product_attention(query, key, value)
    return torch.lerp(attended, total / len(across), share)


def _attend_neighbors_only(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    # The mean over token pairs of ‖q‖ ‖k‖ is the product of the mean norms.
    # It belongs to one window: never the mean over a batch.
    mean_norms = [
        torch.linalg.vector_norm(side.float(), dim=-1).mean(dim=-1)
        for side in (query, key)
    ]
    scale = (mean_norms[0] * mean_norms[1]).mean(dim=-1)
    scale = scale / query.shape[-1] ** 0.5
    logits = bias.float() * scale[:, None, None, None]
    return softmax(logits, dim=-1).to(value.dtype) @ value
