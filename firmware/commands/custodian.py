"""`aidpost custodian`: the keys of a gallery, made and wrapped on a machine without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from firmware.commands.passphrase import ask_passphrase, from_file
from firmware.custodian.errors import CustodianError
from firmware.custodian.key_set import KeySet, share_name
from firmware.custodian.shares import MAX_CUSTODIANS, check_passphrase
from trust.consent import Purpose
from trust.gallery.card import MAX_CARD_BYTES, Card
from trust.gallery.errors import CardRefused, GalleryError
from trust.keys.errors import GuardError
from trust.keys.stretching import Argon2Cost
from trust.names import is_name

set_option = click.option(
    "--set",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder of the key set.",
)
share_option = click.option(
    "--share",
    "share_paths",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A share that lies elsewhere; name all of them. By default those in the set's folder.",
)
passphrase_option = click.option(
    "--passphrase-file",
    "passphrase_files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read a passphrase from a file's first line instead of asking; once for each custodian, in order.",
)


@click.group()
def custodian() -> None:
    """Make the keys of a gallery, and say which appliances may read it.

    Needs no network: run it on a machine that has none, and carry cards in and rosters out.
    """


@custodian.command()
@set_option
@click.option("--site", required=True, help="The site whose appliances share the gallery.")
@click.option("--purpose", type=click.Choice([each.value for each in Purpose]), required=True)
@click.option(
    "--custodians",
    type=click.IntRange(1, MAX_CUSTODIANS),
    default=1,
    show_default=True,
    help="How many hold a share; all of them are needed for each change.",
)
@passphrase_option
def init(folder: Path, site: str, purpose: str, custodians: int, passphrase_files: tuple[Path, ...]) -> None:
    """Make the key set of a new gallery."""
    if not is_name(site):
        raise click.UsageError("--site has letters, digits and . _ - as `device.site` has")
    with _clear_errors():
        ask = _asking(passphrase_files, twice=True)
        passphrases = [ask(number) for number in range(1, custodians + 1)]
        key_set = KeySet.init(folder, site, Purpose(purpose), passphrases, Argon2Cost())
    click.echo(f"Made the key set of a gallery for {purpose} at {site} in {folder}.")
    if custodians > 1:
        click.echo(
            f"Give each custodian one of the {custodians} shares ({share_name(1)} ...); leave no copy here."
        )
    click.echo(f'Into the configuration of each appliance:  [gallery] custodian = "{key_set.words}"')


@custodian.command()
@set_option
def show(folder: Path) -> None:
    """Show the gallery, its members and the custodian's words."""
    with _clear_errors():
        key_set = KeySet.read(folder)
        cards = key_set.cards()
    facts = key_set.facts
    click.echo(f"Gallery {facts.gallery_id.hex()}: {facts.purpose.value} at {facts.site}")
    click.echo(f"Custodians: {facts.custodians}; words: {key_set.words}")
    click.echo(f"Key number {facts.epoch}, roster number {facts.edition}")
    for number, card in cards:
        click.echo(f"  {number}. {card.device_id}  card {card.words}")
    if not cards:
        click.echo("  No appliance may read it yet: `aidpost custodian wrap`.")


@custodian.command()
@set_option
@click.argument("card_path", metavar="CARD", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("words")
@share_option
@passphrase_option
def wrap(
    folder: Path,
    card_path: Path,
    words: str,
    share_paths: tuple[Path, ...],
    passphrase_files: tuple[Path, ...],
) -> None:
    """Let the appliance with CARD read and write the gallery.

    WORDS: as the appliance itself shows them (`aidpost gallery card`), not as the card's file says.
    """
    with _clear_errors():
        key_set, card = KeySet.read(folder), _read_card(card_path)
        with key_set.opened(share_paths, _asking(passphrase_files)) as secret:
            key_set.admit(card, words, secret)
    _say_roster(key_set, f"{card.device_id} is a member.")


@custodian.command()
@set_option
@click.option("--without", multiple=True, metavar="DEVICE", help="Take this appliance out; may be repeated.")
@share_option
@passphrase_option
def rotate(
    folder: Path, without: tuple[str, ...], share_paths: tuple[Path, ...], passphrase_files: tuple[Path, ...]
) -> None:
    """Give the gallery another key, which appliances that were taken out do not get.

    The others seal every entry anew with it, and drop the former key when all are.
    """
    with _clear_errors():
        key_set = KeySet.read(folder)
        with key_set.opened(share_paths, _asking(passphrase_files)) as secret:
            key_set.rotate(without, secret)
    _say_roster(key_set, f"The gallery has key number {key_set.facts.epoch}.")


@custodian.command("change-passphrase")
@set_option
@click.argument("share", type=click.Path(dir_okay=False, path_type=Path))
@passphrase_option
def change_passphrase(folder: Path, share: Path, passphrase_files: tuple[Path, ...]) -> None:
    """Put one SHARE under another passphrase; copies of its file that were made before keep the former."""
    if len(passphrase_files) not in (0, 2):
        raise click.UsageError("--passphrase-file twice: the former one and the new one")
    with _clear_errors():
        key_set = KeySet.read(folder)
        if passphrase_files:
            former, new = map(from_file, passphrase_files)
        else:
            former, new = ask_passphrase("Passphrase so far"), ask_passphrase("New passphrase", twice=True)
        key_set.change_passphrase(share, former, new)
    click.echo(f"{share} opens with the new passphrase.")


def _asking(files: tuple[Path, ...], *, twice: bool = False) -> Callable[[int], bytearray]:
    def ask(number: int) -> bytearray:
        if files:
            if number > len(files):
                raise CustodianError(f"there is no --passphrase-file for custodian {number}")
            passphrase = from_file(files[number - 1])
        else:
            passphrase = ask_passphrase(f"Passphrase of custodian {number}", twice=twice)
        if twice:
            check_passphrase(passphrase, number)
        return passphrase

    return ask


def _read_card(path: Path) -> Card:
    try:
        with path.open("rb") as file:
            return Card.parse(file.read(MAX_CARD_BYTES + 1))
    except OSError as error:
        raise CustodianError(f"cannot read the card {path}: {error.strerror}") from error
    except CardRefused as error:
        raise CardRefused(f"{path}: {error}") from error


def _say_roster(key_set: KeySet, said: str) -> None:
    click.echo(said)
    click.echo(
        f"Wrote {key_set.roster_path}, number {key_set.facts.edition}: bring it to the aggregator "
        "(`aidpost-aggregator gallery publish`)."
    )


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (CustodianError, GalleryError, GuardError) as error:
        raise click.ClickException(str(error)) from error
