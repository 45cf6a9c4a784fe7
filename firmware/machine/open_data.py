"""Opens the data partition; makes it at the first start, and never again.

A note beside the partition says that it was made to its end, and then nothing is ever written over it. Until
then a start that was cut off goes on with it; but the note lies where everybody can write who holds the card,
so that what has a key is opened first, and what lies in it stays.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

from firmware.guard.mailbox import Mailbox
from firmware.machine.partition import Partition
from firmware.machine.partition_key import (
    PartitionNote,
    PartitionSettings,
    new_secret,
    partition_key,
    read_note,
    write_note,
)
from trust.keys.errors import GuardError, KeysDamaged


class PartitionRefused(GuardError):
    """The partition is not what this appliance made; nothing was written."""


def open_data(selector: Path, settings: PartitionSettings, partition: Partition, mailbox: Mailbox) -> bool:
    """Open the partition; returns whether it was made anew.

    selector: the folder with the note. settings: for a partition that is made; one that is there has its own.
    Raises GuardError and its kinds.
    """
    if partition.is_open():
        return False
    note, uuid = read_note(selector), partition.uuid()
    if note is not None and note.made:
        if uuid is None:
            raise PartitionRefused(
                "the data partition has lost its header, and what it holds with it: restore a backup on a "
                "new card"
            )
        _open(selector, note, uuid, partition, mailbox)
        return False
    if uuid is not None and (note is None or partition.has_key()):
        # The selector was written anew, or a start was cut off. What opens with the guard's secret is this
        # appliance's; only of a start that was cut off is it known that it may hold nothing.
        known = note or PartitionNote(settings=settings, made=False)
        _open(selector, known, uuid, partition, mailbox)
        made = note is not None and partition.is_empty()
        if made:
            partition.make_file_system()
        write_note(selector, replace(known, made=True))
        return made
    if note is None and not partition.is_blank():
        raise PartitionRefused(
            "the data partition holds something that this appliance did not make: write the card anew to "
            "start with an empty one"
        )
    _make(selector, settings, partition, mailbox)
    return True


def _open(selector: Path, note: PartitionNote, uuid: UUID, partition: Partition, mailbox: Mailbox) -> None:
    with partition_key(selector, note, uuid, mailbox) as key:
        if not partition.open(key):
            raise KeysDamaged(
                "the data partition does not open with the secret of this board: put the card back into the "
                "board that it was made on, or restore a backup on a new card"
            )


def _make(selector: Path, settings: PartitionSettings, partition: Partition, mailbox: Mailbox) -> None:
    note = new_secret(selector, settings, mailbox)
    write_note(selector, note)
    uuid = uuid4()
    with partition.grown(), partition_key(selector, note, uuid, mailbox) as key:
        partition.encrypt(uuid, key)
        if not partition.open(key):
            raise KeysDamaged("the new data partition does not open: get another card")
    partition.make_file_system()
    write_note(selector, replace(note, made=True))
