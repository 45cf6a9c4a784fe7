from pathlib import Path

import pytest

from firmware.config import ConfigError
from firmware.config_file import load

GOOD = """
[device]
id = "kit-07"
site = "harbour"
purpose = "clinic check-in"
data = "state"

[keys]
guard = "file"

[fingerprint]
model = "R503"
port = "/dev/ttyS0"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "aidpost.toml"
    path.write_text(text)
    return path


def test_relative_paths_are_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    assert load(_write(tmp_path, GOOD)).device.data == tmp_path / "state"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD.replace("port", "prot"), "unknown key `prot` in [fingerprint]: did you mean `port`?"),
        (GOOD + "[uplnk]\ntarget = 'a:1'\n", "unknown key `uplnk` in the top level: did you mean `uplink`?"),
        (GOOD.replace('"R503"', '"R504"'), 'fingerprint.model`: one of "AS608", "R307", "R503"'),
        (GOOD.replace('"clinic check-in"', '"marketing"'), 'device.purpose`: one of "clinic check-in"'),
        (GOOD + '[session]\nfingers = ["thumb"]\n', 'session.fingers[0]`: one of "left index"'),
        (GOOD + '[camera]\ndriver = "usb"\n', 'camera.driver`: one of "'),
        (GOOD.replace('"kit-07"', '"../etc"'), "letters, digits and . _ - (63 at most"),
        (GOOD + "baud = 12345\n", "fingerprint.baud"),
        (GOOD + "[support]\nsession = true\n", "unknown key `session` in [support]"),
        (GOOD.split("[fingerprint]")[0], "no sensor: add a [fingerprint] or a [camera] table"),
        ("[device\n", "not valid TOML"),
        (GOOD.replace('[keys]\nguard = "file"\n', ""), "there is no [keys] table: add one"),
        (GOOD + "[lease]\n", "renewed through the uplink"),
        (GOOD + '[page]\ntouch = "0.0.0.0:8080"\n', "can be reached from the network without TLS"),
        (GOOD + '[page]\ntouch = "8080"\n', "[page] touch: '8080' is no address"),
        (GOOD + '[page]\ntablet = "127.0.0.1:8080"\n', "are one port: name another for tablets"),
        (GOOD + '[page]\ntablet = "0.0.0.0:8080"\n', "are one port: name another for tablets"),
        (GOOD + '[site.peers]\nkit-07 = "10.0.0.7:7443"\n', "names kit-07, this appliance itself"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_what_to_do(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(_write(tmp_path, text))
    assert sentence in str(caught.value)
    assert "aidpost.toml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.toml"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "aidpost.toml"
    path.write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path)


def test_the_example_in_the_documentation_is_a_whole_configuration() -> None:
    example = Path(__file__).parents[2] / "docs" / "aidpost.example.toml"
    config = load(example)
    assert None not in (config.fingerprint, config.camera, config.board, config.uplink)
    assert config.session == type(config.session)()
