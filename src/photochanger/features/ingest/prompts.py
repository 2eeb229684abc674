"""The words a vendor gets: a step's prompt, with what the guest said in its places."""

import re
from collections.abc import Collection, Mapping

from photochanger.features.ingest.fields import is_always_variable

VALUE_CHARACTERS = 200
_TELLING_CHARACTERS = 3
_PLACE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,31})\}")
_QUOTES = ".,;:!?\u201d\u2019()"
_ESCAPED = str.maketrans({'"': "\u201d", "`": "\u2019", "{": "(", "}": ")"})


def fill(prompt: str, said: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """`defaults` are the slot's variables. A place of that name is filled; other braces are the prompt's own."""

    def value(place: re.Match[str]) -> str:
        name = place[1]
        if name not in defaults and not is_always_variable(name):
            return place[0]
        return _escaped(said.get(name, "")) or defaults.get(name, "")

    return _PLACE.sub(value, prompt)


def words_of(said: Collection[str]) -> tuple[str, ...]:
    """Of what a guest said each word as a prompt has it: a vendor may quote a piece of a prompt."""
    words = {word.strip(_QUOTES) for text in said for word in _escaped(text).split()}
    return tuple(word for word in words if len(word) >= _TELLING_CHARACTERS)


def _escaped(text: str) -> str:
    """One line of plain words, which ends neither the quotation it stands in nor the sentence's line."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split()).translate(_ESCAPED)[:VALUE_CHARACTERS]
