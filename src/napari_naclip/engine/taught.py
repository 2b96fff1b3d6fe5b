"""What a class was taught by: examples of it, and how much they count.

Plain data that travel with the class list, from one image to the next. How
they move a class is in ``teaching``.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_naclip.engine.errors import InputError

#: How much examples count beside the words until a person says otherwise.
DEFAULT_WEIGHT: Final = 0.5
#: Examples of a class, at most: an export of 30 such classes has 20 MB.
MAX_EXAMPLES: Final = 200
#: Longest vector of any model, with room to spare.
_MAX_SIZE: Final = 8192
#: How vectors are kept: exact for tokens, which are kept so themselves.
_DTYPE: Final = np.dtype('<f2')


@dataclass(frozen=True, slots=True)
class Example:
    """Pixels that a person said the class of, as the model sees them.

    Attributes
    ----------
    vector : bytes
        Mean token of the pixels, D float16 numbers, little endian; see
        ``token``.
    center : bytes
        What tokens of the picture have in common whatever they show, as
        ``vector``; see ``shared``.
    pixels : int
        How many there were, at least 1.
    model : str
        Fingerprint of the model that has seen them; no other can use them.
    """

    vector: bytes = field(repr=False)
    center: bytes = field(repr=False)
    pixels: int
    model: str

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise InputError('An example holds no pixel. Choose some.')
        if len(self.vector) != len(self.center) or (
            not 0 < len(self.vector) <= _MAX_SIZE * _DTYPE.itemsize
            or len(self.vector) % _DTYPE.itemsize
        ):
            raise InputError('The vectors of an example are cut.')
        if not (
            np.isfinite(self.token).all() and np.isfinite(self.shared).all()
        ):
            raise InputError('An example holds what is no finite number.')
        if not self.token.any():
            raise InputError('An example holds nothing but zeros.')

    @classmethod
    def of(
        cls,
        token: npt.ArrayLike,
        center: npt.ArrayLike,
        pixels: int,
        model: str,
    ) -> Example:
        """Return an example from vectors.

        Parameters
        ----------
        token, center : (D,) array_like
            See ``vector`` and ``center``; rounded to float16.
        pixels : int
        model : str
        """
        return cls(_to_bytes(token), _to_bytes(center), pixels, model)

    @property
    def token(self) -> npt.NDArray[np.float32]:
        """The mean token, (D,) float32; not of unit length."""
        return np.frombuffer(self.vector, _DTYPE).astype(np.float32)

    @property
    def shared(self) -> npt.NDArray[np.float32]:
        """What tokens of the picture have in common, (D,) float32."""
        return np.frombuffer(self.center, _DTYPE).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the example as plain data, exactly."""
        return {
            'vector': base64.b64encode(self.vector).decode(),
            'center': base64.b64encode(self.center).decode(),
            'pixels': self.pixels,
            'model': self.model,
        }


def _to_bytes(vector: npt.ArrayLike) -> bytes:
    return np.asarray(vector, np.float32).astype(_DTYPE).tobytes()


@dataclass(frozen=True, slots=True)
class Teaching:
    """The examples of a class, and their weight beside its words.

    Attributes
    ----------
    examples : tuple of Example
        In the order in which they were given.
    weight : float
        0: the words alone, exactly. 1: the examples alone. A class without
        words is always taught by its examples alone.
    """

    examples: tuple[Example, ...] = ()
    weight: float = DEFAULT_WEIGHT

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and 0 <= self.weight <= 1):
            raise InputError(
                f'The weight of examples is {self.weight}; it goes from 0 to '
                '1.'
            )
        if len(self.examples) > MAX_EXAMPLES:
            raise InputError(
                f'A class has {len(self.examples)} examples, more than '
                f'{MAX_EXAMPLES}. Forget some.'
            )

    def __bool__(self) -> bool:
        return bool(self.examples)

    @property
    def pixels(self) -> int:
        """Pixels of all examples."""
        return sum(each.pixels for each in self.examples)

    def with_example(self, example: Example) -> Teaching:
        """Return the teaching with one more example, the last."""
        return Teaching((*self.examples, example), self.weight)

    def without(self, example: Example) -> Teaching:
        """Return the teaching without an example; the last of equal ones."""
        examples = list(self.examples)
        for place in reversed(range(len(examples))):
            if examples[place] == example:
                del examples[place]
                break
        return Teaching(tuple(examples), self.weight)

    def seen_by(self, model: str) -> tuple[Example, ...]:
        """Return the examples of one model."""
        return tuple(each for each in self.examples if each.model == model)

    def to_dict(self) -> dict[str, Any]:
        """Return the teaching as plain data."""
        return {
            'weight': self.weight,
            'examples': [each.to_dict() for each in self.examples],
        }


#: Of a class that words alone decide.
UNTAUGHT: Final = Teaching()


def read_teaching(data: object, name: str) -> Teaching:
    """Return the teaching that ``Teaching.to_dict`` gave.

    Parameters
    ----------
    data : object
        None: nothing was taught.
    name : str
        Of the class, for what is said of an error.

    Raises
    ------
    InputError
        If the data are anything else.
    """
    if data is None:
        return UNTAUGHT
    if not isinstance(data, dict) or not isinstance(
        data.get('examples'), list
    ):
        raise InputError(
            f'What class {name!r} was taught by holds no list of examples. '
            'Export the list again, or remove "taught".'
        )
    weight = data.get('weight', DEFAULT_WEIGHT)
    if not isinstance(weight, int | float) or isinstance(weight, bool):
        raise InputError(
            f'The weight {weight!r:.40} of the examples of class {name!r} is '
            'no number.'
        )
    examples = tuple(_read_example(each, name) for each in data['examples'])
    return Teaching(examples, float(weight))


def _read_example(data: object, name: str) -> Example:
    fields = data if isinstance(data, dict) else {}
    vector, center = fields.get('vector'), fields.get('center')
    pixels, model = fields.get('pixels'), fields.get('model')
    if not (
        isinstance(vector, str)
        and isinstance(center, str)
        and isinstance(model, str)
        and isinstance(pixels, int)
        and not isinstance(pixels, bool)
    ):
        raise InputError(
            f'An example of class {name!r} is cut. Export the list again.'
        )
    try:
        return Example(
            base64.b64decode(vector, validate=True),
            base64.b64decode(center, validate=True),
            pixels,
            model,
        )
    except (binascii.Error, ValueError) as error:
        raise InputError(
            f'An example of class {name!r} cannot be used: {error} Export '
            'the list again.'
        ) from error
