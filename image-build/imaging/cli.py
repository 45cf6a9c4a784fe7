"""``python -m imaging``: the commands; each imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path

import click

from imaging.recipe import RECIPE, RecipeUnusable, load


@click.group()
@click.option("--recipe", type=click.Path(path_type=Path), default=RECIPE, help="What the image is made of.")
@click.pass_context
def main(context: click.Context, recipe: Path) -> None:
    """Make the appliance's image (docs/image.md)."""
    try:
        context.obj = load(recipe)
    except RecipeUnusable as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.pass_obj
def check(recipe: object) -> None:
    """Say whether the recipe can be built from."""
    click.echo("The recipe is sound.")
