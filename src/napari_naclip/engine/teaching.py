"""How examples move a class: from embeddings of words to what is compared.

Tokens of pictures are alike in a way that words are not: two tokens of
different things have a larger cosine than a token and the word for it. A
class that moved towards its examples as they are would win everywhere.
Therefore what tokens have in common is taken off first, and what is left is
scaled by what words do: a taught class beats, on its own examples, the best
word of another class by as much as words beat each other, and elsewhere has
the score of an average word.

Everything follows from the class list and the model, nothing from the picture
that is labeled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_naclip.engine.decide import class_queries
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.taught import UNTAUGHT

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from napari_naclip.engine.models import Model
    from napari_naclip.engine.taught import Example
    from napari_naclip.engine.types import ClassList, Progress

    Floats = npt.NDArray[np.float64]

#: By how much a class that its examples alone decide wins on them, in mean
#: leads of the best word over an average one; found on the development seeds
#: of ``benchmarks/teaching.py``.
_MARGIN: Final = 0.5
#: The least such lead, as a share of the words' mean cosine there: one word
#: alone leads over nothing.
_LEAST_LEAD: Final = 0.2


def competing_classes(classes: ClassList, model: str) -> ClassList:
    """Return the classes as they compete for a model.

    Parameters
    ----------
    classes : ClassList
    model : str
        Fingerprint of the model.

    Returns
    -------
    ClassList
        The same, but that a background row without prompts, of which only
        other models have seen examples, is as if it was never taught: it
        takes what is below the threshold, and does not compete.
    """
    row = classes.background
    if row is None or row.prompts or row.teaching.seen_by(model):
        return classes
    return replace(classes, background=replace(row, teaching=UNTAUGHT))


def taught_queries(
    words: torch.Tensor, classes: ClassList, model: str
) -> torch.Tensor:
    """Return what tokens are compared with: words as examples moved them.

    Parameters
    ----------
    words : (P, D) float32 Tensor
        Unit embeddings of ``classes.queries``.
    classes : ClassList
    model : str
        Fingerprint of the model; examples of others do not count.

    Returns
    -------
    (Q, D) float32 Tensor
        A query for each of the ``query_owners`` of ``competing_classes``. Those of classes without
        examples, or with a weight of 0, are the words to the last bit; taught
        ones are not of unit length.

    Raises
    ------
    InputError
        If a class has no prompt and no example of this model, or an example
        is of another length than the words.
    """
    classes = competing_classes(classes, model)
    taught = _examples(classes, model)
    if not taught:
        return words
    for place, examples in taught.items():
        _check_length(
            examples, words.shape[1], classes.competitors[place].name
        )
    texts = words.numpy().astype(np.float64)
    tokens = {place: _mean(examples) for place, examples in taught.items()}
    aims = _aims(texts, classes, tokens, _center(taught))
    queries = words.new_empty(len(classes.query_owners), words.shape[1])
    start = 0
    for place, (row, owned) in enumerate(
        zip(classes.competitors, class_queries(classes), strict=True)
    ):
        mine = words[start : start + len(row.prompts)]
        start += len(row.prompts)
        if place not in aims:
            queries[owned.start : owned.stop] = mine
            continue
        weight = row.teaching.weight if row.prompts else 1.0
        moved = aims[place] * weight
        if row.prompts:
            moved = moved + (1 - weight) * mine.numpy().astype(np.float64)
        queries[owned.start : owned.stop] = torch.from_numpy(
            moved.astype(np.float32)
        )
    return queries


def iter_queries(
    model: Model, classes: ClassList, templates: Sequence[str] | None
) -> Generator[Progress, None, torch.Tensor]:
    """Yield progress in texts; return what tokens are compared with.

    Parameters
    ----------
    model : Model
    classes : ClassList
    templates : sequence of str or None
        None: CLIP's 80.

    Returns
    -------
    (Q, D) float32 Tensor
        See ``taught_queries``, whose errors may come.
    """
    words = torch.empty(0, model.tower.embedding_size)
    if classes.queries:
        words = yield from model.embed(classes.queries, templates)
    return taught_queries(words, classes, model.fingerprint)


def foreign_notices(classes: ClassList, model: str) -> list[str]:
    """Return what the person should know about examples of other models."""
    return [
        f'{len(row.teaching.examples) - len(row.teaching.seen_by(model))} of '
        f'{len(row.teaching.examples)} examples of {row.name!r} were seen by '
        'another model and do not count. Teach it again with this one, or '
        'choose that model.'
        for row in classes.competitors
        if row.is_taught
        and len(row.teaching.seen_by(model)) < len(row.teaching.examples)
    ]


def _examples(
    classes: ClassList, model: str
) -> dict[int, tuple[Example, ...]]:
    """Return the examples that count, by their class's place."""
    found: dict[int, tuple[Example, ...]] = {}
    for place, row in enumerate(classes.competitors):
        examples = row.teaching.seen_by(model) if row.is_taught else ()
        if examples:
            found[place] = examples
        elif not row.prompts:
            raise InputError(
                f'Class {row.name!r} was taught with another model and has '
                'no prompt. Type one, turn the class off, or choose the model '
                'that it was taught with.'
            )
    return found


def _check_length(
    examples: tuple[Example, ...], length: int, name: str
) -> None:
    for each in examples:
        if each.token.size != length:
            raise InputError(
                f'An example of class {name!r} has {each.token.size} numbers, '
                f'but this model gives {length}: the list is damaged. Make '
                'the class forget its examples and teach it again.'
            )


def _mean(examples: tuple[Example, ...]) -> Floats:
    """Return the mean token of examples; each counts once."""
    mean: Floats = np.mean(
        [each.token for each in examples], axis=0, dtype=float
    )
    return mean


def _center(taught: dict[int, tuple[Example, ...]]) -> Floats:
    """Return what tokens have in common, whatever they show."""
    # Once a picture: many examples of one say nothing more about it.
    centers = {
        each.center: each.shared
        for examples in taught.values()
        for each in examples
    }
    mean: Floats = np.mean(list(centers.values()), axis=0, dtype=float)
    return mean


def _aims(
    texts: Floats,
    classes: ClassList,
    tokens: dict[int, Floats],
    center: Floats,
) -> dict[int, Floats]:
    """Return what each taught class becomes by its examples alone."""
    if not len(texts):
        # Nothing to be comparable with but each other.
        return {place: token - center for place, token in tokens.items()}
    owners = np.concatenate(
        [
            np.full(len(row.prompts), place)
            for place, row in enumerate(classes.competitors)
        ]
    )
    average = texts.mean(axis=0)
    leads = {place: (texts - average) @ v for place, v in tokens.items()}
    level = np.mean([abs(average @ v) for v in tokens.values()])
    usual = max(
        float(np.mean([lead.max() for lead in leads.values()])),
        _LEAST_LEAD * float(level),
    )
    aims = {}
    for place, token in tokens.items():
        rivals = leads[place][owners != place]
        wanted = max(float(rivals.max(initial=0.0)), 0.0) + _MARGIN * usual
        direction = token - center
        # Where the example is what all tokens are, there is no direction.
        length = max(float(direction @ token), 1e-3 * float(token @ token))
        aims[place] = average + wanted / length * direction
    return aims
