"""The whole way from an image and words to labels, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.registry import DEFAULT_NAME
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Settings, check_threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy.typing as npt

    from napari_naclip.engine.features import TokenStore
    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import (
        Partial,
        Progress,
        Region,
        Segmentation,
    )


def segment(
    image: npt.ArrayLike,
    classes: str | ClassList,
    *,
    model: str | Model = DEFAULT_NAME,
    settings: Settings | None = None,
    region: Region | None = None,
    progress: Callable[[Progress], None] | None = None,
    store: TokenStore | None = None,
) -> Segmentation:
    """Return the labels of an image for classes in words.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        Of any real dtype; the settings say how values are mapped.
    classes : str or ClassList
        For example ``'sky; tree, bush; water'``.
    model : str or Model
        From ``load_model``, or a name that it knows.
    settings : Settings, optional
    region : Region, optional
        The pixels that labels are wanted for; by default all. Without a
        refinement they equal the same part of the whole result.
    progress : callable, optional
        Called with each ``Progress``; what it raises ends the run.
    store : TokenStore, optional
        Where tokens of windows are looked up and kept, such as
        ``napari_naclip.io.kept_features.shared_store()``, so that a later
        call does not look at the same windows again. By default nothing is.

    Returns
    -------
    Segmentation
        ``labels`` (H, W), ``confidence`` (H, W), ``classes``, ``recipe``,
        ``notices``, ``region``; of the region's size if there is one.

    Raises
    ------
    NaclipError
        If something cannot be used; the text says what, why and what to do.
    """
    if isinstance(classes, str):
        classes = ClassList.from_text(classes)
    settings = settings or Settings()
    check_threshold(classes, settings)
    if isinstance(model, str):
        model = load_model(model, progress=progress)
    # Nobody looks at labels that a refinement would change.
    steps = Segmenter(model, settings, store).stream(
        image, classes, region, previews=False
    )
    return run_to_end(steps, progress)


def iter_live(
    image: npt.ArrayLike,
    classes: ClassList,
    *,
    model: Model,
    settings: Settings,
    region: Region | None = None,
    store: TokenStore | None = None,
) -> Generator[
    Progress | Partial, None, tuple[LiveSegmentation, Segmentation]
]:
    """Yield like ``iter_segment``; return what answers again, and labels.

    Parameters
    ----------
    store : TokenStore, optional
        See ``Segmenter``.
    """
    segmenter = Segmenter(model, settings, store)
    return (yield from segmenter.stream_live(image, classes, region))


def iter_segment(
    image: npt.ArrayLike,
    classes: ClassList,
    *,
    model: Model,
    settings: Settings,
    region: Region | None = None,
) -> Generator[Progress | Partial, None, Segmentation]:
    """Yield progress and labels that come early; return the labels.

    See ``segment``. Each ``Partial`` holds rows of the region, in pixels of
    the whole image: final ones, or, where refined or cleaned, a preview.
    """
    segmenter = Segmenter(model, settings)
    return (yield from segmenter.stream(image, classes, region))
