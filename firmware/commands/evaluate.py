"""`aidpost evaluate`: error rates on named data, and the operating points that come out of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from firmware.commands.attack_output import write_attacks
from firmware.commands.common import FiniteRange
from firmware.commands.evaluation_output import Outputs, clear_refusals
from firmware.commands.protection_output import write_protection
from inference.evaluation.attacks import evaluate_attacks
from inference.evaluation.cohort_file import CohortFile, read_cohorts
from inference.evaluation.face import evaluate_faces
from inference.evaluation.finger import evaluate_fingers
from inference.evaluation.fuse import PAIRINGS, SEED, fuse_evaluations
from inference.evaluation.protection.faces import evaluate_face_protection
from inference.evaluation.protection.fingers import evaluate_finger_protection
from inference.evaluation.sensor_like import NOMINAL_PPI, SENSOR_SIZE, SIZES, SensorLike, choose
from inference.models.catalogue import FOLDER as MODELS
from inference.runtime import RuntimeName

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(path_type=Path)
_OUTPUT_FOLDER = click.Path(file_okay=False, path_type=Path)


def _options(*options: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _read_cohorts(context: click.Context, option: click.Parameter, path: Path | None) -> CohortFile | None:
    with clear_refusals():
        return None if path is None else read_cohorts(path)


_run_options = _options(
    click.option("--json", "json_file", type=_FILE, help="Write all figures to the new FILE."),
    click.option("--plots", type=_OUTPUT_FOLDER, help="Draw the figures into DIR, as SVG and PNG."),
    click.option("--jobs", type=click.IntRange(1), help="Processes, one core each; all cores if not given."),
    click.option(
        "--runtime",
        type=click.Choice([runtime.value for runtime in RuntimeName]),
        default=RuntimeName.LITERT.value,
        show_default=True,
    ),
)
_point_options = _options(
    click.option(
        "--cohorts",
        type=_FILE,
        callback=_read_cohorts,
        help="Rates by cohort: CSV of image or identity, and a column for each attribute.",
    ),
    click.option(
        "--operating-point",
        type=_FILE,
        help="Write calibration and thresholds to FILE; what it holds of other sources stays.",
    ),
    click.option("--name", help="Name of the operating point, for the records.  [default: name of the file]"),
    click.option("--note", default="", help="What else a reader of the operating point must know."),
)
_sensor_options = _options(
    click.option(
        "--sensor-like",
        type=click.Choice(list(SIZES)),
        help="Cut the finger images to what a sensor of this size sends.  [default: none]",
    ),
    click.option(
        "--sensor",
        type=click.Choice(list(SENSOR_SIZE)),
        help="The same by sensor model; operating points belong to one.",
    ),
    click.option(
        "--ppi",
        type=FiniteRange(100, 2000),
        default=NOMINAL_PPI,
        show_default=True,
        help="Resolution of the finger images in pixels per inch.",
    ),
)


@click.group()
def evaluate() -> None:
    """Measure error rates; make operating points."""


@evaluate.command()
@click.option("--images", type=_FOLDER, required=True, help="Folder in LFW's layout: NAME/NAME_0001.jpg.")
@click.option("--pairs", type=_FILE, required=True, help="Pairs in LFW's form.")
@_run_options
@_point_options
@click.option(
    "--models",
    type=_FOLDER,
    default=MODELS,
    show_default="those of this release",
    help="Folder of other face networks with their cards.",
)
@click.option(
    "--frames",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="Besides, measure probes of up to so many images of a person, averaged as frames are.",
)
def face(
    images: Path, pairs: Path, jobs: int | None, runtime: str, models: Path, frames: int, **outputs: Any
) -> None:
    """Measure face recognition."""
    out = Outputs(**outputs)
    out.prepare()
    with _progress() as progress:
        result = evaluate_faces(
            *(images, pairs, RuntimeName(runtime), jobs or _cores(), progress, models, frames),
            cohorts=out.cohorts,
        )
    out.write(result)


@evaluate.command()
@click.option(
    "--images", type=_FOLDER, required=True, multiple=True, help="Folder of FINGER_IMPRESSION.png|tif|bmp."
)
@click.argument("more_images", type=_FOLDER, nargs=-1, metavar="[DIR]...")
@_sensor_options
@_run_options
@_point_options
def finger(
    images: tuple[Path, ...],
    more_images: tuple[Path, ...],
    sensor_like: str | None,
    sensor: str | None,
    ppi: float,
    jobs: int | None,
    runtime: str,
    **outputs: Any,
) -> None:
    """Measure finger recognition; each folder is a data set with impostors of its own."""
    out = Outputs(**outputs)
    if sensor is None and out.operating_point is not None:
        raise click.UsageError("an operating point belongs to a sensor model; name it with --sensor")
    looks = _sensor(sensor_like, sensor, ppi)
    out.prepare()
    with _progress() as progress:
        folders = [*images, *more_images]
        result = evaluate_fingers(
            folders, looks, RuntimeName(runtime), jobs or _cores(), progress, cohorts=out.cohorts
        )
    out.write(result)


@evaluate.command()
@click.option("--faces", type=_FOLDER, required=True, help="Folder in LFW's layout: NAME/NAME_0001.jpg.")
@click.option("--pairs", type=_FILE, required=True, help="Pairs in LFW's form.")
@click.option(
    "--fingers", type=_FOLDER, required=True, multiple=True, help="Folder of FINGER_IMPRESSION.png|tif|bmp."
)
@click.argument("more_fingers", type=_FOLDER, nargs=-1, metavar="[DIR]...")
@_sensor_options
@click.option(
    "--pairings",
    type=click.IntRange(1),
    default=PAIRINGS,
    show_default=True,
    help="How often faces and fingers are put together anew.",
)
@click.option("--seed", type=click.IntRange(0), default=SEED, show_default=True, help="Of all that is drawn.")
@_run_options
def fuse(
    faces: Path,
    pairs: Path,
    fingers: tuple[Path, ...],
    more_fingers: tuple[Path, ...],
    sensor_like: str | None,
    sensor: str | None,
    ppi: float,
    pairings: int,
    seed: int,
    jobs: int | None,
    runtime: str,
    json_file: Path | None,
    plots: Path | None,
) -> None:
    """Measure face and fingers together, on virtual subjects: one person's face, another's fingers."""
    looks = _sensor(sensor_like, sensor, ppi)
    out = Outputs(json_file, plots)
    out.prepare()
    processes, name = jobs or _cores(), RuntimeName(runtime)
    with _progress() as progress:
        of_fingers = evaluate_fingers([*fingers, *more_fingers], looks, name, processes, progress)
        of_faces = evaluate_faces(faces, pairs, name, processes, progress)
        fused = fuse_evaluations(of_faces, of_fingers, pairings, seed)
    out.write_fusion(fused)


@evaluate.command()
@click.option(
    "--bona-fide", type=_FOLDER, required=True, help="Folder of presentations by people themselves."
)
@click.option(
    "--attacks",
    "attack_folder",
    type=_FOLDER,
    required=True,
    help="Folder with one folder of presentations for each species of attack instrument.",
)
@click.option(
    "--each-image",
    is_flag=True,
    help="Every image at any depth is a presentation; by default a folder of frames is one.",
)
@_run_options
def attacks(
    bona_fide: Path,
    attack_folder: Path,
    each_image: bool,
    jobs: int | None,
    runtime: str,
    json_file: Path | None,
    plots: Path | None,
) -> None:
    """Measure the attack detector for faces: APCER of each species, and BPCER (ISO/IEC 30107-3).

    An image is one presentation, and so is a folder of frames. Nothing is claimed beyond the given set.
    """
    Outputs(json_file, plots).prepare()
    with _progress() as progress:
        result = evaluate_attacks(
            bona_fide, attack_folder, RuntimeName(runtime), jobs or _cores(), progress, each_image=each_image
        )
    write_attacks(result, json_file, plots)


@evaluate.command()
@click.option(
    "--images",
    type=_FOLDER,
    required=True,
    multiple=True,
    help="Faces: folder in LFW's layout. Fingers: folder of FINGER_IMPRESSION.png|tif|bmp.",
)
@click.argument("more_images", type=_FOLDER, nargs=-1, metavar="[DIR]...")
@click.option("--pairs", type=_FILE, help="Faces: pairs in LFW's form. Without it the images are fingers.")
@_sensor_options
@_run_options
def protection(
    images: tuple[Path, ...],
    more_images: tuple[Path, ...],
    pairs: Path | None,
    sensor_like: str | None,
    sensor: str | None,
    ppi: float,
    jobs: int | None,
    runtime: str,
    json_file: Path | None,
    plots: Path | None,
) -> None:
    """Measure the protection of templates: accuracy, linkability and inversion (ISO/IEC 30136).

    The way the appliance protects them, and others, on the same images: faces with --pairs, else fingers.
    """
    folders, looks = [*images, *more_images], _sensor(sensor_like, sensor, ppi)
    if pairs is not None and (len(folders) > 1 or sensor or sensor_like):
        raise click.UsageError("faces are one folder and no sensor's; leave --pairs out for fingers")
    Outputs(json_file, plots).prepare()
    processes, name = jobs or _cores(), RuntimeName(runtime)
    with _progress() as progress:
        if pairs is not None:
            result = evaluate_face_protection(folders[0], pairs, name, processes, progress)
        else:
            result = evaluate_finger_protection(folders, looks, name, processes, progress)
    write_protection(result, json_file, plots)


def _sensor(size: str | None, model: str | None, ppi: float) -> SensorLike:
    try:
        return choose(size, model, ppi)
    except ValueError as fault:
        raise click.UsageError(f"--sensor and --sensor-like contradict each other: {fault}") from fault


def _cores() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each stage; refusals become one clear sentence."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began = time.monotonic()
    with clear_refusals(), Progress(*columns, console=Console(stderr=True)) as bars:
        known: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in known:
                known[stage] = bars.add_task(stage, total=total)
            bars.update(known[stage], completed=done)

        yield show
    click.echo(f"took {time.monotonic() - began:.0f} s", err=True)
