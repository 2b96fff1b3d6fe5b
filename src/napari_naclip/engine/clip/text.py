"""The text tower: prompts to query embeddings.

CLIP's text tower is causal, so that what follows the end of a text changes
nothing: batches are cut to their longest prompt instead of the model's 77
tokens. The result differs from the full length by rounding only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import open_clip
import torch
from torch.nn.functional import normalize as unit_length

from napari_naclip.engine.clip import blocks
from napari_naclip.engine.errors import ModelError

Tokenizer = Callable[[list[str]], torch.Tensor]

#: Prompts of about equal length that are encoded together.
BATCH_SIZE = 64


def clip_tokenizer(context_length: int = 77) -> Tokenizer:
    """Return CLIP's tokenizer: N texts to (N, context_length) int64."""
    tokenizer: Tokenizer = open_clip.SimpleTokenizer(
        context_length=context_length
    )
    return tokenizer


class TextTower:
    """Turns prompts into query embeddings, in float32.

    Parameters
    ----------
    model : torch.nn.Module
        open_clip's ``CLIP``, or another model with ``encode_text``; its text
        half is copied, not changed.
    tokenizer : callable
        Texts to (N, context) int64.
    device : torch.device

    Raises
    ------
    ModelError
        If the model has no text half, or one of another kind.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Tokenizer,
        *,
        device: torch.device,
    ) -> None:
        if not hasattr(model, 'encode_text'):
            raise ModelError(
                f'{type(model).__name__} has no text tower (encode_text). '
                'Pass a model of open_clip.'
            )
        self._model = _copy_text_half(model).to(device)
        self._tokenizer = tokenizer
        self.device = device
        self._is_causal = (
            isinstance(model, open_clip.model.CLIP)
            and model.text_pool_type == 'argmax'
            and model.attn_mask is not None
        )
        self._blocks: list[blocks.Block] = []
        if self._is_causal:
            self._blocks = blocks.wrap_blocks(
                self._model.transformer.resblocks
            )

    def is_cut(self, text: str) -> bool:
        """Return whether a text is longer than the model reads."""
        tokenizer = self._tokenizer
        if isinstance(tokenizer, open_clip.SimpleTokenizer):
            # A token is a byte or more, so that short texts need no counting;
            # the start and the end take a token each.
            if len(text.encode()) + 2 <= int(tokenizer.context_length):
                return False
            length = len(tokenizer.encode(text)) + 2
            return length > int(tokenizer.context_length)
        tokens = self._tokenizer([text])[0]
        longer = self._tokenizer([text.rstrip() + ' x'])[0]
        # A text that fits leaves room, or changes when a word is added; one
        # that fits exactly cannot be told from one that is cut.
        return bool(tokens[-1] != 0 and torch.equal(tokens, longer))

    def encode(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield embeddings of texts, shortest texts first.

        Yields
        ------
        indices : list of int
            Which of `texts` these are.
        embeddings : (len(indices), D) float32 Tensor
            Of unit length, on the CPU.
        """
        tokens = self._tokenizer(list(texts))
        lengths = tokens.argmax(dim=-1) + 1
        order = lengths.argsort(stable=True).tolist()
        for start in range(0, len(order), BATCH_SIZE):
            indices = order[start : start + BATCH_SIZE]
            yield indices, self._encode_tokens(tokens[indices]).cpu()

    @torch.inference_mode()
    def _encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        model = self._model
        tokens = tokens.to(self.device)
        if not self._is_causal:
            embeddings: torch.Tensor = model.encode_text(tokens)
            return unit_length(embeddings.float(), dim=-1)
        ends = tokens.argmax(dim=-1)
        length = int(ends.max()) + 1
        x = model.token_embedding(tokens[:, :length]).float()
        x = x + model.positional_embedding[:length].float()
        mask = model.attn_mask[:length, :length]
        for block in self._blocks:
            x = block.run(x, mask)
        x = x[torch.arange(len(x), device=x.device), ends]
        x = blocks.normalize(model.ln_final, x, torch.float32)
        projection = model.text_projection
        if isinstance(projection, torch.nn.Linear):
            x = projection(x)
        elif projection is not None:
            x = x @ projection.float()
        return unit_length(x, dim=-1)


def _copy_text_half(model: torch.nn.Module) -> Any:
    half = copy.copy(model)
    # The copy shares its parts with the model until it is copied deeply, so
    # that the image tower can be left out without being touched.
    half._modules = {
        name: part for name, part in model._modules.items() if name != 'visual'
    }
    return copy.deepcopy(half).float().eval().requires_grad_(False)


def embed_queries(
    tower: TextTower, queries: Sequence[str], templates: Sequence[str]
) -> Iterator[tuple[int, torch.Tensor | None]]:
    """Yield progress in texts and at last the query embeddings.

    Each prompt's embedding is the mean over the templates of unit-length
    text embeddings, again made unit length (the published ensemble).

    Yields
    ------
    done : int
        Texts encoded so far, of ``len(queries) * len(templates)``.
    embeddings : (Q, D) float32 Tensor or None
        None until the last item.
    """
    texts = [
        template.replace('{}', query)
        for query in queries
        for template in templates
    ]
    rows: list[torch.Tensor | None] = [None] * len(texts)
    done = 0
    for indices, embeddings in tower.encode(texts):
        for index, row in zip(indices, embeddings, strict=True):
            rows[index] = row
        done += len(indices)
        if done < len(texts):
            yield done, None
    stacked = torch.stack([row for row in rows if row is not None])
    ensembles = stacked.unflatten(0, (len(queries), len(templates)))
    yield done, unit_length(ensembles.mean(dim=1), dim=-1)
