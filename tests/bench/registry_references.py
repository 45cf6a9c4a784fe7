"""What references of another extractor cost: `python -m tests.bench.registry_references --images DIR...`.

NIST's mindtct (nbis-py 0.1.3, by `uv run --with`, never a dependency) finds the minutiae of each image. They
pass through a record of ISO/IEC 19794-2 and are compared, as references, with this project's own probes.
Prints the table of docs/registry-records.md; some 20 minutes for 368 images on two busy cores.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np

from inference.evaluation.datasets import Impression, read_fingers, read_grey
from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import FingerRecogniser, build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.standards import finger_record
from inference.types import FingerPosition, FingerTemplate, Live
from sensors.frames import DeviceIdentity, FingerFrame, Retry

References: TypeAlias = Mapping[Path, PreparedFinger]

READER = "AS608"
_GENUINE, _IMPOSTOR = 1200, 10_000
_RATES = (1e-2, 1e-3)
_MINDTCT = """
import json, sys
from pathlib import Path
import nbis
settings = nbis.NbisExtractorSettings(
    min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=False, ppi=500.0
)
extractor = nbis.new_nbis_extractor(settings)
for path in json.load(sys.stdin):
    found = extractor.extract_minutiae(Path(path).read_bytes()).get()
    print(json.dumps([[m.x(), m.y(), m.angle(), m.kind().value - 1, m.reliability()] for m in found]))
"""


@click.command()
@click.option(
    "--images", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True, required=True
)
@click.option("--most", type=click.IntRange(2), help="Of each data set the first so many images, to try it.")
def main(images: Sequence[Path], most: int | None) -> None:
    """Measure, and print the table."""
    impressions = [each for folder in images for each in read_fingers(folder)[:most]]
    recogniser = build_finger_recogniser(Catalogue(), RuntimeName.LITERT)
    own = {each.path: found for each in impressions if (found := _own(recogniser, each.path)) is not None}
    foreign = _mindtct(list(own), own)
    probes = {path: recogniser.prepare(template) for path, template in own.items()}
    kinds: dict[str, References] = {
        "this project's, as captured": probes,
        "the same through a record of 2005": _through_a_record(recogniser, own),
        "mindtct's, through a record": _through_a_record(recogniser, foreign),
    }
    pairs = _pairs([each for each in impressions if each.path in own])
    thresholds: list[float] = []
    for name, references in kinds.items():
        genuine, impostor = ([_raw(recogniser, probes, references, *pair) for pair in each] for each in pairs)
        thresholds = thresholds or [float(np.quantile(impostor, 1 - rate)) for rate in _RATES]
        rates = (
            f"FMR {np.mean(np.array(impostor) >= at):.4f}  FNMR {np.mean(np.array(genuine) < at):.4f}"
            for at in thresholds
        )
        click.echo(f"{name:<36}{'   '.join(rates)}")


def _own(recogniser: FingerRecogniser, path: Path) -> FingerTemplate | None:
    pixels = read_grey(path)
    if pixels is None:
        return None
    frame = FingerFrame(pixels, 500.0, DeviceIdentity(READER, "file"), 0.0)
    assessed = recogniser.assess(frame)
    if isinstance(assessed, Retry):
        return None
    live = Live(assessed.sample, assessed.quality, attack_score=None)
    return recogniser.template(live, FingerPosition.UNKNOWN)


def _mindtct(paths: Sequence[Path], own: Mapping[Path, FingerTemplate]) -> dict[Path, FingerTemplate]:
    uv = Path(sys.executable).with_name("uv")
    command = (str(uv), "run", "--no-project", "--with", "nbis-py==0.1.3", "python", "-c", _MINDTCT)
    asked = json.dumps([str(path.resolve()) for path in paths])
    answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    templates = {}
    for path, line in zip(paths, answer.stdout.splitlines(), strict=True):
        rows = np.array(json.loads(line), np.float32).reshape(-1, 5)
        rows[:, 2] = np.radians(rows[:, 2])
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        mine = own[path]
        templates[path] = FingerTemplate(
            rows, mine.width, mine.height, FingerPosition.UNKNOWN, READER, mine.quality, mine.made_by
        )
    return templates


def _through_a_record(recogniser: FingerRecogniser, templates: Mapping[Path, FingerTemplate]) -> References:
    prepared = {}
    for path, template in templates.items():
        (view,) = finger_record.decode(finger_record.encode([template]))
        prepared[path] = recogniser.prepare(view.template(sensor=READER, made_by=template.made_by))
    return prepared


def _pairs(impressions: Sequence[Impression]) -> tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]]:
    """Return the genuine and the impostor pairs; impostors are of one data set, as in the evaluation."""
    draw = np.random.default_rng(0)
    genuine: list[tuple[Path, Path]] = []
    impostor: list[tuple[Path, Path]] = []
    for one, other in itertools.permutations(impressions, 2):
        if one.path.parent == other.path.parent:
            (genuine if one.finger == other.finger else impostor).append((one.path, other.path))
    some, others = (
        [every[place] for place in draw.permutation(len(every))[:most]]
        for every, most in ((genuine, _GENUINE), (impostor, _IMPOSTOR))
    )
    return some, others


def _raw(
    recogniser: FingerRecogniser, probes: References, references: References, probe: Path, reference: Path
) -> float:
    return recogniser.compare(probes[probe], references[reference]).raw


if __name__ == "__main__":
    main()
