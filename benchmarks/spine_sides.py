"""The two sides of the comparison: the published procedure and the engine.

Both get the same weights, the same picture and the same query embeddings, so
that what they compute can be compared as well as how long they take.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch.nn.functional import interpolate

import baseline
import baseline_pamr
from napari_naclip.engine.affinities import Affinities
from napari_naclip.engine.clip.text import clip_tokenizer, embed_query
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.refine import refine_in_place
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.templates import IMAGENET_TEMPLATES
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import (
    REFINEMENTS,
    ClassList,
    Settings,
    TextClass,
)

if TYPE_CHECKING:
    import numpy.typing as npt

HEIGHT, WIDTH = 336, 448
STEPS, DILATIONS = REFINEMENTS['fast']
#: The class name whose 80 prompts are encoded.
TEXT_NAME: Final = 'sheep'


@dataclass(frozen=True, slots=True)
class Answer:
    """What a side computed, for comparison.

    Attributes
    ----------
    values : Tensor
        Embedding, or maps of cosines (Q, H, W).
    labels : (H, W) array or None
    """

    values: torch.Tensor
    labels: npt.NDArray[np.integer] | None = None


class Side(Protocol):
    """What both sides can do."""

    def run(self, key: str) -> object:
        """Do the work of a row, as it is timed."""

    def answer(self, key: str) -> Answer:
        """Return what the work of a row computes, untimed."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is worked on.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
    prompts : list of list of str
        Of each class; the first is the background.
    queries : (Q, D) float32 Tensor
        Embeddings of all prompts.
    maps : (Q, H, W) float32 Tensor
        For PAMR alone.
    """

    image: npt.NDArray[np.uint8]
    prompts: list[list[str]]
    queries: torch.Tensor
    maps: torch.Tensor

    @property
    def owners(self) -> torch.Tensor:
        """Class of each query, (Q,)."""
        counts = torch.tensor([len(each) for each in self.prompts])
        return torch.arange(len(counts)).repeat_interleave(counts)


class Published:
    """The baseline."""

    def __init__(self, clip: torch.nn.Module, work: Work) -> None:
        self._clip = clip
        self._work = work
        self._tokenizer = clip_tokenizer()
        self._picture = baseline.prepare(work.image)

    def run(self, key: str) -> object:
        """Do the work of a row, as it is timed."""
        work = self._work
        if key == 'text':
            return baseline.encode_query(
                self._clip, self._tokenizer, TEXT_NAME, IMAGENET_TEMPLATES
            )
        if key.startswith('pamr'):
            return self._refine(work.maps[: _map_count(key)], key)
        options = baseline.Options(
            steps=STEPS if key.startswith('refined') else 0,
            dilations=DILATIONS,
            by_slices=key.endswith('slices'),
        )
        return baseline.segment(
            self._clip, work.image, work.queries, work.owners, options
        )

    def answer(self, key: str) -> Answer:
        """Return what the work of a row computes, untimed."""
        result: Any = self.run(key)
        if isinstance(result, torch.Tensor):
            return Answer(result)
        maps = baseline.image_cosines(
            self._clip, self._picture, self._work.queries, baseline.Options()
        )
        if key.startswith('refined'):
            maps = self._refine(maps, key)
        return Answer(maps, result[0].numpy())

    def _refine(self, maps: torch.Tensor, key: str) -> torch.Tensor:
        return baseline_pamr.refine(
            maps,
            self._picture,
            steps=STEPS,
            dilations=DILATIONS,
            by_slices=key.endswith('slices'),
        )


class Engine:
    """The engine of this project, in one precision."""

    def __init__(self, model: Model, work: Work) -> None:
        self._model = model
        self._work = work
        self._guide = baseline.prepare(work.image)
        first, *others = work.prompts
        self._classes = ClassList(
            tuple(
                TextClass(prompts[0], tuple(prompts), value)
                for value, prompts in enumerate(others, start=1)
            ),
            TextClass('background', tuple(first), 0),
        )

    def run(self, key: str) -> object:
        """Do the work of a row, as it is timed."""
        if key == 'text':
            *_, (_, embedding) = embed_query(
                self._model.text, TEXT_NAME, IMAGENET_TEMPLATES
            )
            return embedding
        if key.startswith('pamr'):
            return self._refine(self._work.maps[: _map_count(key)])
        segmenter = self._segmenter(key)
        features = run_to_end(segmenter.encode(self._work.image))
        return run_to_end(segmenter.classify(features, self._classes))

    def answer(self, key: str) -> Answer:
        """Return what the work of a row computes, untimed."""
        result: Any = self.run(key)
        if isinstance(result, torch.Tensor):
            return Answer(result.squeeze(0))
        features = run_to_end(self._segmenter(key).encode(self._work.image))
        scores = TokenScores(features, self._work.queries)
        maps = Projection(features).maps(scores, features.region)
        if key.startswith('refined'):
            maps = self._refine(maps)
        return Answer(maps, result.labels)

    def _segmenter(self, key: str) -> Segmenter:
        refinement = 'fast' if key.startswith('refined') else 'off'
        return Segmenter(
            self._model,
            Settings(
                refine=refinement,
                window=224,
                stride=112,
                token_precision='float32',
            ),
        )

    def _refine(self, maps: torch.Tensor) -> torch.Tensor:
        affinities = Affinities(self._guide, DILATIONS)
        refined = maps.clone()
        for _ in refine_in_place(refined, affinities, STEPS):
            pass
        return refined


def _map_count(key: str) -> int:
    return int(key.split('-')[1])


def load_image() -> tuple[npt.NDArray[np.uint8], str]:
    """Return an RGB image (336, 448, 3) and what it is.

    A part of scikit-image's photograph "coffee" where that package is
    installed (napari brings it), else a smooth random picture.
    """
    try:
        from skimage import data
    except ImportError:
        generator = torch.Generator().manual_seed(0)
        picture = sum(
            interpolate(
                torch.rand(
                    1, 3, 3 * 2**octave, 4 * 2**octave, generator=generator
                ),
                (HEIGHT, WIDTH),
                mode='bicubic',
            )
            / 2**octave
            for octave in range(6)
        )
        picture = (picture - picture.min()) / (picture.max() - picture.min())
        array = (255 * picture[0].permute(1, 2, 0)).round().byte().numpy()
        return array, 'smooth random picture'
    photograph = data.coffee()[32 : 32 + HEIGHT, 76 : 76 + WIDTH]
    return np.ascontiguousarray(photograph), "scikit-image's coffee, cut"


def load_prompts() -> list[list[str]]:
    """Return the 21 classes of VOC21, 56 prompts in all."""
    path = Path(__file__).with_name('voc21.json')
    classes: list[list[str]] = json.loads(path.read_text('utf-8'))['classes']
    return classes


def make_work(queries: torch.Tensor) -> Work:
    """Return what is worked on."""
    prompts = load_prompts()
    generator = torch.Generator().manual_seed(1)
    count = sum(len(each) for each in prompts)
    coarse = torch.rand(1, count, 21, 28, generator=generator)
    maps = interpolate(coarse, (HEIGHT, WIDTH), mode='bilinear')[0]
    return Work(load_image()[0], prompts, queries, maps)


def make_model(clip: torch.nn.Module, key: str, folder: Path) -> Model:
    """Return the engine's model for a row, its texts kept in a folder."""
    return load_model(
        (clip, clip_tokenizer()),
        device='cpu',
        precision='bfloat16' if key == 'bfloat16' else 'float32',
        cache_folder=folder / 'texts',
    )


def embed_all(model: Model) -> torch.Tensor:
    """Return the embeddings of all prompts; encodes those not yet kept."""
    queries = [prompt for prompts in load_prompts() for prompt in prompts]
    return run_to_end(model.embed(queries, IMAGENET_TEMPLATES))
