"""``python -m imaging``: the commands; each imports what it needs when it is called."""

from __future__ import annotations

import signal
from importlib import metadata
from pathlib import Path

import click

from imaging.recipe import PROJECT, RECIPE, Recipe, RecipeUnusable, load

# Of the project, wherever somebody stands: keys made elsewhere would be found by no build.
OUT = PROJECT / "out/image"
PATH = click.Path(path_type=Path)
EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)

KEYS = OUT / "keys"


@click.group()
@click.option("--recipe", type=PATH, default=RECIPE, help="What the image is made of.")
@click.pass_context
def main(context: click.Context, recipe: Path) -> None:
    """Make the appliance's image (docs/image.md)."""
    try:
        context.obj = load(recipe)
    except RecipeUnusable as error:
        raise click.ClickException(str(error)) from error


@main.command()
def check() -> None:
    """Say whether the recipe can be built from."""
    click.echo("The recipe is sound.")


@main.command()
@click.option("--version", default=None, help="Version of the image; the project's own if not given.")
@click.option("--kernel", default="debian", show_default=True, help="A source of [kernel.sources].")
@click.option("--out", type=PATH, default=OUT, show_default=True, help="Folder of what is made.")
@click.option("--cache", type=PATH, default=OUT / "cache", envvar="AIDPOST_IMAGE_CACHE", show_default=True)
@click.option(
    "--keyring", type=EXISTING, help="Who may sign updates (keyring.pem of `keys`); in OUT/keys where there."
)
@click.option("--archive", help="Debian archive instead of the recipe's day, as http://deb.debian.org")
@click.option("--anew", is_flag=True, help="Make the cached packages again.")
@click.option("--twice", is_flag=True, help="Build twice and compare each byte.")
@click.option("--fast", is_flag=True, help="Pack the root quickly and larger, for tries.")
@click.option("--locked", is_flag=True, help="Refuse versions that are not in packages.lock.")
@click.option("--update-lock", is_flag=True, help="Write the versions to packages.lock.")
@click.pass_obj
def build(
    recipe: Recipe,
    version: str | None,
    kernel: str,
    out: Path,
    cache: Path,
    keyring: Path | None,
    archive: str | None,
    anew: bool,
    twice: bool,
    fast: bool,
    locked: bool,
    update_lock: bool,
) -> None:
    """Make the root, the boot partition and the whole disk."""
    from dataclasses import replace

    from rich.console import Console

    from imaging.build import Order, refuse_without_root, whose_updates
    from imaging.build import build as make
    from imaging.steps import BuildFailed, Steps

    try:
        refuse_without_root()  # before the keys are looked for, which may be root's
    except BuildFailed as error:
        raise click.ClickException(str(error)) from error
    if kernel not in recipe.kernel.sources:
        raise click.BadParameter(f"one of {', '.join(recipe.kernel.sources)}", param_hint="--kernel")
    if keyring is None and (own := out / KEYS.name / "keyring.pem").exists():
        keyring = own
    order = Order(
        version=version or metadata.version("aidpost"),
        kernel=kernel,
        out=out.resolve(),
        cache=cache.resolve(),
        keyring=keyring,
        archive=archive,
        anew=anew,
        locked=locked,
        update_lock=update_lock,
        fast=fast,
    )
    steps = Steps(Console())
    # As by Ctrl-C: what runs is ended, and what was mounted and registered for it is taken back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        made = make(recipe, order, steps)
        again = make(recipe, replace(order, out=order.out / "again"), steps) if twice else made
    except BuildFailed as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt as stopped:
        raise click.ClickException(
            f"Stopped. What was finished is kept in {cache}: the same command goes on from there."
        ) from stopped
    for name, size in made.sizes.items():
        click.echo(f"{out / name}  {size / 1e6:.1f} MB  sha256 {made.digests[name]}")
    if made != again:
        differ = [name for name in made.digests if made.digests[name] != again.digests[name]]
        raise click.ClickException(f"two builds differ in {', '.join(differ)} (the second is in {out}/again)")
    if twice:
        click.echo("Two builds gave the same bytes.")
    click.secho(whose_updates(keyring), bold=keyring is None)


@main.command()
@click.option("--folder", type=PATH, default=KEYS, show_default=True)
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
        "image holds this keyring: for a fleet make others, keep the signer's on hardware, the authority's "
        "elsewhere and offline, and build with their keyring (docs/updates.md)."
    )


@main.command()
@click.option("--folder", type=PATH, default=KEYS, show_default=True)
def revoke(folder: Path) -> None:
    """Revoke the signer of `keys`, whose key was lost or stolen, and make another one."""
    from imaging.keys import KeysMissing, SigningKeys
    from imaging.keys import revoke as revoke_signer

    try:
        serial = revoke_signer(folder)
    except (KeysMissing, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Signer {serial:x} is revoked in {SigningKeys(folder).keyring}, and there is a new one.")
    click.echo(
        "An appliance still takes what the former one signed until it runs an image with this keyring: build "
        "a newer version, sign it with the new signer and roll it out now (docs/updates.md)."
    )


@main.command()
@click.option("--root", type=EXISTING, required=True, help="Image of the root partition.")
@click.option("--boot", type=EXISTING, required=True, help="Image of its boot partition.")
@click.option("--version", help="Of what is in it; by default what image.json beside the root says.")
@click.option("--keys", "folder", type=PATH, default=KEYS, show_default=True)
@click.argument("bundle", type=PATH)
def bundle(root: Path, boot: Path, version: str | None, folder: Path, bundle: Path) -> None:
    """Make and sign an update out of the images of one slot; appliances never go back to a lower version."""
    from imaging.build import built_before
    from imaging.bundle import BundleFailed, Contents, make, verify
    from imaging.keys import SigningKeys

    signer = SigningKeys(folder)
    if missing := [each for each in (signer.keyring, signer.certificate, signer.key) if not each.exists()]:
        raise click.ClickException(f"{missing[0]} is not there: make keys (docs/updates.md), or name --keys")
    built = built_before(root.parent)
    if built is not None and version not in (None, built):
        raise click.ClickException(f"{root} is {built}: build {version} first, or leave --version out")
    version = version or built
    if version is None:
        raise click.ClickException(f"no image.json beside {root} says what it is: name --version")
    try:
        make(Contents(root, boot, version), signer, bundle)
        verify(bundle, signer.keyring)
    except (BundleFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{bundle}: {version}, {bundle.stat().st_size / 1e6:.1f} MB")


@main.command()
@click.argument("held", type=FOLDER)
@click.argument("wanted", type=FOLDER)
def difference(held: Path, wanted: Path) -> None:
    """Say what an update from one build to another fetches; HELD and WANTED are folders of `build`."""
    from imaging.difference import fetched_bytes

    names = ("root.img", "boot.img")
    try:
        fetched = fetched_bytes([held / name for name in names], [wanted / name for name in names])
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"An appliance with {held} fetches {fetched / 1e6:.1f} MB of {wanted}.")
