"""What staff must know, in sentences, by the part that each is about."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable


class NoticeBoard(UserDict[str, str]):
    """A mapping from part to sentence that tells of each new sentence."""

    def __init__(self) -> None:
        super().__init__()
        self._hear: Callable[[str], object] = lambda _sentence: None

    def listen(self, hear: Callable[[str], object]) -> None:
        """Tell `hear` what is there, and each new sentence from now on."""
        self._hear = hear
        for sentence in self.values():
            hear(sentence)

    def __setitem__(self, part: str, sentence: str) -> None:
        if self.get(part) != sentence:
            super().__setitem__(part, sentence)
            self._hear(sentence)
