"""The option `--store` of all commands: a file, or a database of a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import click

from aggregator.store.place import Place, PlaceRefused, parse_place

HELP = "The store: a file, or postgresql://USER@HOST/DATABASE; or set AIDPOST_STORE."


class PlaceType(click.ParamType[Place]):
    """A store's place; whether it is there is seen when it is opened."""

    name = "store"

    def convert(self, value: str | Place, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Return the place that was written."""
        if not isinstance(value, str):
            return value
        try:
            place = parse_place(value)
        except PlaceRefused as error:
            self.fail(str(error), param, ctx)
        if isinstance(place, Path) and place.is_dir():
            self.fail(f"File '{value}' is a directory.", param, ctx)
        return place


store_option = click.option("--store", type=PlaceType(), envvar="AIDPOST_STORE", required=True, help=HELP)
