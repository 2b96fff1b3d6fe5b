"""One picture that answers every list of classes and every setting.

The first answer runs the image tower; every later one starts from what is
kept: the tokens, and, of the last answer, how each pixel was decided. Which
of it can be used follows from what differs, never from what the caller says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING

import torch

from napari_naclip.engine.classify import Labeler
from napari_naclip.engine.cleanup import clean
from napari_naclip.engine.decide import class_queries
from napari_naclip.engine.errors import InputError, OutOfMemoryError
from napari_naclip.engine.maps import iter_maps
from napari_naclip.engine.recipe import make_recipe
from napari_naclip.engine.teaching import (
    competing_classes,
    foreign_notices,
    iter_queries,
)
from napari_naclip.engine.types import (
    Partial,
    Progress,
    Segmentation,
    check_threshold,
)
from napari_naclip.engine.windows import with_halo

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import numpy as np
    import numpy.typing as npt

    from napari_naclip.engine.decide import Tally
    from napari_naclip.engine.decision import Decision
    from napari_naclip.engine.encoder import Encoder
    from napari_naclip.engine.features import Features
    from napari_naclip.engine.maps import Maps
    from napari_naclip.engine.types import ClassList, Region, Settings

#: Settings that only change how features are compared with classes.
LIVE_SETTINGS = frozenset(
    {
        'logit_scale',
        'threshold',
        'refine',
        'templates',
        'min_object',
        'max_hole',
    }
)


@dataclasses.dataclass(slots=True)
class _Answer:
    """The last answer that was completed."""

    decision: Decision
    queries: tuple[torch.Tensor, ...]
    settings: Settings


class LiveSegmentation:
    """The labels of one picture, as classes and settings change.

    Parameters
    ----------
    encoder : Encoder
        Of the picture, with its model and settings.
    features : Features
        From it; their tokens may still be missing.
    """

    def __init__(self, encoder: Encoder, features: Features) -> None:
        self._encoder = encoder
        self._features = features
        self._answer: _Answer | None = None

    @property
    def features(self) -> Features:
        """What is compared with the classes."""
        return self._features

    @property
    def fingerprint(self) -> str:
        """Of the model that sees the picture."""
        return self._encoder.model.fingerprint

    @property
    def confidence(self) -> npt.NDArray[np.float16] | None:
        """That of the last answer, of its region; None where it is freed.

        Found anew each time. May be read while another thread answers; it
        changes then.
        """
        last = self._answer
        tally = None if last is None else last.decision.tally
        return None if tally is None else tally.confidence()

    def free(self) -> None:
        """Forget how pixels were decided; the next answer takes longer.

        May be called while another thread is answering.
        """
        self._answer = None

    def answer(
        self,
        classes: ClassList,
        settings: Settings | None = None,
        *,
        first: Region | None = None,
        previews: bool = True,
    ) -> Generator[Progress | Partial, None, Segmentation]:
        """Yield progress and labels; return the labels of all pixels.

        They equal those of a fresh run with the same classes and settings.
        An answer that is not taken to its end costs the next one time and
        nothing else.

        Parameters
        ----------
        classes : ClassList
        settings : Settings, optional
            Those of the encoder, or others that differ from them in
            ``LIVE_SETTINGS`` only.
        first : Region, optional
            What the person looks at, in pixels of the image: its labels come
            before the rest.
        previews : bool
            Whether labels come early with a refinement too, though they will
            change.

        Raises
        ------
        InputError
            If a threshold is set without a background row, or settings
            differ that change what the model sees.
        """
        settings = settings or self._encoder.settings
        self._check(settings)
        check_threshold(classes, settings)
        # Texts first: their errors come before the long part.
        queries = yield from self.queries(classes, settings)
        competing = self.competing(classes)
        self._encoder.start()
        self._take_refinement(settings)
        self._features.tokens.begin()
        last, self._answer = self._answer, None
        by_class = _split(queries, competing)
        if last is not None and _is_decided(last, by_class, settings):
            decision = last.decision
            decision.decide_again(competing, settings)
        else:
            before, known = _reusable(last, by_class, settings)
            labeler = Labeler(
                self._features, queries, competing, settings, before, known
            )
            decision = labeler.decision
            fill = functools.partial(self._encoder.fill, self._features)
            yield Progress('windows', 0, len(self._features.tokens))
            if settings.refine == 'off':
                yield from labeler.decide(fill, first)
            else:
                yield from labeler.refine(
                    fill, first, previews=previews and not known
                )
        if decision.tally is not None:
            self._answer = _Answer(decision, by_class, settings)
        self._features.tokens.release()
        return self._segmentation(decision, classes, settings)

    def competing(self, classes: ClassList) -> ClassList:
        """Return the classes as they compete here, a row for each query.

        See ``teaching.competing_classes``; everything here takes the list as
        it is, too.
        """
        return competing_classes(classes, self.fingerprint)

    def queries(
        self, classes: ClassList, settings: Settings | None = None
    ) -> Generator[Progress, None, torch.Tensor]:
        """Yield progress in texts; return the (Q, D) query embeddings.

        They are what an answer compares the tokens with: words, as examples
        moved them.

        Raises
        ------
        InputError
            If a class has no prompt and was taught with another model.
        """
        settings = settings or self._encoder.settings
        return (
            yield from iter_queries(
                self._encoder.model, classes, settings.templates
            )
        )

    @contextlib.contextmanager
    def reading_tokens(self) -> Iterator[Callable[[int], torch.Tensor]]:
        """Give what returns a window's (rows, columns, D) float32 tokens.

        A window is looked at once more where the store has forgotten it, and
        others come along in its batch. They are held until one of a later
        batch is needed, and none after the end: ask in rising order.
        """
        features = self._features
        tokens = features.tokens
        tokens.begin()

        def read(index: int) -> torch.Tensor:
            window = range(index, index + 1)
            if not tokens.has(index):
                tokens.release()
                self._encoder.start()
                for _ in self._encoder.fill(features, window):
                    pass
            found = tokens.get(index).float()
            tokens.release(window)
            return found

        try:
            yield read
        finally:
            tokens.release()

    @property
    def region_size(self) -> tuple[int, int]:
        """Rows and columns of what is labeled."""
        return self._features.region.size

    def tally(
        self, classes: ClassList, queries: torch.Tensor, settings: Settings
    ) -> Tally | None:
        """Return how pixels were decided for classes, if that is kept.

        It is the last answer's: not to be changed, and only for as long as no
        other answer is asked for.
        """
        last = self._answer
        by_class = _split(queries, self.competing(classes))
        if last is None or not _is_decided(last, by_class, settings):
            return None
        return last.decision.tally

    def iter_maps(
        self,
        queries: torch.Tensor,
        settings: Settings,
        region: Region | None = None,
    ) -> Generator[Progress | Maps, None, None]:
        """Yield progress, and maps of the region; see ``maps.iter_maps``.

        Parameters
        ----------
        queries : (Q, D) float32 Tensor
            See ``queries``.
        settings : Settings
            As for ``answer``.
        region : Region, optional
            A part of it.
        """
        self._check(settings)
        self._encoder.start()
        self._take_refinement(settings)
        self._features.tokens.begin()
        fill = functools.partial(self._encoder.fill, self._features)
        try:
            yield from iter_maps(
                self._features, queries, settings.refine, fill, region
            )
        finally:
            self._features.tokens.release()

    def _check(self, settings: Settings) -> None:
        base = self._encoder.settings
        changed = [
            each.name
            for each in dataclasses.fields(settings)
            if getattr(settings, each.name) != getattr(base, each.name)
            and each.name not in LIVE_SETTINGS
        ]
        if changed:
            raise InputError(
                f'{", ".join(changed)} cannot change without looking at the '
                'image again. Start a new run.'
            )

    def _take_refinement(self, settings: Settings) -> None:
        """Take in more windows where a refinement looks further."""
        features = self._features
        part = features.plan.part(
            features.size,
            with_halo(features.region, features.size, settings.refine),
        )
        if not features.part.holds(part):
            self._features = self._encoder.prepare(
                features.seen, features.plan, features.region, settings.refine
            )

    def _segmentation(
        self, decision: Decision, classes: ClassList, settings: Settings
    ) -> Segmentation:
        features, encoder = self._features, self._encoder
        labels, confidence = decision.finish()
        unclean: tuple[str, ...] = ()
        try:
            labels = clean(
                labels,
                min_object=settings.min_object,
                max_hole=settings.max_hole,
            )
        except OutOfMemoryError as error:
            # What was decided may have taken hours.
            unclean = (f'Small objects and holes are still there. {error}',)
            settings = dataclasses.replace(settings, min_object=0, max_hole=0)
        return Segmentation(
            labels=labels,
            confidence=confidence,
            classes=classes,
            recipe=make_recipe(encoder.model, settings, features, classes),
            notices=(
                *encoder.notices,
                *encoder.model.notices(classes, settings.templates),
                *foreign_notices(classes, encoder.model.fingerprint),
                *unclean,
            ),
            region=None if features.is_whole else features.region,
        )


def _split(
    queries: torch.Tensor, classes: ClassList
) -> tuple[torch.Tensor, ...]:
    """Return the queries of each competing class."""
    return tuple(
        queries[each.start : each.stop] for each in class_queries(classes)
    )


def _weighs_alike(one: Settings, other: Settings) -> bool:
    """Return whether classes compete in the same way."""
    return (one.logit_scale, one.refine, one.templates) == (
        other.logit_scale,
        other.refine,
        other.templates,
    )


def _reusable(
    last: _Answer | None,
    queries: tuple[torch.Tensor, ...],
    settings: Settings,
) -> tuple[Tally | None, int]:
    """Return a tally to start from, and how many classes it holds."""
    if (
        last is None
        or not _weighs_alike(last.settings, settings)
        or not _are_equal(last.queries, queries[: len(last.queries)])
    ):
        return None, 0
    return last.decision.tally, len(last.queries)


def _is_decided(
    last: _Answer, queries: tuple[torch.Tensor, ...], settings: Settings
) -> bool:
    return _weighs_alike(last.settings, settings) and _are_equal(
        last.queries, queries
    )


def _are_equal(
    ones: tuple[torch.Tensor, ...], others: tuple[torch.Tensor, ...]
) -> bool:
    """Return whether classes are compared with the same, to the last bit."""
    # Not their words: what moved a class shows here, whatever it was.
    return len(ones) == len(others) and all(
        torch.equal(one, other)
        for one, other in zip(ones, others, strict=True)
    )
