"""A sealed gallery in the hands of whoever keeps it: nothing can be read, linked, moved, forged or undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.gallery import payload
from tests.kit.galleries import Author, Custodians
from tests.kit.store_values import face_template, finger_template, plain_templates, reference
from trust.gallery import tree
from trust.gallery.card import Card
from trust.gallery.change import NO_ENTRY, Change, Kind
from trust.gallery.errors import CardRefused, ChangeRefused, EntryRefused, RosterRefused
from trust.gallery.judge import Head, Judge
from trust.gallery.roster import Roster, wrap_context
from trust.gallery.sealing import NONCE_BYTES, TAG_BYTES, Place, SealedModality, seal, unseal
from trust.keys.secret import SecretKey


@pytest.fixture
def desk(tmp_path: Path) -> Author:
    return Author(tmp_path / "desk-1", "desk-1")


@pytest.fixture
def gate(tmp_path: Path) -> Author:
    return Author(tmp_path / "gate-1", "gate-1")


@pytest.fixture
def custodians(tmp_path: Path) -> Custodians:
    return Custodians(tmp_path / "set")


def judge(roster: Roster, **more: object) -> Judge:
    return Judge(roster.gallery_id, {roster.epoch: roster}, {}, lambda _: None, epoch=0, **more)  # type: ignore[arg-type]


def place(change: Change, modality: SealedModality) -> Place:
    return Place(change.gallery_id, change.epoch, change.entry_id, modality, change.version)


def sealed(change: Change, modality: SealedModality) -> bytes:
    (part,) = [each.sealed for each in change.parts if each.modality is modality]
    assert part is not None
    return part


def test_another_appliance_of_the_gallery_opens_what_was_sealed(
    custodians: Custodians, desk: Author, gate: Author
) -> None:
    roster = custodians.admit(desk.card, gate.card)
    change = desk.put(roster, reference(7))
    taken = judge(roster)
    taken.take(change)
    taken.finish()
    with gate.epoch_key(roster) as key:
        opened = unseal(key, place(change, SealedModality.FACE), sealed(change, SealedModality.FACE))
        fingers = unseal(key, place(change, SealedModality.FINGER), sealed(change, SealedModality.FINGER))
    content = payload.decode(SealedModality.FACE, opened)
    assert content.subject == "card-7"
    (face,) = content.templates
    assert float(face.embedding @ face_template(7).embedding) > 0.9999  # type: ignore[union-attr]
    (finger,) = payload.decode(SealedModality.FINGER, fingers).templates
    assert np.allclose(finger.minutiae[:, :2], finger_template(7).minutiae[:, :2], atol=0.13)  # type: ignore[union-attr]


def test_whoever_keeps_everything_that_was_sent_reads_and_links_nothing(
    custodians: Custodians, desk: Author, tmp_path: Path
) -> None:
    # The same person in two galleries, with the same card number and the same samples.
    other = Custodians(tmp_path / "other set")
    entry = reference(7, subject="KQ-4711-PERSON")
    again = reference(7, subject=entry.subject, entry_id=bytes(range(16)))
    first = desk.put(custodians.admit(desk.card), entry)
    second = Author(tmp_path / "desk-2", "desk-2")
    change = second.put(other.admit(second.card), again)
    kept = [
        (custodians.folder / "gallery.roster").read_bytes(),
        desk.card.encoded(),
        *(part.sealed or b"" for part in first.parts + change.parts),
    ]
    face, finger = face_template(7), finger_template(7)
    secret = [entry.subject.encode(), face.embedding.tobytes(), finger.minutiae.tobytes()]
    secret += [content[8:40] for content in payload.encode(entry.subject, plain_templates(entry)).values()]
    assert not [each for each in secret for data in kept if each in data]
    for one in first.parts:
        for two in change.parts:
            common = set(_windows(one.sealed or b"")) & set(_windows(two.sealed or b""))
            assert not common
            assert one.digest != two.digest
    # Lengths say no more than the modality: one subject is longer than the other by 8 letters.
    longer = desk.put(custodians.roster, replace(reference(8), subject="KQ-4711-PERSON-23-05-11"))
    assert [len(p.sealed or b"") for p in longer.parts] == [len(p.sealed or b"") for p in first.parts]


def _windows(data: bytes, size: int = 8) -> list[bytes]:
    return [data[at : at + size] for at in range(len(data) - size + 1)]


@pytest.mark.parametrize("what", ["gallery_id", "epoch", "entry_id", "modality", "version", "sealed", "cut"])
def test_an_entry_opens_at_its_own_place_alone(what: str) -> None:
    with SecretKey.random(32) as key:
        at = Place(bytes(16), 1, bytes(16), SealedModality.FACE, 1)
        data = seal(key, at, b"templates")
        assert unseal(key, at, data) == b"templates"
        moved: dict[str, Callable[[], tuple[Place, bytes]]] = {
            "gallery_id": lambda: (replace(at, gallery_id=b"g" * 16), data),
            "epoch": lambda: (replace(at, epoch=2), data),
            "entry_id": lambda: (replace(at, entry_id=b"e" * 16), data),
            "modality": lambda: (replace(at, modality=SealedModality.FINGER), data),
            "version": lambda: (replace(at, version=2), data),
            "sealed": lambda: (at, data[:-1] + bytes([data[-1] ^ 1])),
            "cut": lambda: (at, data[:20]),
        }
        with pytest.raises(EntryRefused):
            unseal(key, *moved[what]())


def test_the_size_of_a_sealed_part_is_one_of_a_few() -> None:
    with SecretKey.random(32) as key:
        at = Place(bytes(16), 1, bytes(16), SealedModality.FINGER, 1)
        contents = [bytes(size) for size in range(300, 1100, 8)]  # one or two samples of 20 to 60 minutiae
        parts = [seal(key, at, content) for content in contents]
        assert {len(part) - NONCE_BYTES - TAG_BYTES for part in parts} == {384, 512, 768, 1024, 1536}
        assert [unseal(key, at, part) for part in parts] == contents


@pytest.mark.parametrize("subject", ["", "Anna Meier", "card-1\n", "a" * 64, "<b>"])
def test_a_sealed_subject_that_is_no_number_is_refused(subject: str) -> None:
    for modality, content in payload.encode(subject, (face_template(1), finger_template(1))).items():
        with pytest.raises(EntryRefused):
            payload.decode(modality, content)


def test_what_is_sealed_twice_differs() -> None:
    with SecretKey.random(32) as key:
        at = Place(bytes(16), 1, bytes(16), SealedModality.FACE, 1)
        assert len({seal(key, at, b"templates") for _ in range(100)}) == 100


def test_a_change_that_was_swapped_forged_replayed_or_held_back_is_refused(
    custodians: Custodians, desk: Author, gate: Author, tmp_path: Path
) -> None:
    roster = custodians.admit(desk.card, gate.card)
    first, second, third = (desk.put(roster, reference(number)) for number in (1, 2, 3))
    stranger = Author(tmp_path / "stranger", "desk-9")
    swapped = replace(first, parts=second.parts)
    moved = replace(second, parts=(replace(second.parts[0], sealed=first.parts[0].sealed), second.parts[1]))
    other_custodian = Custodians(tmp_path / "other")
    forged_roster = other_custodian.admit(stranger.card)
    forked = replace(second, before=third.link).signed(desk.keys.author)  # after a backup was restored
    cases = {
        "not signed by its author": [swapped],
        "another sealed part": [first, moved],
        "a second time": [first, first],
        "were held back": [first, third],
        "follows another change": [first, forked],
        "of no member": [stranger.put(forged_roster, reference(1))],
        "not signed": [replace(first, signature=bytes(64))],
        "not signed by": [replace(first, author=2)],
    }
    for sentence, changes in cases.items():
        taken = judge(roster)
        for change in changes[:-1]:
            taken.take(change)
        with pytest.raises(ChangeRefused, match=sentence):
            taken.take(changes[-1])


def test_nothing_follows_an_erasure_and_no_version_goes_back(
    custodians: Custodians, desk: Author, gate: Author
) -> None:
    roster = custodians.admit(desk.card, gate.card)
    entry = reference(1)
    put, erased = desk.put(roster, entry), gate.erase(roster, entry.entry_id, 2)
    taken = judge(roster)
    taken.take(put)
    taken.take(erased)
    with pytest.raises(ChangeRefused, match="erased"):
        taken.take(desk.put(roster, entry, version=3))
    # Who knows more than a whole delivery has sees an older state, even with a damaged store.
    for lacking, sentence in (((), "two histories"), ({(1, 1)}, "rollback")):
        known, held = taken.heads, taken.entries.get
        repaired = Judge(roster.gallery_id, {1: roster}, known, held, epoch=1, in_full=True, lacking=lacking)
        with pytest.raises(ChangeRefused, match=sentence):
            repaired.take(put)


def test_a_repair_brings_every_number_that_is_lacking(custodians: Custodians, desk: Author) -> None:
    roster = custodians.admit(desk.card)
    put, other = desk.put(roster, reference(1)), desk.put(roster, reference(2))
    erased = desk.erase(roster, reference(1).entry_id, 2)
    last = desk.put(roster, reference(3))

    def repaired(heads: dict[int, Head], *lacking: tuple[int, int]) -> Judge:
        return Judge(
            roster.gallery_id, {1: roster}, heads, lambda _: None, epoch=0, in_full=True, lacking=lacking
        )

    damaged = repaired({1: Head(4, last.link)}, (1, 3))
    with pytest.raises(ChangeRefused, match="change 3 of member 1 was held back"):
        damaged.finish()
    damaged.take(erased)
    damaged.finish()
    whole = repaired({})
    for change in (put.replaced(), other):
        whole.take(change)
    with pytest.raises(ChangeRefused, match="changes 3 to 3"):
        whole.take(last)
    whole.take(erased)
    whole.take(last)
    whole.finish()
    assert whole.heads[1] == Head(4, last.link)


def test_sealed_parts_may_be_missing_only_where_a_newer_version_is_there(
    custodians: Custodians, desk: Author
) -> None:
    roster = custodians.admit(desk.card)
    first, second = desk.put(roster, reference(1)), desk.put(roster, reference(1), version=2)
    taken = judge(roster)
    taken.take(first.replaced())
    with pytest.raises(ChangeRefused, match="held back"):
        taken.finish()
    taken.take(second)
    taken.finish()


def test_a_word_of_no_entry_counts_and_changes_none(custodians: Custodians, desk: Author) -> None:
    roster = custodians.admit(desk.card)
    word = desk._change(roster, NO_ENTRY, 0, Kind.SEEN, ())
    taken = judge(roster)
    taken.take(word)
    taken.take(desk.put(roster, reference(1)))
    assert (taken.heads[1].seq, set(taken.entries)) == (2, {reference(1).entry_id})
    with pytest.raises(ChangeRefused, match="an entry that does not go with it"):
        taken.take(desk._change(roster, reference(1).entry_id, 2, Kind.SEEN, ()))


def test_changes_that_only_others_saw_show(custodians: Custodians, desk: Author, gate: Author) -> None:
    roster = custodians.admit(desk.card, gate.card)
    change = replace(gate.put(roster, reference(1)), seen=((1, 4),)).signed(gate.keys.author)
    taken = judge(roster)
    taken.take(change)
    assert taken.withheld() == {1: 4}


def test_after_a_rotation_the_former_member_neither_reads_nor_writes(
    custodians: Custodians, desk: Author, gate: Author
) -> None:
    before = custodians.admit(desk.card, gate.card)
    after = custodians.rotate("gate-1")
    assert (after.epoch, after.edition) == (2, before.edition + 1)
    assert after.member_of("gate-1") is None
    change = desk.put(after, reference(1))
    with gate.epoch_key(before) as former, pytest.raises(EntryRefused):
        unseal(former, place(change, SealedModality.FACE), sealed(change, SealedModality.FACE))
    taken = Judge(after.gallery_id, {1: before, 2: after}, {}, lambda _: None, epoch=2)
    with pytest.raises(ChangeRefused, match="older key"):
        taken.take(gate.put(before, reference(2)))


def test_a_key_opens_for_its_own_appliance_and_epoch_alone(
    custodians: Custodians, desk: Author, gate: Author
) -> None:
    roster = custodians.admit(desk.card, gate.card)
    member = roster.member_of("gate-1")
    assert member is not None
    for epoch, name in ((1, "gate-1"), (2, "desk-1")):
        context = wrap_context(roster.gallery_id, epoch, name, desk.keys.author_public)
        with pytest.raises(RosterRefused):
            desk.keys.unwrap(member.wrapped, context)


def test_a_roster_or_card_with_one_byte_changed_is_refused(custodians: Custodians, desk: Author) -> None:
    roster = custodians.admit(desk.card)
    data = custodians.key_set.roster_path.read_bytes()
    assert Roster.parse(data) == roster
    for at in range(0, len(data), 7):
        with pytest.raises(RosterRefused):
            Roster.parse(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
    data = desk.card.encoded()
    for at in range(0, len(data), 7):
        with pytest.raises(CardRefused):
            Card.parse(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
    assert Card.parse(data).words == desk.card.words


def test_the_keys_of_an_appliance_are_the_same_at_each_start(tmp_path: Path) -> None:
    with SecretKey.random(32) as key:
        from trust.gallery.opening import ApplianceKeys

        one, two = ApplianceKeys.derived(key), ApplianceKeys.derived(key)
    assert (one.public, one.author_public) == (two.public, two.author_public)


def test_one_changed_entry_changes_one_bucket_and_the_root() -> None:
    entries = [(number.to_bytes(2, "big") + bytes(14), bytes(32)) for number in range(1000)]
    before = tree.buckets(entries)
    assert tree.buckets(entries[::-1]) == before
    after = tree.buckets([*entries[:-1], (entries[-1][0], b"1" * 32)])
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1
    assert tree.root(before) != tree.root(after)
