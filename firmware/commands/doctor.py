"""`aidpost doctor`: each part, what was found, its version, its self-test, and what to do."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVarTuple

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from firmware.commands.common import config_option, read_config
from firmware.commands.doctor_page import examine_page, examine_policy
from firmware.commands.doctor_store import examine_store
from firmware.commands.finding import Finding, library
from firmware.config import Config, ConfigError
from firmware.day.self_test import platen_of
from firmware.desired import view
from firmware.opening import Hardware, uplink_target
from firmware.protection import TemplateProtection
from firmware.recognition import build_recognition
from firmware.uplink.errors import UplinkError
from firmware.uplink.identity_file import read_identity
from inference.errors import InferenceError
from inference.face.attack import DETECTOR
from inference.finger.phantom import Platen
from inference.models.catalogue import Catalogue
from inference.protection.key_stream import KEY_BYTES
from inference.runtime import RuntimeName
from sensors.board.port import Board
from sensors.camera.port import Camera
from sensors.errors import SensorError
from sensors.fingerprint.port import FingerprintReader
from trust.checking import Validity
from trust.keys.secret import SecretKey

ArgsT = TypeVarTuple("ArgsT")

CONNECT_TIMEOUT_S = 3.0
MARKS = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("–", "dim")}


@click.command()
@config_option
def doctor(config_path: Path) -> None:
    """Check each part of the appliance and say what to do. Exit status 1 when something needs care.

    Touch nothing meanwhile: what the fingerprint reader then shows is judged, and wiped at once.
    """
    config = read_config(config_path)
    console = Console()
    ill = 0
    for finding in examine(config):
        mark, found = MARKS[finding.well], f"{finding.part:<14} {finding.found} {finding.version}".rstrip()
        console.print(mark, Text(found), soft_wrap=True)
        if finding.advice:
            console.print(Padding(Text(f"→ {finding.advice}"), (0, 0, 0, 4)))
        ill += finding.well is False
    console.print("All parts are well." if not ill else f"Parts that need care: {ill}")
    if ill:
        raise SystemExit(1)


def examine(config: Config) -> Iterator[Finding]:
    """Check one part after the other; a fault is a finding and never stops the rest."""
    config, desired = _in_use(config)
    hardware = Hardware.of(config)
    yield Finding("software", "aidpost", f"{version('aidpost')}, Python {platform.python_version()}", True)
    if desired is not None:
        yield desired
    yield from examine_store(config)
    yield examine_policy(config)
    catalogue = Catalogue()
    for name in catalogue.names():
        yield _checked(f"model {name}", InferenceError, _model, catalogue, name, config)
    yield _checked("recognition", InferenceError, _recognition, config)
    yield _attack_check(config)
    yield _checked("fingerprint", SensorError, _reader, hardware.reader)
    yield _checked("camera", SensorError, _camera, hardware.camera)
    yield _checked("board", SensorError, _board, config, hardware.board)
    yield from examine_page(config)
    yield _checked("identity", UplinkError, _identity, config)
    yield _checked("uplink", UplinkError, _uplink, config)


def _in_use(base: Config) -> tuple[Config, Finding | None]:
    """Return what is in use over the file, and what became of the newest desired state."""
    try:
        standing, config = view.over(base)
    except ConfigError as error:
        return base, Finding(
            "desired state", "", "", False, f"{error}: the appliance starts with its file alone"
        )
    if not (said := view.sentences(standing)):
        return config, None
    well = standing.under_way is not None or standing.decision is None or not standing.decision.refusals
    return config, Finding("desired state", said[0], "", well, "; ".join(said[1:]))


def _checked(
    part: str,
    fault: type[Exception],
    check: Callable[[*ArgsT], Finding | None],
    *args: *ArgsT,
) -> Finding:
    """Run one check; it returns None for a part that is not fitted."""
    try:
        return check(*args) or Finding(part, "not fitted", "", None)
    except fault as error:
        return Finding(part, "", "", False, str(error))


def _model(catalogue: Catalogue, name: str, config: Config) -> Finding:
    model = catalogue.load(name, RuntimeName(config.inference.runtime))
    return Finding(f"model {name}", model.engine.runtime.value, model.card.sha256[:12], True)


def _recognition(config: Config) -> Finding:
    with SecretKey.random(KEY_BYTES) as key:  # nobody is enrolled: what a gallery may reach needs no store
        protection = TemplateProtection(key)
    matcher = build_recognition(config, protection).matcher
    name, _, digest = matcher.operating_point.partition(" ")
    reach = ", ".join(
        f"{source} alone among {size:,} entries" for source, size in matcher.largest_galleries().items()
    )
    found = f"operating point {name}" + (f", enough for 1:few by {reach}" if reach else "")
    return Finding("recognition", found, digest.removeprefix("sha256:")[:12], True)


def _attack_check(config: Config) -> Finding:
    attack = config.attack
    fitted = [name for name in ("passive", "active") if getattr(attack, name)] if config.camera else []
    if not fitted:
        return Finding("attack check", "not fitted", "", None)
    found = f"{' and '.join(fitted)}, on the face alone; no resistance is claimed"
    return Finding("attack check", found, f"({DETECTOR})", True)


def _reader(opener: Callable[[], FingerprintReader] | None) -> Finding | None:
    if opener is None:
        return None
    with closing(opener()) as reader:
        reader.self_test()
        info, platen = reader.info, platen_of(reader)
    found = f"{info.identity.model} on {info.identity.unit}, {info.width}×{info.height}, {info.baud} baud"
    foreign = f"its own library holds {info.stored} templates that are not Aidpost's: empty it"
    driver = library("adafruit-circuitpython-fingerprint")
    advice = [foreign] if info.stored else []
    if platen is not Platen.CLEAN:
        advice.append(f"while nobody should touch it, it shows {platen.value}")
    return Finding("fingerprint", found, driver, not advice, "; ".join(advice))


def _camera(opener: Callable[[], Camera] | None) -> Finding | None:
    if opener is None:
        return None
    with closing(opener()) as camera:
        camera.self_test()
        info = camera.info
    found = f"{info.identity.model} through {info.driver}, {info.width}×{info.height}"
    package = "picamera2" if info.driver == "picamera2" else "opencv-python-headless"
    return Finding("camera", found, library(package), True)


def _board(config: Config, opener: Callable[[], Board] | None) -> Finding | None:
    if opener is None or config.board is None:
        return None
    with closing(opener()):
        return Finding("board", config.board.driver, library("gpiozero"), True)


def _identity(config: Config) -> Finding | None:
    if config.uplink is None:
        return None
    if config.uplink.insecure_loopback:
        return Finding(
            "identity", "", "", False, "`uplink.insecure_loopback` is for development: join instead"
        )
    identity = read_identity(config.device.data)
    if identity is None:
        return Finding("identity", "", "", False, "not joined: ask for a claim code and run `aidpost join`")
    now = datetime.now(UTC)
    found = f"{identity.named.device_id} at {identity.named.site}, certificate until {identity.ends:%Y-%m-%d}"
    match identity.validity(now):
        case Validity.VALID:
            due = "renewed at the next connection" if identity.renewal_due(now) else ""
            return Finding("identity", found, library("cryptography"), True, due)
        case Validity.EXPIRED:
            again = "expired: run `aidpost join` and ask for a new approval (or is the clock wrong?)"
            return Finding("identity", found, "", False, again)
        case Validity.NOT_YET:
            behind = "this clock is behind it: the certificate serves all the same, the aggregator decides"
            return Finding("identity", found, library("cryptography"), True, behind)


def _uplink(config: Config) -> Finding | None:
    if config.uplink is None:
        return None
    target = uplink_target(config.uplink)
    try:
        socket.create_connection((target.host, target.port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        wait = f"no connection ({error.strerror or error}): results wait in the outbox and are sent later"
        return Finding("uplink", str(target), "", False, wait)
    return Finding("uplink", str(target), library("grpcio"), True)
