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


class _ClaimType(click.ParamType[Claim]):
    name = "code"

    def convert(self, value: str | Claim, param: click.Parameter | None, ctx: click.Context | None) -> Claim:
        if isinstance(value, Claim):
            return value
        if value == ASK:
            asked: Claim = click.prompt("The operator's claim code", value_proc=_typed, err=True)
            return asked
        try:
            return Claim.parse(value)
        except ClaimRefused as error:
            self.fail(str(error), param, ctx)


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
    type=_ClaimType(),
    help="`-` asks for the operator's claim code, or reads it from a pipe. A code written here is seen by "
    "whoever lists the processes. Left out: join again.",
)
@click.option("--target", help="Where the aggregator listens.  [default: `uplink.target`]")
def join(config_path: Path, claim: Claim | None, target: str | None) -> None:
    """Ask to join the aggregator, and wait until its operator has approved.

    Read the key that is shown to the operator, who compares it before approving. Ctrl-C ends the waiting; the
    same command goes on with it. Without --claim, a device that joined before, and was off for longer than
    its certificate lasts, asks for a new approval with the key that it has.
    """
    config = read_config(config_path)
    address = target or (config.uplink.target if config.uplink else None)
    if address is None:
        raise click.UsageError("say where the aggregator listens: --target, or `uplink.target` in the file")
    with clear_errors(), open_keys(config, ask_pin) as guard:
        membership = open_membership(config, guard, Target.parse(address), Clock())
        click.echo(f"This device: {config.device.id} at {config.device.site}")
        click.echo(f"Its key:     {membership.key_words}")
        identity = asyncio.run(_join(membership, claim))
    click.echo(f"Joined. The certificate lasts until {identity.ends:%Y-%m-%d} and is renewed by itself.")
    if config.uplink is None:
        click.echo(f'To send results there, add to {config_path}:\n\n[uplink]\ntarget = "{address}"')


async def _join(membership: Membership, claim: Claim | None) -> Identity:
    def wait() -> None:
        click.echo("Waiting for the operator's approval of this key ...")

    if claim is None:
        return await membership.rejoin(wait)
    return await membership.join(claim, wait)
