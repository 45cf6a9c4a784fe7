"""The `aidpost-aggregator` command."""

import click


@click.group()
@click.version_option(package_name="aidpost")
def main() -> None:
    """Aidpost aggregator: receives the results of the appliances."""
