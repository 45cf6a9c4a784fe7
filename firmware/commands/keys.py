"""`aidpost lock` and `aidpost keys`: destroy keys, change the PIN, renew templates, fuse a secret."""

from __future__ import annotations

import os
import signal
from contextlib import closing, suppress
from pathlib import Path

import click

from firmware.clock import Clock
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config
from firmware.guard.fuses import fuse_secret
from firmware.guard.mailbox import VcioMailbox
from firmware.guard.opening import change_pin_in, destroy_keys
from firmware.opening import open_keys, open_store, store_settings
from firmware.store.lock import holder
from firmware.store.store import lock_of


@click.command()
@config_option
@click.option("--reason", default="locked by hand", show_default=True, help="Shown at each later start.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def lock(config_path: Path, reason: str, yes: bool) -> None:
    """Destroy the keys of this appliance: what its store holds stays closed for good, here and for anybody.

    No PIN is asked for. An appliance that runs here is stopped. What each guard promises against an earlier
    copy of the card is in docs/keys.md.
    """
    config = read_config(config_path)
    device = config.device
    if not yes and click.prompt(f"Type {device.id} to destroy its keys") != device.id:
        raise click.ClickException("nothing was destroyed")
    with clear_errors():
        try:
            destroy_keys(config.keys.settings(), device.data, reason)
        finally:
            if (running := holder(lock_of(store_settings(config).path))) is not None:
                with suppress(ProcessLookupError):
                    os.kill(running, signal.SIGTERM)
    click.echo("The keys are destroyed.")


@click.group()
def keys() -> None:
    """Look after the key guard, and the key of the templates."""


@keys.command("change-pin")
@config_option
def change_pin(config_path: Path) -> None:
    """Ask for the PIN and a new one. The store is not written anew."""
    config = read_config(config_path)
    with clear_errors():
        change_pin_in(config.device.data, ask_pin)
    click.echo("The new PIN opens this appliance.")


@keys.command("renew-templates")
@config_option
def renew_templates(config_path: Path) -> None:
    """Protect the gallery's templates under a new key, after one of them got out. Stop the appliance first.

    One template that got out no longer links to the gallery then. Where the whole gallery got out, register
    people anew instead: it links by how alike its templates are to each other. Make a new backup afterwards.
    """
    config = read_config(config_path)
    with (
        clear_errors(),
        open_keys(config, ask_pin) as guard,
        closing(open_store(config, guard)) as store,
    ):
        renewed = store.gallery.renew_protection(Clock().now())
    click.echo(f"Made {renewed} templates anew under a new key.")


@keys.command()
def fuse() -> None:
    """Program a random secret into this Raspberry Pi's blank customer OTP rows, for the life of the board."""
    click.confirm("This can never be undone. Program the secret?", abort=True)
    with clear_errors():
        fuse_secret(VcioMailbox())
    click.echo('Programmed. Now set `keys.guard = "otp"`.')
