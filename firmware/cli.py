"""The `aidpost` command."""

import click


@click.group()
@click.version_option(package_name="aidpost")
def main() -> None:
    """Aidpost: responsible check-in by fingerprint and face."""
