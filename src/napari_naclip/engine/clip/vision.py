"""What an image tower has to offer, whatever package built it.

``tower`` runs the method over these parts; ``vision_openclip`` and
``vision_timm`` find them in the two kinds of tower that open_clip builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from napari_naclip.engine.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

Pooling = Literal['token', 'average', 'attention']

#: What to do about a tower that cannot be used.
ADVICE: Final = 'Choose one of the models that "napari-naclip models" lists.'


class VisionBlock(Protocol):
    """A transformer block whose parts can be run one by one."""

    def project_heads(self, x: torch.Tensor) -> Heads:
        """Return query, key and value, each (B, heads, N, head_dim).

        As the block's own attention takes them: normalized or rotated, where
        it does that.
        """

    def merge_heads(self, heads: torch.Tensor) -> torch.Tensor:
        """Return the attention's output (B, N, C) of its heads, float32."""

    def add_attended(
        self, x: torch.Tensor, attended: torch.Tensor
    ) -> torch.Tensor:
        """Return `x` with the attention's output added, both (B, N, C)."""

    def add_mlp(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (B, N, C) float32 with the block's MLP added."""

    def run(
        self, x: torch.Tensor, *, heads: Heads | None = None
    ) -> torch.Tensor:
        """Return the block's output (B, N, C) float32 as it computes it.

        Parameters
        ----------
        heads : tuple of Tensor, optional
            ``project_heads(x)``, where that is there already.
        """


class Vision(Protocol):
    """The parts of an image tower.

    Attributes
    ----------
    prefix_count : int
        Tokens before those of the patches: class token and registers.
    pooling : {'token', 'average', 'attention'}
        How the model makes one embedding of its tokens. The published method
        knows the first way alone: that of the first token.
    patch_size, native_size : (int, int)
        Rows and columns of pixels.
    embedding_size : int
    """

    prefix_count: int
    pooling: Pooling

    @property
    def patch_size(self) -> tuple[int, int]: ...  # noqa: D102

    @property
    def native_size(self) -> tuple[int, int]: ...  # noqa: D102

    @property
    def embedding_size(self) -> int: ...  # noqa: D102

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move; only weights of matrix products take `dtype`."""

    def blocks_at(self, grid: tuple[int, int]) -> Sequence[VisionBlock]:
        """Return the blocks for a grid of rows and columns of patches."""

    def embed(
        self, pixels: torch.Tensor, grid: tuple[int, int]
    ) -> torch.Tensor:
        """Return what the first block takes, (B, prefix + N, C) float32."""

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, N, D) of the last block's tokens (B, N, C).

        Each token alone, as if it were all that the model had seen.
        """

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        """Return the model's own embeddings (B, D) of whole windows.

        Parameters
        ----------
        x : (B, prefix + N, C) float32 Tensor
            All tokens of the last block; where the first stands for all,
            it alone will do.
        """


def refuse(reason: str) -> ModelError:
    """Return the error that says why a tower cannot be used."""
    return ModelError(f'{reason} {ADVICE}')


def refuse_convolutions(kind: str) -> ModelError:
    """Return the error for a tower that is no plain vision transformer."""
    return refuse(
        f'The image tower is a {kind}, not a plain vision transformer: it '
        'has no last attention between patches that NACLIP could change.'
    )
