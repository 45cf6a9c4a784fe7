"""`python -m inference.build.finger_held_out`: the finger score on data sets that it never saw.

For each data set, network, calibration and threshold are made from all others, and then the set is tried;
beside it stands what the network of all sets together says of it. It works on the committed comparisons, so
no image is needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from inference.build.comparison_file import CUT, SYNTHETIC, Comparisons, load
from inference.build.head_training import Head
from inference.build.score_head import SEED, trained_without
from inference.evaluation.calibration import calibrated, source_point
from inference.evaluation.measured import MeasuredSet
from inference.evaluation.metrics import ScoreSet

FMR = 1e-3


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one set as one reader sends it, as fractions.

    eer, fnmr: at thresholds of the set's own scores. fmr_carried, fnmr_carried: at the threshold for FMR 1e-3
    that the other sets gave, on scores calibrated on those; None where the set took part itself.
    """

    eer: float
    fnmr: float
    fmr_carried: float | None
    fnmr_carried: float | None


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m inference.build.finger_held_out", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of the training")
    seed = parser.parse_args().seed
    parts = load()
    tested = [part for part in parts if part.origin.form != CUT and part.origin.data != SYNTHETIC]
    of_all = trained_without(parts, None, seed)
    table = Table(title=f"Finger score, in-sample and held out (%, threshold for FMR {FMR:g})", box=None)
    for column in (
        "reader",
        "data",
        "EER in",
        "FNMR in",
        "EER out",
        "FNMR out",
        "FMR carried",
        "FNMR carried",
    ):
        table.add_column(column, justify="left" if column in ("reader", "data") else "right")
    unseen = {
        data: trained_without(parts, data, seed) for data in dict.fromkeys(one.origin.data for one in tested)
    }
    for form in dict.fromkeys(one.origin.form for one in tested):
        of_form = [one for one in tested if one.origin.form == form]
        for one in of_form:
            seen = figures(of_all, one, ())
            others = [other for other in of_form if other is not one]
            apart = figures(unseen[one.origin.data], one, others)
            cells = (seen.eer, seen.fnmr, apart.eer, apart.fnmr, apart.fmr_carried, apart.fnmr_carried)
            table.add_row(form, one.origin.data, *(_percent(cell) for cell in cells))
    Console(width=110).print(table)
    return 0


def figures(head: Head, tested: Comparisons, others: Sequence[Comparisons]) -> Figures:
    """Try a network on one set; calibration and the carried threshold come from the others."""
    own = _measured(head, tested)
    scores = ScoreSet(own.genuine, own.impostor)
    eer, fnmr = scores.equal_error_rate(), scores.at_fmr(FMR).fnmr
    if not others:
        return Figures(eer, fnmr, None, None)
    point = source_point("", "", "", [_measured(head, other) for other in others])
    threshold = next(row.threshold_llr for row in point.rows if row.fmr == FMR)
    llrs, _ = calibrated([own], point.calibration)
    at = llrs.at_threshold(threshold, FMR)
    return Figures(eer, fnmr, at.fmr_measured, at.fnmr)


def _measured(head: Head, part: Comparisons) -> MeasuredSet:
    raw = head.scores(part.features)
    return MeasuredSet(part.origin.data, 0, 0, raw[part.genuine], raw[~part.genuine])


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.2f}"


if __name__ == "__main__":
    sys.exit(main())
