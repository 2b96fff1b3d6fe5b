"""The project's own files: one version, no traces, modules of a size."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Homes, temporary and mounted folders of a machine.
MACHINE_PATH = re.compile(
    r'(?<![\w./~<{])/(?:home|Users|root|tmp|mnt|work|workspace)/[\w.-]'
    r'|[A-Z]:\\\\?Users\\'
)
MAX_LINES = 400


def tracked_files() -> list[Path]:
    if not (ROOT / '.git').exists():
        pytest.skip('not a git checkout')
    listing = subprocess.run(
        ['git', 'ls-files', '-z'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listing.split('\0') if name)
    return [path for path in paths if path.is_file()]


def test_the_changelog_begins_with_this_version() -> None:
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    changelog = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    newest = re.search(r'^## \[?v?(\d[^\s\]]*)', changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == project['version']


def test_no_file_names_a_place_on_a_machine() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding='utf-8')
        except UnicodeDecodeError:
            continue
        found += [
            f'{path.relative_to(ROOT)}: {match[0]}'
            for match in MACHINE_PATH.finditer(text)
        ]
    assert found == []


def test_modules_stay_small() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in tracked_files()
        if path.suffix == '.py'
    }
    assert sizes
    assert {n: s for n, s in sizes.items() if s >= MAX_LINES} == {}
