"""Puts together what takes up desired states, over the parts of one appliance."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial

from firmware.clock import Clock
from firmware.config import Config
from firmware.desired.bundles import Bundles
from firmware.desired.fetching import Fetching
from firmware.desired.inventory import files_in_use, model_set
from firmware.desired.judging import Judge
from firmware.desired.settings import in_use
from firmware.desired.shelf import Shelf
from firmware.desired.starting import Beginning
from firmware.desired.taking_up import TakingUp, Used
from firmware.host import Host
from firmware.occupancy import Occupancy
from firmware.policy import DataPolicy
from firmware.recognition import Recognition
from firmware.store.thread import RunInStore
from firmware.uplink.artifact_calls import RangeCalls, download
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler
from firmware.uplink.time_hints import TimeHints

FETCH_CAP_S = 300.0  # files are for the next window, not for this minute


def open_taking_up(
    base: Config,
    beginning: Beginning,
    shelf: Shelf,
    recognition: Recognition,
    policy: DataPolicy | None,
    *,
    dialler: Dialler | None,
    occupancy: Occupancy,
    host: Host,
    in_store: RunInStore,
    clock: Clock,
    hints: TimeHints,
    self_test: Callable[[], Awaitable[tuple[str, ...]]],
    on_change: Callable[[], None],
) -> TakingUp:
    """base: the appliance's own file. policy: that is in force. dialler: None without an aggregator."""
    models, config = model_set(), beginning.config
    point_name, _, _ = recognition.matcher.operating_point.partition(" ")
    files = files_in_use(config, beginning.standing.to_use, models, point_name, policy, host.version)
    fetching, fetched = None, None
    if dialler is not None:
        backoff = Backoff(random.SystemRandom(), cap_s=FETCH_CAP_S)
        fetching = Fetching(shelf, partial(download, dialler), backoff)
        fetched = Bundles(
            RangeCalls(dialler), backoff, int(config.updates.most_mb * 1e6), occupancy.until_free
        )
    return TakingUp(
        beginning.standing,
        judge=Judge(base, shelf, host.updater, recognition.measured, models, host.version),
        shelf=shelf,
        used=Used(in_use(config), tuple(files)),
        fetching=fetching,
        bundles=fetched,
        occupancy=occupancy,
        host=host,
        in_store=in_store,
        clock=clock,
        hints=hints,
        self_test=self_test,
        on_change=on_change,
    )
