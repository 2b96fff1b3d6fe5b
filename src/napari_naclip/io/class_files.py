"""Class lists as files: plain text, CSV for spreadsheets, JSON with colors.

What cannot be read is refused as a whole, in one sentence.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.class_rows import (
    ClassDraft,
    read_class_text,
    read_draft,
)
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.classes import (
    BACKGROUND_NAME,
    BACKGROUND_VALUE,
    name_key,
)
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.prompts import (
    format_classes,
    format_prompts,
    parse_prompts,
)
from napari_naclip.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_naclip.engine.class_rows import ClassRow

#: Name and version of the JSON format.
JSON_FORMAT: Final = 'napari-naclip classes'
JSON_VERSION: Final = 1
#: Bytes; a list of every label value is smaller.
MAX_SIZE: Final = 1_000_000
#: Bytes of a JSON file, which may hold thousands of examples.
MAX_JSON_SIZE: Final = 100_000_000
#: Columns of a CSV file, in their order where a file has no header.
COLUMNS: Final = ('name', 'prompts', 'color', 'value', 'on', 'locked')

_TABLE_SUFFIXES: Final = frozenset({'.csv', '.tsv'})
_YES: Final = frozenset({'1', 'true', 'yes', 'on', 'x'})
_NO: Final = frozenset({'0', 'false', 'no', 'off'})


def read_classes(path: str | Path) -> tuple[ClassDraft, ...]:
    """Return the classes in a file.

    Parameters
    ----------
    path : str or Path
        ``.json`` (also the file that is written beside a result), ``.csv`` or
        ``.tsv`` (with or without a header; comma, semicolon or tab between
        columns); anything else is text with one class a line and synonyms by
        comma. UTF-8, or UTF-16 with a byte order mark.

    Returns
    -------
    tuple of ClassDraft
        At least one; together they make a list.

    Raises
    ------
    InputError
        If it is empty, cut, too large, or anything but a class list.
    StorageError
        If it is not there or may not be read.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        if path.suffix.lower() == '.json':
            drafts = _parse_json(text)
        elif path.suffix.lower() in _TABLE_SUFFIXES:
            drafts = _parse_table(text)
        else:
            drafts = read_class_text(text)
        state = ListState.from_drafts(drafts)
    except InputError as error:
        raise InputError(f'{path} cannot be used: {error}') from error
    if not state.rows:
        raise InputError(f'{path} holds no class. Choose another file.')
    return drafts


def write_classes(
    path: str | Path, state: ListState, *, overwrite: bool = False
) -> tuple[str, ...]:
    """Write a class list to a file of the kind that its suffix names.

    Parameters
    ----------
    path : str or Path
        ``.json`` and ``.csv`` (``.tsv``) keep all of it but the certainty;
        anything else is text, which keeps the prompts of the classes.
    state : ListState
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    tuple of str
        What the file does not hold, a sentence each.

    Raises
    ------
    InputError
        If there is nothing to write, or more than is read back.
    StorageError
        If it cannot be written.
    """
    path = Path(path)
    if not state.rows:
        raise InputError('There is no class to write. Add one first.')
    notices: tuple[str, ...] = ()
    if path.suffix.lower() == '.json':
        text = _format_json(state)
    elif path.suffix.lower() in _TABLE_SUFFIXES:
        is_tabbed = path.suffix.lower() == '.tsv'
        text = _format_table(state, '\t' if is_tabbed else ',')
        notices = _notice_taught(state.rows)
    else:
        text, notices = _format_text(state)
    data = text.encode()
    if len(data) > _most_bytes(path):
        raise InputError(
            f'The list takes {len(data) // 1000} kB in {path}, more than the '
            f'{_most_bytes(path) // 1000} kB that can be read back. Forget '
            'examples or remove classes, or write them as two lists.'
        )
    with write_atomically(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)
    return notices


def _most_bytes(path: Path) -> int:
    return MAX_JSON_SIZE if path.suffix.lower() == '.json' else MAX_SIZE


def _read_text(path: Path) -> str:
    most = _most_bytes(path)
    try:
        with path.open('rb') as file:
            data = file.read(most + 1)
    except FileNotFoundError as error:
        raise StorageError(
            f'{path} is not there. Choose another file.'
        ) from error
    except IsADirectoryError as error:
        raise StorageError(
            f'{path} is a folder. Choose a file in it.'
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).rstrip('.')
        raise StorageError(
            f'{path} cannot be read: {reason}. Choose another file.'
        ) from error
    if len(data) > most:
        raise InputError(
            f'{path} is larger than {most // 1000} kB, which no class '
            'list is. Choose another file.'
        )
    is_wide = data.startswith((b'\xff\xfe', b'\xfe\xff'))
    try:
        text = data.decode('utf-16' if is_wide else 'utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path} is no text in UTF-8. Save it as "CSV UTF-8" or as text '
            'in UTF-8, or choose another file.'
        ) from error
    if not text.strip('\ufeff \t\r\n'):
        raise InputError(f'{path} is empty. Choose another file.')
    if '\0' in text:
        raise InputError(
            f'{path} is no text but binary data. Choose another file.'
        )
    return text


def _parse_json(text: str) -> tuple[ClassDraft, ...]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            'it is no JSON, or cut. Export the list again.'
        ) from error
    if not isinstance(data, dict) or not isinstance(data.get('classes'), list):
        raise InputError(
            'it holds no list "classes". Choose a file that was exported '
            'from a class list.'
        )
    if (
        data.get('format') == JSON_FORMAT
        and data.get('version') != JSON_VERSION
    ):
        raise InputError(
            f'it has version {data.get("version")!r:.20} of the format, not '
            f'{JSON_VERSION}. Update napari-naclip.'
        )
    return tuple(read_draft(row) for row in data['classes'])


def _format_json(state: ListState) -> str:
    content = {
        'format': JSON_FORMAT,
        'version': JSON_VERSION,
        'classes': [row.to_dict() for row in state.rows],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + '\n'


def _parse_table(text: str) -> tuple[ClassDraft, ...]:
    rows = _split_table(text)
    header = _read_header(rows[0])
    columns: Sequence[str] = COLUMNS
    first = 1
    if header is not None:
        columns, rows, first = header, rows[1:], 2
    drafts: list[ClassDraft] = []
    for number, cells in enumerate(rows, start=first):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise InputError(
                f'row {number} has {len(cells)} columns instead of '
                f'{len(columns)} ({", ".join(columns)}). Put cells with a '
                'separator in quotes.'
            )
        fields = {
            column: cell.strip()
            for column, cell in zip(columns, cells, strict=False)
        }
        drafts.append(_read_row(number, fields, is_first=not drafts))
    return tuple(drafts)


def _split_table(text: str) -> list[list[str]]:
    """Return the cells, by the separator that gives a header or columns."""
    found: list[list[list[str]]] = []
    # Semicolons and tabs stand in names less often than commas do.
    for separator in (';', '\t', ','):
        stream = io.StringIO(text, newline='')
        try:
            rows = list(csv.reader(stream, delimiter=separator, strict=True))
        except csv.Error:
            continue
        if _is_header(rows[0]):
            return rows
        if len(rows[0]) > 1 or separator == ',':
            found.append(rows)
    if not found:
        raise InputError(
            'it has a quotation mark that is never closed, or text beside a '
            'quoted cell. Export the table again.'
        )
    return found[0]


def _is_header(cells: Sequence[str]) -> bool:
    found = {cell.strip().casefold() for cell in cells}
    return 'name' in found or len(found & set(COLUMNS)) > 1


def _read_header(cells: Sequence[str]) -> list[str] | None:
    if not _is_header(cells):
        return None
    header = [cell.strip().casefold() for cell in cells]
    if 'name' not in header:
        raise InputError(
            'its header has no column "name". The columns are '
            f'{", ".join(COLUMNS)}; only the first must be there.'
        )
    known = [column for column in header if column in COLUMNS]
    if len(set(known)) < len(known):
        raise InputError('its header has a column twice. Remove one of them.')
    return header


def _read_row(
    number: int, fields: dict[str, str], *, is_first: bool
) -> ClassDraft:
    name = fields.get('name', '')
    data: dict[str, Any] = {'name': name, 'color': fields.get('color', '')}
    prompts = parse_prompts(fields.get('prompts', ''))
    value = fields.get('value', '')
    if value:
        if not (value.isascii() and value.isdecimal() and len(value) < 9):
            raise InputError(
                f'row {number} has the label value {value!r:.40}. Write a '
                'whole number, or nothing.'
            )
        data['value'] = int(value)
    elif is_first and name_key(name) == BACKGROUND_NAME:
        data['value'] = BACKGROUND_VALUE
    if prompts or (value and data['value'] == BACKGROUND_VALUE):
        data['prompts'] = prompts
    for column in ('on', 'locked'):
        text = fields.get(column, '')
        if text:
            data[column] = _read_flag(number, column, text)
    return read_draft(data)


def _read_flag(number: int, column: str, text: str) -> bool:
    if text.casefold() in _YES | _NO:
        return text.casefold() in _YES
    raise InputError(
        f'row {number} has {text!r:.40} in the column {column!r}. Write 1 or '
        '0, or nothing.'
    )


def _format_table(state: ListState, separator: str) -> str:
    stream = io.StringIO(newline='')
    writer = csv.writer(stream, delimiter=separator)
    writer.writerow(COLUMNS)
    for row in state.rows:
        prompts = format_prompts(row.prompts)
        flags = int(row.is_on), int(row.is_locked)
        writer.writerow((row.name, prompts, row.color, row.value, *flags))
    return stream.getvalue()


def _format_text(state: ListState) -> tuple[str, tuple[str, ...]]:
    rows = [row for row in state.rows if row.prompts or row.is_background]
    notices = list(_notice_taught(state.rows))
    if len(rows) < len(state.rows):
        notices.append(
            'Classes that examples alone decide are not in the text.'
        )
    first = state.background
    if first is not None and not _is_named_background(first.prompts[:1]):
        # The text grammar knows the row by its first word alone.
        rows.remove(first)
        notices.append(
            'The text holds no background row: its prompts do not begin '
            f'with "{BACKGROUND_NAME}". CSV and JSON hold it.'
        )
        first = None
    if not rows:
        raise InputError(
            'There is no class to write as text. Choose CSV or JSON.'
        )
    if first is None and _is_named_background(rows[0].prompts[:1]):
        raise InputError(
            f'The first class would be read as the background row: its '
            f'prompts begin with "{BACKGROUND_NAME}". Choose CSV or JSON.'
        )
    if any(row.name != row.prompts[0] for row in rows):
        notices.append(
            'The text holds prompts, not the names that differ from them. '
            'CSV and JSON hold both.'
        )
    text = format_classes((row.prompts for row in rows), separator='\n')
    return text + '\n', tuple(notices)


def _notice_taught(rows: Sequence[ClassRow]) -> tuple[str, ...]:
    if not any(row.teaching for row in rows):
        return ()
    return ('The examples of taught classes are lost here. JSON holds them.',)


def _is_named_background(prompts: Sequence[str]) -> bool:
    return bool(prompts) and name_key(prompts[0]) == BACKGROUND_NAME
