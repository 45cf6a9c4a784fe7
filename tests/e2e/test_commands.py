"""The commands as a person types them, on an emulated sensor and replayed pictures; nobody's data."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from click.testing import CliRunner, Result

from firmware.bench.process import ApplianceProcess
from firmware.cli import main
from firmware.config_file import load
from firmware.demo.cast import FACES, SENSOR_SIZE
from firmware.opening import open_keys, open_store
from inference.synthesis import Condition, make_finger
from sensors.emulator.virtual import VirtualSensor
from sensors.frames import Pixels

KNOWN, STRANGER = make_finger(21), make_finger(22)


class Desk:
    """One appliance's folder, with a finger on the platen and a face before the camera."""

    def __init__(self, folder: Path, sensor: VirtualSensor) -> None:
        self.folder = folder
        self.sensor = sensor
        self.config = folder / "aidpost.toml"
        self.faces = folder / "faces"
        self.faces.mkdir()
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
"""
        )
        self.known_person()

    def known_person(self) -> None:
        copy(FACES / "collins.jpg", self.faces / "face.jpg")
        self.sensor.place(KNOWN.impression(1, Condition(), SENSOR_SIZE))

    def stranger(self) -> None:
        copy(FACES / "obama.jpg", self.faces / "face.jpg")
        self.sensor.place(STRANGER.impression(1, Condition(), SENSOR_SIZE))

    def run(self, *words: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(main, [*words, "--config", str(self.config)], input=answer)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with VirtualSensor("R503", baud=115_200) as sensor:
        yield Desk(tmp_path, sensor)


def test_a_registered_person_is_verified_and_a_stranger_is_led_to_a_person(desk: Desk) -> None:
    registered = desk.run("register", "case-1", "--consent", "accepted")
    assert registered.exit_code == 0, registered.output
    assert "1 face and 1 finger samples" in registered.output
    verified = desk.run("verify", "case-1")
    assert verified.exit_code == 0, verified.output
    assert "Done: case-1, strong" in verified.output
    desk.stranger()
    refused = desk.run("verify", "case-1")
    assert refused.exit_code == 3
    assert "A person takes over" in refused.output
    for number, said in (("2", "strong: at most 1 in 10,000"), ("3", "1 failed in a row after this one")):
        explained = desk.run("decision", "explain", number)
        assert explained.exit_code == 0, explained.output
        assert said in explained.output
        assert "leader" in explained.output


def test_a_suggestion_counts_only_when_staff_confirm_it(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    confirmed = desk.run("identify", answer="1\n")
    assert confirmed.exit_code == 0, confirmed.output
    assert "Done: case-1" in confirmed.output
    declined = desk.run("identify", answer="0\n")
    assert declined.exit_code == 3
    assert "not confirmed by staff" in declined.output


def test_the_end_of_the_input_confirms_nobody_and_is_no_fault(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    unanswered = desk.run("identify", answer="")
    assert unanswered.exit_code == 3
    assert "not confirmed by staff" in unanswered.output


def test_a_console_board_leaves_the_answer_to_the_command(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    with desk.config.open("a") as config:
        config.write('[board]\ndriver = "console"\n')
    words = (sys.executable, "-m", "firmware", "identify", "--config", str(desk.config))
    answered = subprocess.run(words, input="1\n", capture_output=True, text=True, timeout=60, check=False)
    assert answered.returncode == 0, answered.stdout
    assert "Done: case-1" in answered.stdout


@pytest.mark.parametrize("subject", ["", "John Smith", "case 1", "../1"])
def test_a_subject_that_is_no_number_is_refused(desk: Desk, subject: str) -> None:
    refused = desk.run("register", subject, "--consent", "accepted")
    assert refused.exit_code == 2
    assert "never a name" in refused.output


def test_a_subject_is_registered_once(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    again = desk.run("register", "case-1", "--consent", "accepted")
    assert again.exit_code == 1
    assert "erase the old entry first" in again.output


def test_a_person_who_declines_is_registered_and_served_without(desk: Desk) -> None:
    declined = desk.run("register", "case-2", "--consent", "declined")
    assert declined.exit_code == 0
    assert "Registered without biometrics" in declined.output
    verified = desk.run("verify", "case-2")
    assert verified.exit_code == 1
    assert "serve the person without them" in verified.output


def test_an_erased_person_is_no_longer_known(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    assert "Erased 1 entry" in desk.run("erase", "case-1").output
    assert desk.run("verify", "case-1").exit_code == 1


def test_doctor_finds_every_part_well(desk: Desk) -> None:
    desk.sensor.lift()
    checked = desk.run("doctor")
    assert checked.exit_code == 0, checked.output
    for part in ("store", "model leader", "model sface", "model yunet", "fingerprint", "camera"):
        assert part in checked.output
    assert "✗" not in checked.output


@pytest.mark.parametrize(
    ("pixels", "advice"),
    [
        (KNOWN.impression(1, Condition(), SENSOR_SIZE), "lift the finger or clean the reader"),
        (np.zeros(SENSOR_SIZE[::-1], np.uint8), "no light: check the cable of the reader"),
    ],
    ids=["finger", "dark"],
)
def test_doctor_judges_what_an_untouched_reader_shows(desk: Desk, pixels: Pixels, advice: str) -> None:
    desk.sensor.place(pixels)
    checked = desk.run("doctor")
    assert checked.exit_code == 1
    assert advice in " ".join(checked.output.split())


def test_doctor_says_what_to_do_about_a_missing_reader_and_goes_on(desk: Desk) -> None:
    desk.sensor.unplug()
    checked = desk.run("doctor")
    assert checked.exit_code == 1
    assert "plug the fingerprint reader in, or set the port it has" in " ".join(checked.output.split())
    assert "replay" in checked.output


def test_doctor_names_an_address_that_is_none(desk: Desk) -> None:
    with desk.config.open("a") as config:
        config.write('[uplink]\ntarget = "localhost"\n')
    checked = desk.run("doctor")
    assert checked.exit_code == 1
    assert "write it as host:port" in " ".join(checked.output.split())


def test_a_second_process_is_told_who_holds_the_appliance(desk: Desk) -> None:
    config = load(desk.config)
    with open_keys(config) as guard:
        store = open_store(config, guard)
    try:
        told = desk.run("verify", "case-1")
    finally:
        store.close()
    assert told.exit_code == 1
    assert "holds this appliance; stop it first" in told.output


def test_without_a_reader_the_face_serves(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    desk.sensor.unplug()
    verified = desk.run("verify", "case-1")
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda desk: desk.config.write_text("[device"), "not valid TOML"),
        (lambda desk: (desk.faces / "face.jpg").write_bytes(b"no picture"), "A person takes over"),
        (lambda desk: (desk.folder / "state").write_text(""), "state"),
    ],
    ids=["configuration", "picture", "data folder"],
)
def test_bad_surroundings_give_a_sentence_and_no_trace_back(desk: Desk, damage, sentence: str) -> None:  # type: ignore[no-untyped-def]
    damage(desk)
    desk.sensor.lift()
    result = desk.run("identify")
    assert result.exit_code in (1, 3)
    assert sentence in result.output
    assert not result.exception or isinstance(result.exception, SystemExit)


def test_what_was_backed_up_is_known_on_another_appliance(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    words = ("a long recovery sentence", "a long recovery sentence")
    target = desk.folder / "b.aidpost"
    made = desk.run("backup", "--to", str(target), answer="\n".join(words) + "\n")
    assert made.exit_code == 0, made.output
    assert "1 entry, 1 waiting events" in made.output
    in_the_way = desk.run("restore", "--from", str(target), answer=words[0] + "\n")
    assert in_the_way.exit_code == 1
    assert "move that folder away first" in in_the_way.output
    (desk.folder / "state").rename(desk.folder / "old state")
    wrong = desk.run("restore", "--from", str(target), answer="something else\n")
    assert "another passphrase" in wrong.output
    changed = desk.folder / "changed.aidpost"
    changed.write_bytes(target.read_bytes()[:9000] + bytes(4096))
    damaged = desk.run("restore", "--from", str(changed), answer=words[0] + "\n")
    assert "this backup is damaged" in damaged.output
    assert "card" not in damaged.output
    assert not (desk.folder / "state").exists(), "no keys and no store are left by a restore that failed"
    restored = desk.run("restore", "--from", str(target), answer=words[0] + "\n")
    assert restored.exit_code == 0, restored.output
    assert "Done: case-1" in desk.run("verify", "case-1").output


def test_after_lock_nothing_opens_and_each_command_says_why(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    kept = desk.run("lock", answer="another device\n")
    assert "nothing was destroyed" in kept.output
    assert "Done: case-1" in desk.run("verify", "case-1").output
    locked = desk.run("lock", "--reason", "the kit was left behind", answer="desk\n")
    assert "The keys are destroyed" in locked.output
    for words in (("verify", "case-1"), ("doctor",), ("backup", "--to", "b", "--passphrase-file", "b")):
        refused = desk.run(*words)
        assert refused.exit_code == 1
    assert "the kit was left behind" in " ".join(desk.run("doctor").output.split())
    assert "the kit was left behind" in desk.run("verify", "case-1").output


async def test_the_buttons_alone_check_a_person_in_without_page_and_list(desk: Desk) -> None:
    await asyncio.to_thread(desk.run, "register", "case-1", "--consent", "accepted")
    desk.config.write_text(desk.config.read_text() + '\n[board]\ndriver = "console"\n')
    appliance = await ApplianceProcess.start(desk.config)
    try:
        known = await appliance.check_in()
        await appliance.next_person()
        desk.stranger()
        stranger = await appliance.check_in()
        await appliance.next_person()
    finally:
        await appliance.stop()
    assert (known["outcome"], known["confirmed"]) == ("suggestion", True)
    assert (stranger["outcome"], stranger["confirmed"]) == ("no match", False)
    assert {"compare", "commit"} <= known["stages_ms"].keys()


def test_lock_stops_an_appliance_that_runs(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text() + '\n[board]\ndriver = "console"\n')
    with subprocess.Popen(
        [sys.executable, "-m", "firmware", "run", "--config", str(desk.config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        while '"ready"' not in running.stderr.readline():
            assert running.poll() is None
        assert "The keys are destroyed" in desk.run("lock", "--yes").output
        assert running.wait(20) == 0
    assert "locked by hand" in desk.run("verify", "case-1").output


def test_templates_are_renewed_and_their_people_found(desk: Desk) -> None:
    assert desk.run("register", "case-1", "--consent", "accepted").exit_code == 0
    renewed = desk.run("keys", "renew-templates")
    assert renewed.exit_code == 0, renewed.output
    assert "templates anew under a new key" in renewed.output
    assert "Done: case-1" in desk.run("verify", "case-1").output
    assert "rows hold" in desk.run("audit", "verify").output


def test_a_pin_is_asked_for_at_each_start_and_can_be_changed(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text().replace('guard = "file"', 'guard = "pin"'))
    first = desk.run("register", "case-1", "--consent", "accepted", answer="first PIN\nfirst PIN\n")
    assert first.exit_code == 0, first.output
    assert "first PIN" not in first.output
    assert "wrong PIN: 4 more without a wait" in desk.run("verify", "case-1", answer="other PIN\n").output
    assert "no PIN was entered" in desk.run("verify", "case-1", answer="").output
    changed = desk.run("keys", "change-pin", answer="first PIN\nsecond PIN\nsecond PIN\n")
    assert changed.exit_code == 0, changed.output
    assert "Done: case-1" in desk.run("verify", "case-1", answer="second PIN\n").output


def with_pin(desk: Desk) -> list[str]:
    """Make the keys under a PIN; returns the command that then asks for it."""
    text = desk.config.read_text().replace('guard = "file"', 'guard = "pin"')
    desk.config.write_text(text + '\n[board]\ndriver = "console"\n')
    assert desk.run("audit", "verify", answer="first PIN\nfirst PIN\n").exit_code == 0
    return [sys.executable, "-m", "firmware", "run", "--config", str(desk.config)]


_ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that ran the tests behind itself had it ignored
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("end", ["SIGTERM", "Ctrl-C"])
def test_the_wait_for_a_pin_ends_at_once(desk: Desk, end: str) -> None:
    words = [sys.executable, "-c", _ON_A_TERMINAL, *with_pin(desk)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as child:
        os.close(theirs)
        said = b""
        while b"PIN of this appliance" not in said:
            said += os.read(ours, 1000)
        assert "The keys are destroyed" in desk.run("lock", "--yes").output, "nor does `lock` wait for it"
        if end == "SIGTERM":
            child.terminate()
        else:
            os.write(ours, b"\x03")
        assert child.wait(20) == (143 if end == "SIGTERM" else 1)
    os.close(ours)


def test_without_a_terminal_one_sentence_says_so(desk: Desk) -> None:
    words = with_pin(desk)
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: no PIN was entered: start from a console\n"


def test_what_a_command_warns_of_has_one_form_and_what_it_writes_is_private(desk: Desk) -> None:
    desk.run("register", "case-1", "--consent", "accepted")
    for words in (("doctor",), ("export", "--to", str(desk.folder))):
        command = [sys.executable, "-m", "firmware", *words, "--config", str(desk.config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert '"event": "key guard for development"' in done.stderr
        assert "key guard for development" not in done.stdout
    (bundle,) = desk.folder.glob("desk-*")
    assert bundle.stat().st_mode & 0o777 == 0o600
