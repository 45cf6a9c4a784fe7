"""Reads the appliance's configuration file, whole or not at all."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from firmware.config import Config, ConfigError, Retention, refuse_contradictions
from trust.file_faults import explain


def load(path: Path) -> Config:
    """Read and check the file; relative paths in it are taken from its own folder.

    Raises ConfigError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError; numbers and nesting without end
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    try:
        config = msgspec.convert(raw, Config, dec_hook=decode_path, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {explain(str(error), Config)}") from error
    try:
        refuse_contradictions(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return _rooted(config, path.parent)


def decode_path(kind: type, value: object) -> Any:
    """Read what the file has as text and the configuration as a path: a hook of msgspec."""
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise TypeError(f"expected {kind.__name__}")


def _rooted(config: Config, folder: Path) -> Config:
    replace = msgspec.structs.replace
    config = replace(config, device=replace(config.device, data=folder / config.device.data))
    if config.retention is not None:
        config = replace(config, retention=Retention(policy=folder / config.retention.policy))
    if config.page is not None:
        own = {
            name: folder / path
            for name in ("certificate", "key", "recordings", "notices", "lists")
            if (path := getattr(config.page, name)) is not None
        }
        config = replace(config, page=replace(config.page, **own))
    if (point := config.inference.operating_point) is not None:
        config = replace(config, inference=replace(config.inference, operating_point=folder / point))
    if config.camera is not None and config.camera.driver == "replay":
        device = str(folder / Path(config.camera.device).expanduser())
        config = replace(config, camera=replace(config.camera, device=device))
    return config
