"""Whether prompts look English, which is what most models were taught with.

A hint and no more: what is flagged may be right, and much that is not English
passes. Names, loanwords and scientific Latin must pass, so that only what can
hardly be anything else is flagged.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WORD: Final = re.compile(r'[^\W\d_]+')
#: Greek letters one after another from which on they are a word: fewer stand
#: for something in science, as in \u03b2-tubulin.
_GREEK_WORD: Final = 3
#: Prompts that a hint names.
_MOST_NAMED: Final = 3
#: What the names of letters that English texts may have begin with.
_LATIN: Final = ('LATIN', 'FEMININE ORDINAL', 'MASCULINE ORDINAL')


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Short words of other languages that are no English, Latin or short form:
#: not "die", "van", "met", "dem", "am", "a", "et", "de", "con", "no", "med".
_STOP_WORDS: Final = _words(
    """
    der das ein eine einen einer und mit auf im vom zum zur ohne unter oder
    het een voor zonder
    le les des une avec dans aux sous
    los las una unos unas del uma il gli della delle degli nel nella
    och og f\u00f6r
    """
)
#: Of these, parts of names, as in "Costa del Sol".
_IN_NAMES: Final = _words('der das le les des los las del della il vom zur')
#: Everyday words that people look for; neither English nor Latin.
_FOREIGN_WORDS: Final = _words(
    """
    himmel baum wasser haus hund katze wolke wolken wiese wald gebirge fluss
    zelle zellen zellkern gewebe knochen boden dach
    ciel arbre arbres eau maison nuage nuages chien oiseau voiture feuille
    montagne noyau cellule cellules
    cielo agua nube nubes perro hierba monta\u00f1a r\u00edo bosque
    c\u00e9lula c\u00e9lulas n\u00facleo hueso \u00e1rbol \u00e1rboles
    albero alberi acqua nuvola gatto uccello strada cellula
    \u00e1gua c\u00e9u \u00e1rvore nuvem cachorro
    """
)
#: Words with marks that are English by now.
_LOANWORDS: Final = _words(
    """
    caf\u00e9 caf\u00e9s fa\u00e7ade fa\u00e7ades na\u00efve
    jalape\u00f1o jalape\u00f1os pi\u00f1ata pi\u00f1a p\u00e2t\u00e9
    cr\u00e8me br\u00fbl\u00e9e entr\u00e9e saut\u00e9 saut\u00e9ed
    cr\u00eape cr\u00eapes souffl\u00e9 pur\u00e9e d\u00e9cor
    m\u00e2ch\u00e9 a\u00e7a\u00ed se\u00f1or voil\u00e0 d\u00e9j\u00e0
    r\u00e9sum\u00e9 consomm\u00e9 ros\u00e9 co\u00f6perative
    doppelg\u00e4nger smorg\u00e5sbord pi\u00e8ce f\u00eate ch\u00e2teau
    """
)


def find_foreign(prompts: Iterable[str]) -> tuple[str, ...]:
    """Return the prompts that do not look English, in their order.

    A prompt is one if it has a letter that is not Latin (Greek ones may stand
    alone), a word with a mark that is neither capitalized nor a loanword, or
    a common word of another language. Names are no reason.
    """
    return tuple(prompt for prompt in prompts if _is_foreign(prompt))


def describe_foreign(prompts: Sequence[str]) -> str:
    """Return a hint on prompts that do not look English; '' for none."""
    if not prompts:
        return ''
    named = [repr(prompt) for prompt in prompts[:_MOST_NAMED]]
    if len(prompts) > _MOST_NAMED:
        named.append(f'{len(prompts) - _MOST_NAMED} more')
    verb = 'does' if len(prompts) == 1 else 'do'
    return (
        f'{", ".join(named)} {verb} not look English, which is what most '
        'models read. Change the prompts; names may be in any language.'
    )


def _is_foreign(prompt: str) -> bool:
    words = _WORD.findall(unicodedata.normalize('NFC', prompt))
    if any(_has_foreign_letter(word) for word in words):
        return True
    is_name = len(words) > 1 and words[-1][0].isupper()
    for word in words:
        folded = word.casefold()
        if folded in _FOREIGN_WORDS:
            return True
        if word in _STOP_WORDS and not (is_name and word in _IN_NAMES):
            # An article on its own says nothing.
            if len(words) > 1:
                return True
        elif len(word) > 1 and word[0].islower() and folded not in _LOANWORDS:
            marks = unicodedata.normalize('NFD', word)
            if any(unicodedata.combining(letter) for letter in marks):
                return True
    return False


def _has_foreign_letter(word: str) -> bool:
    greek = 0
    for letter in word:
        name = unicodedata.name(letter, '')
        if name.startswith(('GREEK', 'MICRO SIGN')):
            greek += 1
        elif name == 'LATIN SMALL LETTER SHARP S' or (
            letter.isalpha() and not name.startswith(_LATIN)
        ):
            return True
    return greek >= _GREEK_WORD
