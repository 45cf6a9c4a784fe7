"""The `aidpost` command. Each command's module is imported only when it is called, so that help is quick."""

from __future__ import annotations

import builtins
import importlib
import os
import resource
from collections.abc import Mapping
from types import MappingProxyType

import click

# One thread for the small matrices here, before numpy is loaded: a search of 10,000 faces took 0.25 ms with
# one thread and up to 12 ms with two that waited for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "backup": ("firmware.commands.backup", "Write the store to one encrypted file."),
        "audit": ("firmware.commands.audit", "Check the audit log, offline, show or export it."),
        "bench": ("firmware.commands.bench", "Measure stage times and memory of the whole appliance."),
        "cards": ("firmware.commands.cards", "Make QR cards and visit tokens to print."),
        "config": ("firmware.commands.configuration", "Show which settings are in use, and from where."),
        "custodian": ("firmware.commands.custodian", "Make a gallery's keys, and say who may read it."),
        "decision": ("firmware.commands.decision", "Replay why a decision was what it was."),
        "day": ("firmware.commands.day", "Open and close the day; write its report."),
        "demo": ("firmware.commands.demo", "Show the whole line on an emulated sensor and a replay camera."),
        "doctor": ("firmware.commands.doctor", "Check each part and say what to do."),
        "emulate": ("firmware.commands.emulate", "Run a virtual sensor by hand."),
        "erase": ("firmware.commands.people", "Erase a person from the gallery."),
        "export": ("firmware.commands.carry", "Write what waits into signed bundles, to be carried by hand."),
        "import-receipts": (
            "firmware.commands.carry",
            "Take from the outbox what the aggregator signed for.",
        ),
        "evaluate": ("firmware.commands.evaluate", "Measure error rates; make operating points."),
        "first-boot": ("firmware.commands.first_boot", "Become an appliance of a site, from a claim."),
        "gallery": ("firmware.commands.gallery", "Take part in the gallery that a site shares."),
        "identify": ("firmware.commands.people", "Find a person among the few registered here (1:few)."),
        "keys": ("firmware.commands.keys", "Change the PIN; program the board's secret."),
        "list": ("firmware.commands.lists", "Load a day's appointments or a cycle's households."),
        "lock": ("firmware.commands.keys", "Destroy the keys: nothing opens any more."),
        "operating-point": ("firmware.commands.operating_point", "Show what the thresholds rest on."),
        "join": ("firmware.commands.join", "Become a device of an aggregator."),
        "policy": ("firmware.commands.policy", "Check and sign the site's data policy."),
        "register": ("firmware.commands.people", "Register a person, with or without biometrics."),
        "resemblances": ("firmware.commands.resemblances", "Settle whether entries are of one person."),
        "restore": ("firmware.commands.backup", "Let a new store go on from a backup."),
        "run": ("firmware.commands.run", "Serve people until stopped."),
        "staff": ("firmware.commands.staff", "Say who may sign in, as operator or supervisor."),
        "simulate": ("firmware.commands.simulate", "Let a day of work go by with people who are drawn."),
        "template": ("firmware.commands.template", "Bring in or give out one person's templates."),
        "verify": ("firmware.commands.people", "Check that a person is who was claimed (1:1)."),
    }
)


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        name = cmd_name.replace("-", "_")
        name += "_" * hasattr(builtins, name)  # as `list_`
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aidpost")
def main() -> None:
    """Aidpost: responsible check-in by fingerprint and face."""
    # A core dump would hold what the store has open; the keys' own pages are left out of it anyway.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    log = importlib.import_module("firmware.log")  # when it is called, as the commands are
    log.configure("warning")
