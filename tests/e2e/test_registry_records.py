"""A registry's records seed a gallery, and what is given away is read back; on an emulated sensor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copy

import cv2
import pytest
from click.testing import CliRunner, Result

from firmware import policy
from firmware.cli import main
from firmware.config_file import load
from firmware.demo.cast import FACES, SENSOR_SIZE
from firmware.opening import open_keys, open_store
from inference.standards import cbeff, face_record, finger_record
from inference.standards.cbeff import BdbFormat, Bir
from inference.standards.face_record import FaceImage
from inference.synthesis import Condition, make_finger
from sensors.emulator.virtual import VirtualSensor
from tests.kit.fingers import ridges
from tests.kit.store_values import finger_template
from trust.issuer import IssuerKey

IMPORT = ("--from", "registry-a", "--consent", "accepted", "--legal-basis", "agreement 7", "--five-or-older")


class Clinic:
    """An appliance whose signed policy lets registry-a bring templates in, and clinic-b be given some."""

    def __init__(self, folder: Path, sensor: VirtualSensor) -> None:
        self.folder = folder
        self.finger = make_finger(21)
        sensor.place(self.finger.impression(1, Condition(), SENSOR_SIZE))
        (folder / "faces").mkdir()
        copy(FACES / "collins.jpg", folder / "faces" / "face.jpg")
        self._issuer = IssuerKey.new()
        self.config = folder / "aidpost.toml"
        self.config.write_text(
            f"""
[device]
id = "desk"
site = "test"
purpose = "clinic check-in"
data = "state"
[keys]
guard = "file"
[fingerprint]
model = "R503"
port = "{sensor.port}"
[camera]
driver = "replay"
device = "faces"
[session]
fingers = ["right index"]
impressions = 1
tries = 1
face_timeout_s = 0.5
finger_timeout_s = 1.0
[policy]
fmr = 1e-3  # what one finger alone can support
[retention]
policy = "policy.toml"
[issuer]
keys = ["{self._issuer.public.hex()}"]
"""
        )
        self.policy(imports='["finger minutiae", "face images"]')

    def policy(self, *, imports: str, edition: int = 1) -> None:
        file = self.folder / "policy.toml"
        file.write_text(
            f"""
format = "aidpost policy 1"
edition = {edition}
site = "test"
controller = "Harbour Clinic"
[[purposes]]
name = "clinic check-in"
basis = "consent"
why = "to know returning patients"
retention_days = 90
imports_from = ["registry-a"]
imports = {imports}
exports_to = ["clinic-b"]
"""
        )
        policy.sign(file, self._issuer)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--config", str(self.config)])

    def audit(self) -> str:
        return self.run("audit", "show").output


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with VirtualSensor("R503", baud=115_200) as sensor:
        yield Clinic(tmp_path, sensor)


def test_a_finger_that_went_out_as_a_record_and_came_back_is_matched(clinic: Clinic) -> None:
    assert clinic.run("register", "case-1", "--consent", "accepted").exit_code == 0
    for form in ("iso", "cbeff"):
        out = clinic.folder / f"case-1.{form}"
        given = clinic.run("template", "export", str(out), "case-1", "--to", "clinic-b", "--form", form)
        assert given.exit_code == 0, given.output
        assert out.stat().st_mode & 0o777 == 0o600
        assert clinic.run("template", "export", str(out), "case-1", "--to", "clinic-c").exit_code == 1
        brought = clinic.run("template", "import", str(out), f"case-{form}", *IMPORT)
        assert brought.exit_code == 0, brought.output
        assert "0 face and 1 finger samples" in brought.output
    assert clinic.run("erase", "case-1").exit_code == 0
    for subject in ("case-iso", "case-cbeff"):
        verified = clinic.run("verify", subject)
        assert verified.exit_code == 0, verified.output
    log = clinic.audit()
    assert log.count("templates exported") == 2
    assert log.count("legal basis: agreement 7") == 2
    assert "to: clinic-b" in log


def test_a_face_image_becomes_a_template_and_not_a_pixel_is_kept(clinic: Clinic) -> None:
    picture = cv2.imread(str(FACES / "collins.jpg"))
    assert picture is not None
    height, width = picture.shape[:2]
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    record = clinic.folder / "case-3.fac"
    record.write_bytes(face_record.encode(FaceImage(jpeg, width, height)))
    brought = clinic.run("template", "import", str(record), "case-3", *IMPORT)
    assert brought.exit_code == 0, brought.output
    assert clinic.run("verify", "case-3").exit_code == 0
    again = clinic.run("template", "import", str(record), "case-4", *IMPORT)
    assert "Looks like somebody registered before: case-3" in again.output
    assert "case-4" in clinic.run("resemblances", "list").output
    mixed = clinic.folder / "two-people.fac"
    other = cv2.imread(str(next(each for each in sorted(FACES.glob("*.jpg")) if each.stem != "collins")))
    assert other is not None
    second = cv2.imencode(".jpg", other)[1].tobytes()
    images = [FaceImage(jpeg, width, height), FaceImage(second, other.shape[1], other.shape[0])]
    mixed.write_bytes(cbeff.encode([Bir(BdbFormat.FACE_IMAGE, face_record.encode(each)) for each in images]))
    refused = clinic.run("template", "import", str(mixed), "case-5", *IMPORT)
    assert "face images do not match" in refused.output
    clinic.policy(imports='["finger minutiae"]', edition=2)
    refused = clinic.run("template", "import", str(record), "case-5", *IMPORT)
    assert refused.exit_code == 1
    assert "does not let face images of registry-a be brought in" in refused.output


def test_an_older_data_policy_that_was_put_back_allows_nothing(clinic: Clinic) -> None:
    record = clinic.folder / "finger.fmr"
    record.write_bytes(finger_record.encode([finger_template(1)]))
    clinic.policy(imports='["finger minutiae"]', edition=2)
    assert clinic.run("template", "import", str(record), "case-1", *IMPORT).exit_code == 0
    clinic.policy(imports='["finger minutiae"]', edition=1)
    out = clinic.folder / "case-1.iso"
    for words in (
        ("template", "import", str(record), "case-2", *IMPORT),
        ("template", "export", str(out), "case-1", "--to", "clinic-b"),
    ):
        refused = clinic.run(*words)
        assert refused.exit_code == 1
        assert "edition 2 of the data policy was in force here" in refused.output
    assert not out.exists()


def test_what_the_rules_do_not_allow_is_refused_with_one_sentence_and_nothing_is_stored(
    clinic: Clinic,
) -> None:
    record = clinic.folder / "finger.fmr"
    record.write_bytes(b"FMR\0 20\0" + bytes(40))
    wall = clinic.folder / "wall.fac"
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(ridges(200, 200, 1), cv2.COLOR_GRAY2BGR))[1].tobytes()
    wall.write_bytes(face_record.encode(FaceImage(jpeg, 200, 200)))
    two = clinic.folder / "two-fingers.fmr"
    two.write_bytes(finger_record.encode([finger_template(1), finger_template(2)]))
    cases = [
        (two, IMPORT, "gives two fingers that do not match as the"),
        (record, IMPORT, "names a length"),
        (wall, IMPORT, "gives no usable face"),
        (wall, ("--from", "registry-b", *IMPORT[2:]), "does not let"),
        (wall, IMPORT[:-1], "under five"),
        (clinic.folder / "none.fmr", IMPORT[:-1], "cannot read"),
        (wall, ("--from", "registry-a", "--consent", "declined", *IMPORT[4:]), "without consent"),
    ]
    for file, words, said in cases:
        refused = clinic.run("template", "import", str(file), "case-5", *words)
        assert refused.exit_code == 1, refused.output
        assert said in refused.output
        assert refused.output.rstrip().rpartition("\n")[2].startswith("Error: ")
    config = load(clinic.config)
    with open_keys(config) as guard, closing(open_store(config, guard)) as store:
        assert store.counts().references == 0


def test_nothing_is_given_away_or_brought_in_without_a_policy(clinic: Clinic) -> None:
    clinic.config.write_text(clinic.config.read_text().replace('[retention]\npolicy = "policy.toml"\n', ""))
    out = clinic.folder / "out.fmr"
    refused = clinic.run("template", "export", str(out), "case-1", "--to", "clinic-b")
    assert refused.exit_code == 1
    assert "no data policy" in refused.output
    assert not out.exists()
    refused = clinic.run("template", "import", str(out), "case-1", *IMPORT[:-1])
    assert "no data policy" in refused.output, "what is missing comes before questions about the person"


def test_one_finger_under_two_names_is_refused(clinic: Clinic) -> None:
    assert clinic.run("register", "case-1", "--consent", "accepted").exit_code == 0
    out = clinic.folder / "case-1.fmr"
    clinic.run("template", "export", str(out), "case-1", "--to", "clinic-b")
    (view,) = finger_record.decode(out.read_bytes())
    twice = bytearray(out.read_bytes())
    again = bytearray(twice[24:])
    again[0] = 7  # the same as a left index
    both = bytes(twice[:22]) + b"\2" + bytes(twice[23:24]) + bytes(twice[24:]) + bytes(again)
    both = both[:8] + len(both).to_bytes(4, "big") + both[12:]
    out.write_bytes(both)
    refused = clinic.run("template", "import", str(out), "case-2", *IMPORT)
    assert refused.exit_code == 1
    assert "names one finger as right index and as left index" in refused.output
    assert view.position.name == "RIGHT_INDEX"
