"""`aidpost join`: become a device of an aggregator, or become it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from firmware.clock import Clock
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config
from firmware.opening import open_keys, open_membership
from firmware.uplink.channel import Target
from firmware.uplink.identity_file import Identity
from firmware.uplink.membership import Membership
from trust.claim import Claim, ClaimRefused

ASK = "-"


def _ask(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Claim | None:
    if value is None:
        return None
    if value != ASK:
        raise click.BadParameter(
            "a code in a command is seen by whoever lists the processes: write `--claim -`, and it is asked "
            "for, or use --claim-file. Ask the operator for a new code if others use this machine"
        )
    asked: Claim = click.prompt("The operator's claim code", value_proc=_typed, err=True)
    return asked


def _read(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Claim | None:
    if path is None:
        return None
    try:
        return Claim.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path} is no text file with a claim code") from error
    except ClaimRefused as error:
        raise click.BadParameter(f"{path}: {error}") from error


def _typed(text: str) -> Claim:
    """Read an answer; after a slip click asks again."""
    try:
        return Claim.parse(text)
    except ClaimRefused as error:
        raise click.UsageError(str(error)) from error


@click.command()
@config_option
@click.option(
    "--claim",
    metavar=ASK,
    callback=_ask,
    help="Asks for the operator's claim code, or reads it from a pipe. Without a claim: join again.",
)
@click.option(
    "--claim-file", type=click.Path(path_type=Path), callback=_read, help="Reads the claim code from a file."
)
@click.option("--target", help="Where the aggregator listens.  [default: `uplink.target`]")
def join(config_path: Path, claim: Claim | None, claim_file: Claim | None, target: str | None) -> None:
    """Ask to join the aggregator, and wait until its operator has approved.

    Read the key that is shown to the operator, who compares it before approving. Ctrl-C ends the waiting; the
    same command goes on with it. Without a claim, a device that joined before, and was off for longer than
    its certificate lasts, asks for a new approval with the key that it has.
    """
    if claim is not None and claim_file is not None:
        raise click.UsageError("give --claim or --claim-file, not both")
    config = read_config(config_path)
    address = target or (config.uplink.target if config.uplink else None)
    if address is None:
        raise click.UsageError("say where the aggregator listens: --target, or `uplink.target` in the file")
    with clear_errors(), open_keys(config, ask_pin) as guard:
        membership = open_membership(config, guard, Target.parse(address), Clock())
        click.echo(f"This device: {config.device.id} at {config.device.site}")
        click.echo(f"Its key:     {membership.key_words}")
        identity = asyncio.run(_join(membership, claim or claim_file))
    click.echo(f"Joined. The certificate lasts until {identity.ends:%Y-%m-%d} and is renewed by itself.")
    if config.uplink is None:
        click.echo(f'To send results there, add to {config_path}:\n\n[uplink]\ntarget = "{address}"')


async def _join(membership: Membership, claim: Claim | None) -> Identity:
    def wait() -> None:
        click.echo("Waiting for the operator's approval of this key ...")

    if claim is None:
        return await membership.rejoin(wait)
    return await membership.join(claim, wait)
