"""Error rates against values worked out by hand, and data sets that are not what they should be."""

import math
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.evaluation.calibration import fit_affine, source_point
from inference.evaluation.datasets import (
    DataSetRefused,
    Impression,
    read_colour,
    read_fingers,
    read_grey,
    read_pairs,
)
from inference.evaluation.face import _extract as face_of
from inference.evaluation.face import _Image as face_image
from inference.evaluation.finger import _extract as finger_of
from inference.evaluation.finger import _Image as finger_image
from inference.evaluation.intervals import supports, upper_bound, wilson
from inference.evaluation.measured import MeasuredSet
from inference.evaluation.metrics import NotMeasurable, ScoreSet
from inference.evaluation.parallel import run_all
from inference.evaluation.sensor_like import choose, sensor_like
from inference.models.catalogue import FOLDER
from inference.runtime import RuntimeName


def test_rates_of_scores_that_were_counted_by_hand() -> None:
    scores = ScoreSet(genuine=[0.9, 0.8, 0.7, 0.3], impostor=[0.1, 0.2, 0.25, 0.4, 0.75])
    assert scores.equal_error_rate() == pytest.approx((1 / 4 + 1 / 5) / 2)
    assert (scores.false_matches(0.4), scores.false_non_matches(0.4)) == (2, 1)
    at = scores.at_fmr(0.2)
    assert at.fmr_measured == pytest.approx(0.2)
    assert at.threshold > 0.4
    assert at.fnmr == pytest.approx(0.25)
    strict = scores.at_fmr(0.0)
    assert (strict.fmr_measured, strict.fnmr) == (0.0, 0.5)


def test_equal_scores_are_matched_or_refused_together() -> None:
    scores = ScoreSet(genuine=[2.0], impostor=[1.0] * 10 + [0.0] * 90)
    assert scores.at_fmr(0.05).fmr_measured == 0.0
    assert scores.at_fmr(0.1).fmr_measured == pytest.approx(0.1)


def test_scores_without_overlap_have_no_error() -> None:
    assert ScoreSet([5.0, 6.0], [1.0, 2.0]).equal_error_rate() == 0.0


def test_equal_error_rate_of_normal_scores() -> None:
    random = np.random.default_rng(1)
    scores = ScoreSet(random.normal(2, 1, 200_000), random.normal(-2, 1, 200_000))
    assert scores.equal_error_rate() == pytest.approx(0.02275, abs=0.001)  # Phi(-2)


def test_no_score_means_no_statement() -> None:
    with pytest.raises(NotMeasurable, match="no genuine"):
        ScoreSet([], [1.0])
    with pytest.raises(NotMeasurable, match="finite"):
        ScoreSet([math.nan], [1.0])


def test_upper_bounds_are_those_of_clopper_and_pearson() -> None:
    assert upper_bound(0, 30_000) == pytest.approx(1e-4)  # rule of three
    assert upper_bound(1, 10) == pytest.approx(0.3942, abs=1e-4)  # published tables
    assert upper_bound(5, 100) == pytest.approx(0.1023, abs=1e-4)
    assert upper_bound(10, 10) == 1.0
    count, trials = 3, 50
    bound = upper_bound(count, trials)
    below = sum(math.comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(count + 1))
    assert below == pytest.approx(0.05, abs=1e-6)


def test_wilson_intervals() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(10, 10)[1] == 1.0


def test_a_rate_of_1_in_100_000_is_reported_where_the_comparisons_support_it() -> None:
    impostor = np.zeros(300_000)
    assert ScoreSet([1.0], impostor).reported_fmr() == (1e-2, 1e-3, 1e-4, 1e-5)
    assert ScoreSet([1.0], impostor[1:]).reported_fmr() == (1e-2, 1e-3, 1e-4)
    assert ScoreSet([1.0], impostor, repeats=2).reported_fmr() == (1e-2, 1e-3, 1e-4)


def test_the_rule_of_three_says_which_rate_is_supported() -> None:
    assert supports(1e-4, 30_000)
    assert not supports(1e-4, 29_999)


def test_calibration_finds_the_likelihood_ratio_of_normal_scores() -> None:
    random = np.random.default_rng(2)
    # N(+1, 1) against N(-1, 1): the log-likelihood ratio of a score x is 2 x.
    slope, intercept = fit_affine(random.normal(1, 1, 20_000), random.normal(-1, 1, 60_000))
    assert slope == pytest.approx(2.0, abs=0.05)
    assert intercept == pytest.approx(0.0, abs=0.05)


def test_calibration_never_claims_more_than_impostors_allow() -> None:
    random = np.random.default_rng(3)
    heavy_tailed = random.standard_t(6, 20_000) - 4
    measured = MeasuredSet("drawn", 10, 100, random.normal(4, 1, 2_000), heavy_tailed)
    calibration = source_point("model", "comparator", "drawn", [measured]).calibration
    ratios = np.exp([calibration.llr(raw) for raw in heavy_tailed])
    assert calibration.margin_nats > 0
    assert np.mean(ratios) <= 1.01
    assert calibration.upper_llr == pytest.approx(math.log(20_000 / 3))


def test_impostors_that_score_like_genuine_ones_are_suspected() -> None:
    random = np.random.default_rng(3)
    mislabelled = np.append(random.normal(-4, 1, 20_000), [50.0] * 5)
    with pytest.raises(NotMeasurable, match="wrong labels"):
        source_point(
            "model",
            "comparator",
            "drawn",
            [MeasuredSet("drawn", 10, 100, random.normal(4, 1, 2_000), mislabelled)],
        )


def test_the_data_set_that_needs_it_most_sets_the_threshold() -> None:
    random = np.random.default_rng(4)
    easy = MeasuredSet("easy", 10, 80, random.normal(3, 1, 500), random.normal(-4, 1, 9_000))
    hard = MeasuredSet("hard", 10, 80, random.normal(3, 1, 500), random.normal(-2, 1, 3_000))
    point = source_point("model", "comparator", "drawn", [easy, hard])
    row = next(row for row in point.rows if row.fmr == 1e-2)
    llrs = [point.calibration.llr(raw) for raw in hard.impostor]
    assert np.mean(np.array(llrs) >= row.threshold_llr) <= 1e-2
    assert row.fmr_measured < 1e-2
    # A threshold made on the easy set alone lets more through on the hard one, and the row says so.
    assert row.fmr_held_out_worst is not None
    assert row.fmr_held_out_worst > 2e-2


def test_too_few_comparisons_make_no_operating_point() -> None:
    with pytest.raises(NotMeasurable, match="at least 30"):
        source_point("model", "comparator", "drawn", [MeasuredSet("few", 2, 4, np.ones(2), np.zeros(4))])


def test_scores_the_wrong_way_round_make_no_operating_point() -> None:
    random = np.random.default_rng(5)
    with pytest.raises(NotMeasurable, match="no higher"):
        fit_affine(random.normal(-1, 1, 100), random.normal(1, 1, 100))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    for name, count in (("Ann", 3), ("Bo", 2)):
        (tmp_path / name).mkdir()
        for number in range(1, count + 1):
            cv2.imwrite(str(tmp_path / name / f"{name}_{number:04d}.jpg"), np.zeros((8, 8, 3), np.uint8))
    return tmp_path


def test_pairs_are_read_by_fold(faces: Path) -> None:
    file = faces / "pairs.txt"
    file.write_text("2\t1\nAnn\t1\t2\nAnn\t1\tBo\t2\nBo\t1\t2\nAnn\t3\tBo\t1\n")
    pairs = read_pairs(faces, file)
    assert [(pair.genuine, pair.fold) for pair in pairs] == [(True, 0), (False, 0), (True, 1), (False, 1)]
    assert pairs[1].second == "Bo/Bo_0002.jpg"


def test_a_pairs_file_may_begin_with_a_byte_order_mark_and_must_be_utf_8(faces: Path) -> None:
    file, text = faces / "pairs.txt", "2\t1\nAnn\t1\t2\nAnn\t1\tBo\t2\nBo\t1\t2\nAnn\t3\tBo\t1\n"
    file.write_text(text, encoding="utf-8-sig")
    assert len(read_pairs(faces, file)) == 4
    file.write_text(text, encoding="utf-16")
    with pytest.raises(DataSetRefused, match="save it as UTF-8"):
        read_pairs(faces, file)


def test_a_single_fold_is_dealt_out_since_accuracy_takes_its_threshold_elsewhere(faces: Path) -> None:
    file = faces / "pairs.txt"
    file.write_text("2\nAnn\t1\t2\nAnn\t1\t3\nAnn\t1\tBo\t2\nAnn\t3\tBo\t1\n")
    assert [(pair.genuine, pair.fold) for pair in read_pairs(faces, file)] == [
        (True, 0),
        (True, 1),
        (False, 0),
        (False, 1),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: expected the number of folds"),
        ("two\t1\n", "line 1: expected the number of folds"),
        ("1\t1\nAnn\t1\t2\n", "line 2: 1 pairs, but line 1 announces 2"),
        ("1\t1\nAnn\t1\tx\nAnn\t1\tBo\t2\n", "line 2: expected name, number, number"),
        ("1\t1\nAnn\t1\t2\nAnn\t1\tBo\n", "line 3: expected name, number, name, number"),
        ("1\t1\nAnn\t1\t9\nAnn\t1\tBo\t2\n", r"line 2: .*Ann_0009.jpg does not exist"),
        ("1\nAnn\t1\t2\nAnn\t1\tBo\t2\n", "line 1: accuracy takes at least two pairs"),
    ],
)
def test_a_malformed_pairs_file_is_named_with_its_line(faces: Path, text: str, sentence: str) -> None:
    file = faces / "pairs.txt"
    file.write_text(text)
    with pytest.raises(DataSetRefused, match=sentence):
        read_pairs(faces, file)


def test_finger_folders_are_read_by_name(tmp_path: Path) -> None:
    for name in ("101_1.png", "101_10.TIF", "right_thumb_2.bmp", "notes.txt", "._101_1.png"):
        (tmp_path / name).touch()
    (tmp_path / "cut.png").mkdir()
    read = [(image.finger, image.impression) for image in read_fingers(tmp_path)]
    assert read == [("101", 1), ("101", 10), ("right_thumb", 2)]


def test_unusable_finger_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSetRefused, match="does not exist"):
        read_fingers(tmp_path / "none")
    with pytest.raises(DataSetRefused, match="holds no image"):
        read_fingers(tmp_path)
    (tmp_path / "101_1.png").touch()
    with pytest.raises(DataSetRefused, match="single finger"):
        read_fingers(tmp_path)
    (tmp_path / "101_01.bmp").touch()
    with pytest.raises(DataSetRefused, match=r"101_1.png and 101_01.bmp are the same impression"):
        read_fingers(tmp_path)
    (tmp_path / "101_01.bmp").unlink()
    (tmp_path / "thumb.png").touch()
    with pytest.raises(DataSetRefused, match=r"thumb.png is not named FINGER_IMPRESSION.png"):
        read_fingers(tmp_path)


def test_what_does_not_decode_gives_no_pixels(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    assert read_grey(tmp_path / "empty.png") is None
    assert read_grey(tmp_path / "text.png") is None
    assert read_colour(tmp_path / "missing.jpg") is None


def test_sensor_like_images_are_cut_about_the_ridges_to_16_levels() -> None:
    scan = np.full((480, 640), 250, np.uint8)
    rows = np.arange(100)
    scan[300:400, 450:550] = np.where(rows % 9 < 4, 40, 220)[:, None]
    cut = sensor_like(scan, 192, 192)
    assert cut.shape == (192, 192)
    assert set(np.unique(cut)) <= {level * 17 for level in range(16)}
    ys, xs = np.nonzero(cut < 100)
    assert ys.mean() == pytest.approx(96, abs=4)
    assert xs.mean() == pytest.approx(96, abs=4)


def test_a_sensor_model_implies_its_size() -> None:
    assert choose(None, "R503").size == choose("192x192", None).size == (192, 192)
    assert choose("192x192", "R503").name == "R503"
    assert choose(None, None) == choose("none", None)
    with pytest.raises(ValueError, match="AS608 sends 256x288, not none"):
        choose("none", "AS608")


def test_images_of_another_resolution_are_scaled_before_they_are_cut() -> None:
    scan = np.full((1000, 800), 250, np.uint8)
    scan[400:600, 300:500] = np.where(np.arange(200) % 18 < 9, 40, 220)[:, None]  # a period of 18 at 1000 ppi
    pixels, ppi = choose("192x192", None, ppi=1000.0).apply(scan)
    assert (pixels.shape, ppi) == ((192, 192), 500.0)
    spectrum = np.abs(np.fft.rfft(pixels[46:146, 96] - np.mean(pixels[46:146, 96])))
    assert 100 / int(np.argmax(spectrum)) == pytest.approx(9, abs=0.5)
    assert choose("none", None, ppi=1000.0).apply(scan)[1] == 1000.0  # the pipeline scales it


def _square(number: int) -> int:
    return number * number


def test_processes_return_results_in_order_and_report_progress() -> None:
    seen: list[tuple[str, int, int]] = []
    results = run_all(_square, list(range(5)), 2, "squares", lambda *progress: seen.append(progress))
    assert results == [0, 1, 4, 9, 16]
    assert [done for _, done, _ in seen] == [0, 1, 2, 3, 4, 5]


def _ignores_interrupts(_: int) -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_interrupt_ends_the_run_and_not_each_process_with_a_traceback() -> None:
    former = signal.getsignal(signal.SIGINT)
    assert run_all(_ignores_interrupts, [1, 2, 3], 2, "interrupts", lambda *_: None) == [True] * 3
    assert signal.getsignal(signal.SIGINT) is former


def test_an_image_whose_extraction_breaks_is_a_named_failure() -> None:
    path = Path("101_1\0.png")  # what the system calls raise for it is no OSError
    finger = finger_of(finger_image(Impression("101", 1, path), choose(None, "R503"), RuntimeName.LITERT))
    face = face_of(face_image(Path("faces"), "Ann/\0.jpg", RuntimeName.LITERT, FOLDER, sides=False))
    for one in (finger, face.extracted):
        assert one.template is None
        assert one.failure == "fails unexpectedly (ValueError: embedded null byte)"
