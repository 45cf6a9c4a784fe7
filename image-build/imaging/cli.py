"""``python -m imaging``: the commands; each imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path

import click

from imaging.recipe import RECIPE, RecipeUnusable, load

KEYS = Path("out/image/keys")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


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


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), default=KEYS, show_default=True)
def keys(folder: Path) -> None:
    """Make keys that sign updates while the project is developed."""
    from imaging.keys import KeysExist, make

    try:
        made = make(folder)
    except (KeysExist, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{made.keyring} goes into the image; {made.key} signs bundles.")
    click.echo(
        "These keys are for development. Whoever has them can replace the software of every appliance whose "
        "image holds this keyring: for a fleet make others, keep the signer's on hardware, and build with "
        "their keyring."
    )


@main.command()
@click.option("--root", type=_FILE, required=True, help="Image of the root partition.")
@click.option("--boot", type=_FILE, required=True, help="Image of its boot partition.")
@click.option("--version", required=True, help="Of what is in it; appliances never go back.")
@click.option("--keys", "folder", type=click.Path(path_type=Path), default=KEYS, show_default=True)
@click.argument("bundle", type=click.Path(path_type=Path))
def bundle(root: Path, boot: Path, version: str, folder: Path, bundle: Path) -> None:
    """Make and sign an update out of the images of one slot."""
    from imaging.bundle import BundleFailed, Contents, make, verify
    from imaging.keys import SigningKeys

    signer = SigningKeys(folder)
    try:
        make(Contents(root, boot, version), signer, bundle)
        verify(bundle, signer.keyring)
    except (BundleFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{bundle}: {version}, {bundle.stat().st_size / 1e6:.1f} MB")
