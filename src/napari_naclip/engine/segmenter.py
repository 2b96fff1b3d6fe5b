"""The two steps of a segmentation: encode the image, compare with classes.

``Segmenter.encode`` is expensive and knows no class; ``Segmenter.classify``
is cheap and never looks at the image again; ``Segmenter.stream`` does both at
once, so that labels come while windows are still looked at; ``Segmenter.open``
returns what answers again and again. All but the last are generators: to
cancel, stop iterating. Nothing here touches files, layers or widgets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.live import LiveSegmentation
from napari_naclip.engine.teaching import iter_queries
from napari_naclip.engine.types import Progress, Settings, check_threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy.typing as npt
    import torch

    from napari_naclip.engine.features import Features, TokenStore
    from napari_naclip.engine.models import Model
    from napari_naclip.engine.types import (
        ClassList,
        Partial,
        Region,
        Segmentation,
    )
    from napari_naclip.engine.windows import WindowPlan

_Result = TypeVar('_Result')


def run_to_end(
    steps: Generator[Progress | Partial, None, _Result],
    report: Callable[[Progress], None] | None = None,
) -> _Result:
    """Return the result of a generator of progress.

    Parameters
    ----------
    steps : generator of Progress
        Labels that come early are passed over.
    report : callable, optional
        Called with each progress. What it raises ends the run.
    """
    try:
        while True:
            step = next(steps)
            if report is not None and isinstance(step, Progress):
                report(step)
    except StopIteration as stop:
        result: _Result = stop.value
        return result
    finally:
        steps.close()


class Segmenter:
    """NACLIP with one model and one set of settings.

    Parameters
    ----------
    model : Model
    settings : Settings, optional
    store : TokenStore, optional
        Where tokens of windows are looked up and kept; by default they are
        kept as long as the features that hold them.
    """

    def __init__(
        self,
        model: Model,
        settings: Settings | None = None,
        store: TokenStore | None = None,
    ) -> None:
        self.model = model
        self.settings = settings or Settings()
        self._encoder = Encoder(
            model, self.settings, DictStore() if store is None else store
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """What happened that the person should know, a sentence each."""
        return self._encoder.notices

    def plan(self, height: int, width: int) -> WindowPlan:
        """Return the windows for an image of a size in pixels.

        Raises
        ------
        InputError
            If windows would be smaller than a patch.
        """
        return self._encoder.plan(height, width)

    def encode(
        self, image: npt.ArrayLike, region: Region | None = None
    ) -> Generator[Progress, None, Features]:
        """Yield progress in windows; return the features of an image.

        Parameters
        ----------
        image : (H, W), (H, W, 3) or (H, W, 4) array
            Of any real dtype; mapped to a picture as the settings say.
        region : Region, optional
            The pixels that labels are wanted for; only the windows that they
            depend on are run. The image is the whole one all the same.

        Raises
        ------
        InputError
            If the image cannot be used, or the region reaches out of it.
        OutOfMemoryError
            If a single window does not fit into memory, not even the CPU's.
        """
        encoder = self._encoder
        seen, plan = yield from encoder.see(image, region)
        features = encoder.prepare(seen, plan, region)
        yield Progress('windows', 0, len(features.tokens))
        encoder.start()
        yield from encoder.fill(features)
        return features

    def embed(
        self, classes: ClassList, settings: Settings | None = None
    ) -> Generator[Progress, None, torch.Tensor]:
        """Yield progress in texts; return the (Q, D) query embeddings.

        They are those of the words, as examples moved them.
        """
        settings = settings or self.settings
        return (
            yield from iter_queries(self.model, classes, settings.templates)
        )

    def classify(
        self, features: Features, classes: ClassList
    ) -> Generator[Progress | Partial, None, Segmentation]:
        """Yield progress and labels; return the labels of encoded features.

        Parameters
        ----------
        features : Features
            From ``encode``, with the same model.
        classes : ClassList

        Raises
        ------
        InputError
            If a threshold is set without a background row.
        """
        live = LiveSegmentation(self._encoder, features)
        return (yield from live.answer(classes, previews=False))

    def stream(
        self,
        image: npt.ArrayLike,
        classes: ClassList,
        region: Region | None = None,
        *,
        previews: bool = True,
    ) -> Generator[Progress | Partial, None, Segmentation]:
        """Yield progress and labels; return the labels of an image.

        They are those of ``encode`` and ``classify``, but come as soon as
        the windows are there that they depend on.

        Parameters
        ----------
        image, region
            See ``encode``.
        classes : ClassList
        previews : bool
            Whether labels come early with a refinement too, though they will
            change.
        """
        _, segmentation = yield from self.stream_live(
            image, classes, region, previews=previews
        )
        return segmentation

    def stream_live(
        self,
        image: npt.ArrayLike,
        classes: ClassList,
        region: Region | None = None,
        *,
        previews: bool = True,
    ) -> Generator[
        Progress | Partial, None, tuple[LiveSegmentation, Segmentation]
    ]:
        """Yield like ``stream``; return what answers again, and labels."""
        check_threshold(classes, self.settings)
        # Texts first: their errors come before the picture is looked at.
        yield from self.embed(classes)
        live = yield from self.iter_open(image, region)
        return live, (yield from live.answer(classes, previews=previews))

    def open(
        self, image: npt.ArrayLike, region: Region | None = None
    ) -> LiveSegmentation:
        """Return what answers every list of classes about an image.

        Parameters
        ----------
        image, region
            See ``encode``; raises what it raises.
        """
        return run_to_end(self.iter_open(image, region))

    def iter_open(
        self, image: npt.ArrayLike, region: Region | None = None
    ) -> Generator[Progress, None, LiveSegmentation]:
        """Yield progress while limits are looked for; return as ``open``."""
        encoder = self._encoder
        seen, plan = yield from encoder.see(image, region)
        features = encoder.prepare(seen, plan, region)
        return LiveSegmentation(encoder, features)
