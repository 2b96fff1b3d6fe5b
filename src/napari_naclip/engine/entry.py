"""What is known of a model before anything of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: What open_clip calls its files in a repository; the first one is preferred.
WEIGHTS_FILES: Final = (
    'open_clip_model.safetensors',
    'open_clip_pytorch_model.bin',
)
#: What open_clip calls a model's own configuration beside its weights.
CONFIG_FILE: Final = 'open_clip_config.json'


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A model: where its weights are, how it is built, what it is good for.

    Attributes
    ----------
    name, title : str
        What people call it, and a line about it.
    window, stride : int
        Sliding window that suits the model, in pixels.
    arch, tag : str
        open_clip's architecture and pretrained tag. Without an architecture
        the model has a configuration beside its weights.
    repo : str
        Repository on the hub; empty for a folder, and for a tag that
        open_clip has not been asked about yet.
    file : str
        Weights in the repository; empty: as open_clip calls them.
    folder : Path or None
        Folder on this machine that has configuration and weights.
    activation : {'gelu', 'quickgelu', ''}
        Empty: as the configuration says.
    mean, std : tuple of float
        Of the channels, for pixels from 0 to 1; empty: not known yet.
    parameters : int
        Number of weights; 0 where nobody has counted.
    native : int
        Side of the images that it was made with, in pixels.
    domain : str
        What it was made of.
    license : str
    forbids_commercial : bool
    is_experimental : bool
        Whether the published method says nothing of such a model.
    needs_transformers : bool
        Whether its words need the package transformers.
    note, source : str
        What to know of it, and where it was published.
    """

    name: str
    title: str
    window: int
    stride: int
    arch: str = ''
    tag: str = ''
    repo: str = ''
    file: str = ''
    folder: Path | None = None
    activation: str = ''
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    parameters: int = 0
    native: int = 0
    domain: str = ''
    license: str = ''
    forbids_commercial: bool = False
    is_experimental: bool = False
    needs_transformers: bool = False
    note: str = ''
    source: str = ''

    @property
    def download_size(self) -> int:
        """About how large the file is, in bytes; 0: the hub is asked.

        float32 is assumed. The download itself asks for the true size.
        """
        return 4 * self.parameters

    @property
    def files(self) -> tuple[str, ...]:
        """Names that the weights may have in the repository, best first."""
        return (self.file,) if self.file else WEIGHTS_FILES

    @property
    def terms(self) -> str:
        """What the license says, as far as it is known; may be empty."""
        if self.forbids_commercial:
            return f'{self.license}: no commercial use'
        return self.license

    @property
    def remarks(self) -> str:
        """All that is to be known of it, in sentences; may be empty."""
        needs = 'Needs the package transformers.'
        found = (self.note, needs if self.needs_transformers else '')
        return ' '.join(each for each in found if each)

    @property
    def public_name(self) -> str:
        """The name without where things are on this machine."""
        if self.folder is None:
            return self.name
        return f'local-dir:{self.folder.name}'
