"""What an operating point claims, and which files it refuses."""

import math
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from firmware.cli import main
from inference.errors import OperatingPointRefused
from inference.evaluation.record import add_source, save, with_source
from inference.face.compare import fmr_ratio
from inference.finger.pipeline import build_finger_recogniser
from inference.fusion import Evidence, fuse, usual_price_nats
from inference.models.catalogue import Catalogue
from inference.models.catalogue import made_by as made_by_model
from inference.operating_point import DEFAULT, GalleryTooLarge, OperatingPoint, Strength, Threshold, load
from inference.operating_point_file import ImpostorTail, modality_of, read
from inference.runtime import RuntimeName
from inference.types import ComparisonScore, FingerPosition, Modality
from tests.kit.operating_points import (
    CREATED,
    FACE_MODEL,
    FINGER_MODEL,
    drawn_operating_point,
    measured_source,
)

MADE_BY = {Modality.FACE: FACE_MODEL, Modality.FINGER: FINGER_MODEL}
CONTENT = drawn_operating_point()
POINT = OperatingPoint(CONTENT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "point.json"
    save(CONTENT, path)
    return path


def test_a_saved_file_loads_with_the_models_that_made_it(file: Path) -> None:
    point = load(file, MADE_BY)
    assert point.digest == CONTENT.digest
    assert dict(point.sources) == CONTENT.sources


def test_a_file_of_other_models_is_refused(file: Path) -> None:
    with pytest.raises(OperatingPointRefused, match=r"other models .* aidpost evaluate finger"):
        load(file, MADE_BY | {Modality.FINGER: "finger-model@another-runtime"})


@pytest.mark.parametrize("modality", list(Modality))
def test_a_file_of_another_comparator_is_refused(modality: Modality, tmp_path: Path) -> None:
    name = next(name for name in CONTENT.sources if modality_of(name) is modality)
    older = msgspec.structs.replace(CONTENT.sources[name], comparator="an older one")
    path = tmp_path / "older.json"
    save(with_source(CONTENT, "drawn", CREATED, name, older), path)
    with pytest.raises(
        OperatingPointRefused, match=rf"another comparator .* aidpost evaluate {modality.value}"
    ):
        load(path, MADE_BY)


def test_a_file_without_a_needed_modality_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "face-only.json"
    add_source(path, "face only", CREATED, "face", CONTENT.sources["face"])
    assert load(path, {Modality.FACE: FACE_MODEL}).name == "face only"
    with pytest.raises(OperatingPointRefused, match="has no finger scores"):
        load(path, MADE_BY)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[: len(text) // 2], "is not an operating point"),
        (lambda text: text.replace('"fmr": 0.001', '"fmr": 0.0001', 1), "was changed after it was made"),
        (lambda text: text.replace('"name"', '"unknown_key": 1, "name"', 1), "is not an operating point"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "has version 2"),
    ],
)
def test_a_damaged_file_is_refused_with_what_to_do(file: Path, change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    file.write_text(change(file.read_text()))
    with pytest.raises(OperatingPointRefused, match=rf"{sentence}.*aidpost evaluate"):
        load(file, MADE_BY)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatingPointRefused, match="cannot be read"):
        load(tmp_path / "none.json", MADE_BY)


def test_the_remedy_is_whole_commands_for_another_file(tmp_path: Path) -> None:
    with pytest.raises(OperatingPointRefused) as refused:
        load(DEFAULT, MADE_BY)
    commands = re.findall(r"aidpost (evaluate (?:face|finger)[^;]*);", str(refused.value))
    assert len(commands) == 2
    for printed in commands:
        assert str(DEFAULT) not in printed
        command = printed
        for word, real in (("FILE", tmp_path / "new"), ("DIR", tmp_path / "none"), ("MODEL", "R503")):
            command = command.replace(word, str(real))
        ended = CliRunner().invoke(main, command.split())
        assert "does not exist" in ended.output  # the folder: every option is known and none is missing


def test_a_source_that_was_not_measured_is_refused() -> None:
    with pytest.raises(OperatingPointRefused, match="no calibration for finger/AS608"):
        POINT.threshold({"finger/AS608"}, 1e-3)


def test_new_models_replace_the_sources_of_their_modality_alone() -> None:
    newer = measured_source(
        "finger-model@2", Modality.FINGER, distance=5, genuine=500, impostor=5_000, seed=3
    )
    content = with_source(CONTENT, "drawn", CREATED, "finger/AS608", newer)
    assert set(content.sources) == {"face", "finger/AS608"}


def test_a_new_comparator_replaces_the_sources_of_its_modality_alone() -> None:
    newer = msgspec.structs.replace(CONTENT.sources["finger/R503"], comparator="a newer one")
    content = with_source(CONTENT, "drawn", CREATED, "finger/AS608", newer)
    assert set(content.sources) == {"face", "finger/AS608"}


def test_one_source_has_the_measured_threshold() -> None:
    rows = {row.fmr: row.threshold_llr for row in CONTENT.sources["face"].rows}
    assert POINT.threshold({"face"}, 1e-4) == Threshold(rows[1e-4], 1e-4, supported=True)


def test_a_stricter_rate_never_lowers_the_threshold() -> None:
    for sources in (["face"], ["finger/R503"], ["face", "finger/R503"]):
        thresholds = [POINT.threshold(sources, fmr).llr for fmr in np.geomspace(0.1, 1e-6, 60)]
        assert thresholds == sorted(thresholds)


def test_a_rate_beyond_the_data_is_marked_as_not_supported() -> None:
    assert CONTENT.sources["finger/R503"].unsupported_fmr == (1e-4,)
    threshold = POINT.threshold({"finger/R503"}, 1e-4)
    assert not threshold.supported
    assert threshold.llr >= -math.log(1e-4)
    supported = POINT.supported_fmr({"finger/R503"})
    assert 3 / 10_000 <= supported <= 1e-3
    assert POINT.threshold({"finger/R503"}, supported).supported


@pytest.mark.parametrize("sources", [["face"], ["face", "finger/R503"], ["finger/R503", "finger/R503"]])
def test_fresh_impostors_stay_below_the_claimed_rate(sources: list[str]) -> None:
    fmr = 1e-3
    threshold = POINT.threshold(sources, fmr)
    random = np.random.default_rng(7)
    total = np.zeros(400_000)
    for name in sources:
        raw = random.normal(-3.25 if name == "face" else -2.75, 1, total.size)
        calibration = CONTENT.sources[name].calibration
        total += np.clip(
            calibration.slope * raw + calibration.intercept, calibration.lower_llr, calibration.upper_llr
        )
    # The row of one source is measured at the rate itself, so fresh data may exceed it by chance.
    assert np.mean(total >= threshold.llr) <= fmr * (1.3 if len(sources) == 1 else 1.0)


def test_two_fingers_support_a_rate_that_one_cannot() -> None:
    assert not POINT.threshold(["finger/R503"], 1e-4).supported
    assert POINT.threshold(["finger/R503", "finger/R503"], 1e-4).supported


def test_a_gallery_raises_the_threshold_or_is_refused() -> None:
    one = POINT.for_gallery({"face"}, 1)
    hundred = POINT.for_gallery({"face"}, 100)
    assert isinstance(one, Threshold)
    assert isinstance(hundred, Threshold)
    assert hundred.llr > one.llr
    assert POINT.false_positive_identification_rate(100, hundred.fmr) == pytest.approx(0.01)
    too_large = POINT.for_gallery({"face"}, 100_000)
    assert isinstance(too_large, GalleryTooLarge)
    assert isinstance(POINT.for_gallery({"face"}, too_large.largest_size), Threshold)
    assert isinstance(POINT.for_gallery({"face"}, too_large.largest_size + 1), GalleryTooLarge)


def test_false_suggestions_follow_from_gallery_size_and_rate() -> None:
    assert POINT.expected_false_suggestions(500, 1e-4) == pytest.approx(0.05)
    assert POINT.false_positive_identification_rate(500, 1e-4) == pytest.approx(1 - (1 - 1e-4) ** 500)


def test_words_claim_no_more_than_the_data_support() -> None:
    strict = POINT.threshold({"face"}, 1e-4).llr
    fair = POINT.threshold({"face"}, 1e-3).llr
    assert POINT.strength(strict, {"face"}) is Strength.STRONG
    assert POINT.strength(math.nextafter(strict, -math.inf), {"face"}) is Strength.FAIR
    assert POINT.strength(math.nextafter(fair, -math.inf), {"face"}) is Strength.WEAK
    # FMR 1e-4 is beyond the finger data, so one finger is never called strong.
    highest = CONTENT.sources["finger/R503"].calibration.upper_llr
    assert POINT.strength(highest, {"finger/R503"}) is Strength.FAIR


def test_the_operating_point_of_this_distribution_belongs_to_its_models() -> None:
    catalogue = Catalogue()
    made_by = {
        Modality.FACE: made_by_model(catalogue.load("sface", RuntimeName.LITERT)),
        Modality.FINGER: build_finger_recogniser(catalogue, RuntimeName.LITERT).scored_by,
    }
    with pytest.raises(OperatingPointRefused, match="other models"):
        load(
            DEFAULT, made_by | {Modality.FINGER: made_by_model(catalogue.load("leader", RuntimeName.LITERT))}
        )
    point = load(DEFAULT, made_by)
    assert set(point.sources) == {"face", "finger/R503", "finger/AS608", "finger/R307"}
    # What 1:1 asks for: FMR 1e-4 with face, or with two fingers, and FMR 1e-3 with one finger.
    assert point.threshold(["face"], 1e-4).supported
    assert point.threshold(["finger/R503", "finger/R503"], 1e-4).supported
    assert point.threshold(["finger/R503"], 1e-3).supported


def test_no_threshold_lies_where_the_evidence_speaks_against_a_match() -> None:
    for sources in (["face"], ["face", "finger/R503"], ["face", "finger/R503", "finger/R503"]):
        assert POINT.threshold(sources, 0.05).llr >= 0.0
    assert CONTENT.sources["face"].rows[0].threshold_llr >= 0.0


@pytest.mark.parametrize("sources", [["face"], ["finger/R503"], ["face", "finger/R503"]])
@pytest.mark.parametrize("frames", [(1, 1), (2, 2), (2, 4), (5, 20)])
def test_a_perfect_score_reaches_every_supported_threshold(
    sources: list[str], frames: tuple[int, int]
) -> None:
    point = OperatingPoint(read(DEFAULT))
    perfect = fuse(
        [
            Evidence(ComparisonScore(Modality.FACE, 1.0, name, fmr_ratio(*frames)))
            if name == "face"
            else Evidence(ComparisonScore(Modality.FINGER, 100.0, name), FingerPosition.RIGHT_INDEX)
            for name in sources
        ],
        point,
    )
    supported = []
    for fmr in np.geomspace(0.1, 1e-14, 500):
        threshold = point.threshold(sources, fmr, perfect.price_nats)
        supported.append(threshold.supported)
        assert not threshold.supported or perfect.llr >= threshold.llr - 1e-9
    assert supported == sorted(supported, reverse=True)
    assert len(set(supported)) == 2
    largest = point.largest_gallery(sources, price_nats=perfect.price_nats)
    reached = point.for_gallery(sources, largest, price_nats=perfect.price_nats)
    assert isinstance(reached, Threshold)
    assert perfect.llr >= reached.llr
    too_large = point.for_gallery(sources, largest + 1, price_nats=perfect.price_nats)
    assert too_large == GalleryTooLarge(largest + 1, largest)


def test_nothing_is_supported_where_the_price_takes_all() -> None:
    assert POINT.for_gallery(["face"], 1, price_nats=50.0) == GalleryTooLarge(1, 0)


def test_averaged_frames_leave_a_smaller_gallery() -> None:
    assert POINT.largest_gallery(["face"]) == 335  # FPIR 1 % at 3 in 100,000
    assert POINT.largest_gallery(["face"], price_nats=usual_price_nats(POINT, "face", 2, 4)) == 211
    assert usual_price_nats(POINT, "finger/R503", 2, 4) == 0.0


def test_the_threshold_of_a_sum_lies_above_what_impostors_between_two_steps_add_up_to() -> None:
    """Impostors of both sources always score 0.4, between the steps 0 and 0.5: their sum is 0.8."""
    always = ImpostorTail(0.0, 0.5, (1.0, 1e-9))
    names = [next(name for name in CONTENT.sources if modality_of(name) is modality) for modality in Modality]
    sources = {name: msgspec.structs.replace(CONTENT.sources[name], impostor_tail=always) for name in names}
    point = OperatingPoint(msgspec.structs.replace(CONTENT, sources=sources))
    threshold = point.threshold(names, 1e-3)
    assert threshold.supported
    assert threshold.llr > 0.8
