"""The parts that a person will meet, tried as they are used: before the day, and before a change is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from firmware.day.self_test import PartFinding
from firmware.known_answers.judging import answers_rightly
from firmware.recognition import Recognition
from firmware.session.acquire import InThread


@dataclass(frozen=True, slots=True)
class FittedParts:
    """self_test: tries store and devices. sensor: model of the fingerprint reader, empty without one.
    whole_gallery: whether every entry can be used.
    """

    self_test: Callable[[], Awaitable[tuple[PartFinding, ...]]]
    in_inference: InThread
    recognition: Recognition
    sensor: str
    whole_gallery: bool

    async def tried(self) -> dict[str, bool]:
        """Return each part that is fitted, by its name, and whether it is well."""
        found = {each.part: each.well for each in await self.self_test()}
        right = await self.in_inference(partial(answers_rightly, self.recognition, self.sensor))
        of_models = {"gallery": self.whole_gallery, "recognition": right}
        return {part: well for part, well in found.items() if well is not None} | of_models

    async def well(self) -> tuple[str, ...]:
        """Return the names of the parts that are well."""
        return tuple(part for part, well in (await self.tried()).items() if well)
