"""The files with which people run an aggregator are what their own tools take."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from aggregator.serve_command import serve

SERVER = Path(__file__).parents[2] / "image-build" / "server"
MANIFESTS = sorted((SERVER / "kubernetes").glob("*.yaml"))
UNIT = SERVER.parent / "units" / "aidpost-aggregator.service"
KUBERNETES = "1.34"
SERVES = re.compile(r"(?:- |serve |=)(--[a-z_-]+)")
OF_NATS = {"--auth", "--cluster", "--cluster_name", "--routes"}


def test_the_containerfile_has_nothing_that_hadolint_minds() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    judged = subprocess.run(
        [hadolint, "--failure-threshold=style", SERVER / "Containerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (judged.returncode, judged.stdout) == (0, "")


@pytest.mark.skipif(find_spec("compose_spec") is None, reason="compose-spec has no wheel for this Python")
def test_the_compose_file_is_one() -> None:
    from compose_spec import PyOptions

    composed = PyOptions(apply_merge=True).from_yaml((SERVER / "compose.yaml").read_text())
    composed.validate()
    assert sorted(composed.service_names()) == [
        "aggregator",
        "nats-1",
        "nats-2",
        "nats-3",
        "postgres",
    ]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_knows_every_field_of_the_manifests(manifest: Path) -> None:
    for document in yaml.safe_load_all(manifest.read_text()):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_every_option_in_them_is_one_of_the_server() -> None:
    known = {name for option in serve.params for name in option.opts}
    files = [*MANIFESTS, SERVER / "compose.yaml", UNIT]
    named = {
        option for path in files for line in path.read_text().splitlines() for option in SERVES.findall(line)
    }
    assert named - OF_NATS - known == set()
