"""A loaded model: the two towers and what belongs to them.

``load_model`` is the way in: from the hub's cache, a download that was asked
for, a file, the bundled demo, or a model that is already in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from napari_naclip.engine import registry
from napari_naclip.engine.errors import WeightsError
from napari_naclip.engine.guess import explain_misfit, match_file
from napari_naclip.engine.model_notices import (
    pooling_notice,
    vocabulary_notice,
    warn_of_license,
)
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.templates import IMAGENET_TEMPLATES
from napari_naclip.engine.text_cache import TextCache, embedding_key
from napari_naclip.engine.types import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    import torch

    from napari_naclip.engine.clip.text import TextTower, Tokenizer
    from napari_naclip.engine.clip.tower import ImageTower
    from napari_naclip.engine.device import ComputeChoice, Precision
    from napari_naclip.engine.types import ClassList

#: CLIP's mean and std of pixels from 0 to 1.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(slots=True, eq=False)
class Model:
    """A CLIP model, ready to run.

    Attributes
    ----------
    name : str
        What people call it.
    tower : ImageTower
    text : TextTower
    mean, std : tuple of float
        Of the channels, for pixels from 0 to 1.
    window, stride : int
        Sliding window that suits the model, in pixels.
    fingerprint : str
        Hash of the weights.
    device, dtype : torch.device, torch.dtype
        Where and how exactly the image tower was asked to run; a run that
        lacks memory there leaves it elsewhere until the next one.
    vocabulary : frozenset of str or None
        The words it knows, if they are few enough to be listed.
    device_notice : str
        What the person should know about the device.
    weights_notice : str
        What was guessed of the file of weights.
    choice : ComputeChoice or None
        Device and precision in words, with the reasons for them.
    cache : TextCache
        Where query embeddings are kept.
    """

    name: str
    tower: ImageTower
    text: TextTower
    mean: tuple[float, ...]
    std: tuple[float, ...]
    window: int
    stride: int
    fingerprint: str
    device: torch.device
    dtype: torch.dtype
    vocabulary: frozenset[str] | None = None
    device_notice: str = ''
    weights_notice: str = ''
    choice: ComputeChoice | None = None
    cache: TextCache = field(default_factory=lambda: TextCache(None))
    _embeddings: dict[str, torch.Tensor] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what identifies the model, as plain data."""
        return {
            'name': self.name,
            'weights_sha256': self.fingerprint,
            'pooling': self.tower.pooling,
            'device': str(self.tower.device),
            'precision': str(self.tower.dtype).removeprefix('torch.'),
        }

    def embed(
        self, queries: Sequence[str], templates: Sequence[str] | None
    ) -> Generator[Progress, None, torch.Tensor]:
        """Yield progress in texts; return the query embeddings.

        A query's is the same, bit for bit, whatever else is asked for, now or
        before.

        Parameters
        ----------
        queries : sequence of str
        templates : sequence of str or None
            None: CLIP's 80.

        Returns
        -------
        (Q, D) float32 Tensor
            Of unit length, on the CPU.
        """
        import torch

        from napari_naclip.engine.clip.text import embed_query

        templates = IMAGENET_TEMPLATES if templates is None else templates
        maker = f'{self.fingerprint} {self.text.describe_rounding()}'
        keys = {
            query: embedding_key(maker, templates, query) for query in queries
        }
        for key in keys.values():
            if key not in self._embeddings:
                kept = self.cache.get(key)
                if kept is not None:
                    self._embeddings[key] = torch.from_numpy(kept)
        missing = [q for q, key in keys.items() if key not in self._embeddings]
        if missing:
            total = len(missing) * len(templates)
            yield Progress('text', 0, total)
            for count, query in enumerate(missing):
                before = count * len(templates)
                for done, row in embed_query(self.text, query, templates):
                    yield Progress('text', before + done, total)
                    if row is not None:
                        self._keep(keys[query], row)
            self.cache.prune()
        return torch.stack([self._embeddings[keys[q]] for q in queries])

    def _keep(self, key: str, embedding: torch.Tensor) -> None:
        if not embedding.isfinite().all():
            raise WeightsError(
                'The model gives values that are not finite numbers: its '
                'weights are damaged. Download or copy them again.'
            )
        self._embeddings[key] = embedding
        self.cache.put(key, embedding.numpy())

    def notices(
        self, classes: ClassList, templates: Sequence[str] | None
    ) -> list[str]:
        """Return what the person should know about these classes here."""
        found = [
            self.device_notice,
            self.weights_notice,
            pooling_notice(self.name, self.tower.pooling),
        ]
        if len(classes.rows) == 1:
            found.append(
                f'{classes.classes[0].name!r} is the only class, so that it '
                'covers everything. Add a background or other classes to '
                'compare it with.'
            )
        found.append(
            vocabulary_notice(self.name, self.vocabulary, classes.queries)
        )
        patterns = templates or IMAGENET_TEMPLATES
        found.extend(
            f'The prompt {query[:40] + "..."!r} is longer than the model '
            'reads; its end was cut off. Shorten it.'
            for query in classes.queries
            if any(
                self.text.is_cut(pattern.replace('{}', query))
                for pattern in patterns
            )
        )
        if self.cache.problem:
            found.append(
                'Texts could not be kept on the disk '
                f'({self.cache.problem}); they will be encoded again next '
                'time.'
            )
        return [notice for notice in found if notice]


def load_model(
    name: str | tuple[torch.nn.Module, Tokenizer] = registry.DEFAULT_NAME,
    *,
    weights: str | Path | None = None,
    device: str = 'auto',
    precision: Precision = 'auto',
    activation: str = 'auto',
    download: bool = False,
    cache_folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Model:
    """Return a model, ready to run.

    Parameters
    ----------
    name : str or (model, tokenizer)
        A name that ``napari-naclip models`` lists, ``'demo'`` for the bundled
        one, ``'arch/tag'`` of open_clip, ``'hf-hub:org/name'``,
        ``'local-dir:PATH'``, ``'auto'`` for the model that `weights` look
        like, or open_clip's model and tokenizer that are already in memory.
    weights : str or Path, optional
        A file of weights for the named architecture.
    device : str
        ``'auto'``, or a device of torch.
    precision : {'auto', 'float32', 'bfloat16', 'float16'}
        Of the image tower's matrix products.
    activation : {'auto', 'gelu', 'quickgelu'}
        ``'auto'``: the named model's. No file of weights tells it.
    download : bool
        Whether weights that are not on this machine may be downloaded.
    cache_folder : Path, optional
        Where query embeddings are kept; by default they are not.
    progress : callable, optional
        Called with each ``Progress``.

    Raises
    ------
    NaclipError
        If the model cannot be had; the text says why and what to do.

    Warns
    -----
    LicenseWarning
        Before a download whose license forbids commercial use.
    """
    if download and weights is None and isinstance(name, str):
        warn_of_license(name)
    return run_to_end(
        iter_load_model(
            name,
            weights=weights,
            device=device,
            precision=precision,
            activation=activation,
            download=download,
            cache_folder=cache_folder,
        ),
        progress,
    )


def iter_load_model(
    name: str | tuple[torch.nn.Module, Tokenizer] = registry.DEFAULT_NAME,
    *,
    weights: str | Path | None = None,
    device: str = 'auto',
    precision: Precision = 'auto',
    activation: str = 'auto',
    download: bool = False,
    cache_folder: Path | None = None,
) -> Generator[Progress, None, Model]:
    """Yield progress and return the model; see ``load_model``."""
    yield Progress('import')
    from napari_naclip.engine.clip import load
    from napari_naclip.engine.device import (
        choose_device,
        choose_precision,
        describe_choice,
    )

    chosen, notice = choose_device(device)
    dtype = choose_precision(chosen, precision)
    choice = describe_choice(
        chosen,
        dtype,
        notice=notice,
        asked_device=device,
        asked_precision=precision,
    )
    if isinstance(name, str):
        registry.check_choice(name, has_weights=weights is not None)
        if name == registry.DEMO_NAME:
            yield Progress('load')
            parts = _load_demo()
        else:
            parts = yield from _load_registered(
                name, weights, download=download, activation=activation
            )
    else:
        clip, tokenizer = name
        statistics = load.pixel_statistics(clip) or (CLIP_MEAN, CLIP_STD)
        parts = _Parts('in memory', clip, tokenizer, *statistics)
    tower, text = load.make_towers(
        parts.clip, parts.tokenizer, device=chosen, dtype=dtype
    )
    native = min(tower.native_size)
    return Model(
        name=parts.name,
        tower=tower,
        text=text,
        mean=parts.mean,
        std=parts.std,
        window=parts.window or native,
        stride=parts.stride or max(1, native // 2),
        fingerprint=load.fingerprint(parts.clip, parts.tokenizer),
        device=chosen,
        dtype=dtype,
        vocabulary=parts.vocabulary,
        device_notice=notice,
        weights_notice=parts.notice,
        choice=choice,
        cache=TextCache(cache_folder),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """A model as it comes from its source, before it is put anywhere."""

    name: str
    clip: torch.nn.Module
    tokenizer: Tokenizer
    mean: tuple[float, ...]
    std: tuple[float, ...]
    window: int | None = None
    stride: int | None = None
    vocabulary: frozenset[str] | None = None
    notice: str = ''


def _load_demo() -> _Parts:
    from napari_naclip.engine.clip import load

    config = registry.demo_config()
    clip, tokenizer = load.load_demo(config, demo_weights())
    return _Parts(
        registry.DEMO_NAME,
        clip,
        tokenizer,
        mean=tuple(config['mean']),
        std=tuple(config['std']),
        window=config['window'],
        stride=config['stride'],
        vocabulary=frozenset(config['vocabulary']),
    )


def _load_registered(
    name: str,
    weights: str | Path | None,
    *,
    download: bool,
    activation: str,
) -> Generator[Progress, None, _Parts]:
    from napari_naclip.engine.clip import load
    from napari_naclip.engine.sources import locate
    from napari_naclip.engine.weights import named_file

    file = None if weights is None else named_file(weights)
    notice = ''
    if name == registry.AUTO_NAME and file is not None:
        entry = match_file(file)
        notice = (
            f'{file.name} is built like {entry.name} and was taken for it: '
            'with its activation and its mean and std, which no file tells. '
            'Name another model or activation if that is wrong.'
        )
    else:
        entry = registry.find_model(name)
    source = yield from locate(
        entry, weights=file, download=download, activation=activation
    )
    yield Progress('load')
    entry = source.entry
    try:
        clip, tokenizer = load.load_config(
            source.model_cfg, source.path, name=entry.arch or entry.name
        )
    except WeightsError as error:
        raise explain_misfit(error, source.path, entry) from error
    return _Parts(
        entry.public_name,
        clip,
        tokenizer,
        entry.mean or CLIP_MEAN,
        entry.std or CLIP_STD,
        # Of a typed model only the loaded tower knows it.
        window=entry.window if entry.native else None,
        stride=entry.stride if entry.native else None,
        notice=notice,
    )


def demo_weights() -> bytes:
    """Return the bundled demo model's safetensors file."""
    file = resources.files('napari_naclip.demo').joinpath('model.safetensors')
    return file.read_bytes()
