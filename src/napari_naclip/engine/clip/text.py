"""The text tower: prompts to query embeddings.

Batches are cut to their longest text instead of the model's 77 tokens (or
256) where what follows the end of a text changes nothing: CLIP's text tower is
causal, and those of transformers leave the filling out. The result differs
from the full length by rounding only.

Rounding depends on the shape of a batch and on the row in it. A batch holds
texts of one query alone, in an order that these decide, so that no embedding
depends, not even in its last bit, on what else is asked for.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import open_clip
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.tokenizer import HFTokenizer
from torch.nn.functional import normalize as unit_length

from napari_naclip.engine.clip import blocks
from napari_naclip.engine.errors import ModelError

Tokenizer = Callable[[list[str]], torch.Tensor]

#: Texts of a query, about equally long, that are encoded together.
BATCH_SIZE = 64
#: Counts up when embeddings change, so that none of before are found again.
_VERSION = 2


def clip_tokenizer(
    context_length: int = 77, *, clean: str = 'lower'
) -> Tokenizer:
    """Return CLIP's tokenizer: N texts to (N, context_length) int64.

    Parameters
    ----------
    context_length : int
        Tokens of a text.
    clean : {'lower', 'whitespace', 'canonicalize'}
        How texts are made plain first: in small letters, as they are, or in
        small letters without punctuation.
    """
    tokenizer: Tokenizer = open_clip.SimpleTokenizer(
        context_length=context_length, clean=clean
    )
    return tokenizer


#: What tokenizers cut otherwise: case, accents, digits, other letters.
_PROBES = ['A photo of 12 Cats, \u00e9t\u00e9 \u6c34.', 'x' * 40, '']


def describe_tokenizer(tokenizer: Tokenizer) -> str:
    """Return what tells a tokenizer from others: see ``fingerprint``."""
    words: object = None
    if isinstance(tokenizer, HFTokenizer):
        words = sorted(tokenizer.tokenizer.get_vocab().items())
    return f'{words} {tokenizer(_PROBES).tolist()}'


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
        # Where open_clip keeps the text half apart, it is the same there.
        self._text = getattr(self._model, 'text', self._model)
        self._blocks: list[blocks.Block] = []
        if _ends_count(self._text):
            with contextlib.suppress(ModelError):
                self._blocks = blocks.wrap_blocks(
                    self._text.transformer.resblocks
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
        if isinstance(tokenizer, HFTokenizer):
            ids = tokenizer.tokenizer(tokenizer.clean_fn(text)).input_ids
            return len(ids) > int(tokenizer.context_length)
        tokens = self._tokenizer([text])[0]
        longer = self._tokenizer([text.rstrip() + ' x'])[0]
        # A text that fits leaves room, or changes when a word is added; one
        # that fits exactly cannot be told from one that is cut.
        return bool(tokens[-1] != 0 and torch.equal(tokens, longer))

    def describe_rounding(self) -> str:
        """Return what the last bits of embeddings depend on besides texts."""
        return ' '.join(
            [
                str(_VERSION),
                torch.__version__,
                self.device.type,
                # Products are cut otherwise for other numbers of threads.
                str(torch.get_num_threads()),
            ]
        )

    def encode(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield embeddings of texts, shortest texts first.

        They depend on all of `texts` in their last bits.

        Yields
        ------
        indices : list of int
            Which of `texts` these are.
        embeddings : (len(indices), D) float32 Tensor
            Of unit length, on the CPU.
        """
        tokens = self._tokenizer(list(texts))
        lengths = self._lengths(tokens)
        order = lengths.argsort(stable=True).tolist()
        for start in range(0, len(order), BATCH_SIZE):
            indices = order[start : start + BATCH_SIZE]
            length = int(lengths[indices].max())
            batch = tokens[indices, :length].to(self.device)
            yield indices, self._encode_tokens(batch).cpu()

    def _lengths(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return how many tokens of each text (N, context) matter, (N,)."""
        if self._blocks:
            return self._ends(tokens) + 1
        if isinstance(self._text, HFTextEncoder):
            places = torch.arange(1, tokens.shape[1] + 1)
            is_filling = tokens == self._text.config.pad_token_id
            return places.masked_fill(is_filling, 1).amax(dim=1)
        return torch.full((len(tokens),), tokens.shape[1])

    def _ends(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the place of the token that stands for each text, (N,)."""
        text = self._text
        if _fact(text, 'pool_type') == 'eos':
            tokens = tokens.eq(_fact(text, 'eos_id')).int()
        return tokens.argmax(dim=-1)

    @torch.inference_mode()
    def _encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        if not self._blocks:
            embeddings: torch.Tensor = self._model.encode_text(tokens)
            return unit_length(embeddings.float(), dim=-1)
        text, length = self._text, tokens.shape[1]
        ends = self._ends(tokens)
        x = text.token_embedding(tokens).float()
        x = x + text.positional_embedding[:length].float()
        mask = text.attn_mask[:length, :length]
        for block in self._blocks:
            x = block.run(x, mask)
        x = x[torch.arange(len(x), device=x.device), ends]
        x = blocks.normalize(text.ln_final, x, torch.float32)
        projection = text.text_projection
        if isinstance(projection, torch.nn.Linear):
            x = projection(x)
        elif projection is not None:
            x = x @ projection.float()
        return unit_length(x, dim=-1)


def _fact(text: torch.nn.Module, name: str) -> Any:
    """Return a setting that ``CLIP`` calls otherwise than its text half."""
    return getattr(text, f'text_{name}', getattr(text, name, None))


def _ends_count(text: torch.nn.Module) -> bool:
    """Return whether nothing after the end of a text changes anything."""
    return (
        isinstance(
            text, open_clip.model.CLIP | open_clip.transformer.TextTransformer
        )
        and _fact(text, 'pool_type') in ('argmax', 'eos')
        and text.attn_mask is not None
        and getattr(text, 'cls_emb', None) is None
    )


def _copy_text_half(model: torch.nn.Module) -> Any:
    half = copy.copy(model)
    # The copy shares its parts with the model until it is copied deeply, so
    # that the image tower can be left out without being touched.
    half._modules = {
        name: part for name, part in model._modules.items() if name != 'visual'
    }
    return copy.deepcopy(half).float().eval().requires_grad_(False)


def embed_query(
    tower: TextTower, query: str, templates: Sequence[str]
) -> Iterator[tuple[int, torch.Tensor | None]]:
    """Yield progress in texts and at last the embedding of a query.

    It is the mean over the templates of unit-length text embeddings, again
    made unit length (the published ensemble). To the last bit it depends on
    the query, the templates and ``tower.describe_rounding()`` alone.

    Yields
    ------
    done : int
        Texts encoded so far, of ``len(templates)``.
    embedding : (D,) float32 Tensor or None
        None until the last item.
    """
    texts = [template.replace('{}', query) for template in templates]
    rows: list[torch.Tensor | None] = [None] * len(texts)
    done = 0
    for indices, embeddings in tower.encode(texts):
        for index, row in zip(indices, embeddings, strict=True):
            rows[index] = row
        done += len(indices)
        if done < len(texts):
            yield done, None
    stacked = torch.stack([row for row in rows if row is not None])
    yield done, unit_length(stacked.mean(dim=0), dim=-1)
