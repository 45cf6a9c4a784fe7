"""A catalogue that knows how large the models are that were loaded from it."""

from __future__ import annotations

from inference.models.catalogue import Catalogue, LoadedModel
from inference.runtime import RuntimeName


class CountingCatalogue(Catalogue):
    """The models of this distribution; total_bytes: of all that were loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.total_bytes = 0

    def load(self, name: str, runtime: RuntimeName, threads: int = 1) -> LoadedModel:
        """Load a model and add its size."""
        model = super().load(name, runtime, threads)
        self.total_bytes += model.card.size_bytes
        return model
