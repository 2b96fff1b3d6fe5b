"""Tables to files: CSV that spreadsheets and scripts read alike."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: What spreadsheets take for the beginning of a formula.
_FORMULA: Final = ('=', '+', '-', '@')


def format_table(
    columns: Mapping[str, Sequence[Any]], separator: str = ','
) -> str:
    """Return a table as text, with its titles in the first line.

    Numbers are written in full, None and NaN as nothing. A name that a
    spreadsheet would take for a formula gets an apostrophe before it.

    Parameters
    ----------
    columns : mapping of str to sequence
        Of one length.
    separator : str
    """
    stream = io.StringIO(newline='')
    writer = csv.writer(stream, delimiter=separator)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_format(cell) for cell in row])
    return stream.getvalue()


def write_table(
    path: Path,
    columns: Mapping[str, Sequence[Any]],
    *,
    overwrite: bool = False,
) -> None:
    """Write a table as CSV (UTF-8); see ``format_table``.

    Raises
    ------
    StorageError
        If the file cannot be written; then it is as it was.
    """
    text = format_table(columns)
    with write_atomically(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding='utf-8', newline='')


def _format(cell: Any) -> Any:
    if cell is None or cell != cell:
        return ''
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell
