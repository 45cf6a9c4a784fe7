"""Where the files of an aggregator lie that are not in its store: artifacts, diagnostic bundles, a key."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from aggregator.artifact_shelf import ArtifactShelf
from aggregator.bundle_shelf import BundleShelf
from aggregator.receipts import ReceiptKey
from aggregator.store.place import Place, Server


class FolderNeeded(ValueError):
    """A store on a server has nothing beside it; the message says what to name."""


class FolderUnusable(Exception):
    """The folder of --files cannot be written in; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Two folders and a file; whoever needs them makes them."""

    artifacts: Path
    diagnostics: Path
    receipt_key: Path
    shared: bool
    """Whether other workers use them at the same time."""

    @classmethod
    def of(cls, store: Place, files: Path | None, identity: Path | None) -> Beside:
        """Return where the files of a store lie. Raises FolderNeeded.

        files: the folder that all workers share, for a store on a server; a file has its own beside it.
        identity: the authority's folder, None for a development server. All workers have the same one, and
        so the same key for receipts: devices remember it.
        """
        if isinstance(store, Path):
            return cls(
                store.with_name(store.name + ".artifacts"),
                store.with_name(store.name + ".diagnostics"),
                key_beside(store, identity),
                shared=False,
            )
        if files is None:
            raise FolderNeeded(
                "nothing lies beside a store on a server: name a folder that all workers share with --files"
            )
        return cls(
            files / "artifacts", files / "diagnostics", key_beside(store, identity or files), shared=True
        )

    def try_folders(self) -> None:
        """Write in the folders of --files: one that cannot be used is told before anybody is served.

        Raises FolderUnusable.
        """
        if not self.shared:
            return
        for folder in (self.artifacts, self.diagnostics):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder) as tried:
                    tried.write(b"tried")
            except OSError as error:
                raise FolderUnusable(
                    f"cannot write in {folder} ({error.strerror}): name a folder with --files that all "
                    "workers share and may write in"
                ) from error

    def artifact_shelf(self) -> ArtifactShelf:
        """Return the files for devices."""
        return ArtifactShelf(self.artifacts, shared=self.shared)

    def bundle_shelf(self) -> BundleShelf:
        """Return what devices hand in."""
        return BundleShelf(self.diagnostics)

    def key(self) -> ReceiptKey:
        """Return the key that signs receipts, made where there is none. Raises ReceiptKeyUnusable."""
        return ReceiptKey.of(self.receipt_key)


def key_beside(store: Place, identity: Path | None) -> Path:
    """Return where the key for receipts lies; for a store on a server in the identity's folder.

    Raises FolderNeeded.
    """
    if not isinstance(store, Server):
        return store.with_name(store.name + ".receipt-key.pem")
    if identity is None:
        raise FolderNeeded(
            "nothing lies beside a store on a server: name the authority's folder, which has the key that "
            "signs receipts, with --identity"
        )
    return identity / "receipt-key.pem"
