"""The keyed transforms of one gallery: plain templates in, what is stored and searched out, and back.

Faces are turned, and compared so. Fingers are searched by codes, and compared by their minutiae, which are
sealed between one comparison and the next: docs/template-protection.md says why, and what each promises.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

import numpy as np

from inference import plain_codec
from inference.errors import OtherProtectionKey, TemplateDamaged
from inference.finger.cylinders import PreparedFinger, prepare
from inference.protection.face import FaceRotation
from inference.protection.finger import CODE_WORDS, Codes, CylinderCodes
from inference.protection.key_stream import KEY_BYTES, KeyStream
from inference.types import (
    FaceTemplate,
    FingerTemplate,
    ProtectedFace,
    ProtectedFinger,
    ProtectedTemplate,
    Template,
)
from trust.gallery.template_seal import seal_template, unseal_templates
from trust.keys.secret import SecretKey


class TemplateProtection:
    """Made of a gallery's protection key, which it does not keep; wipe it when the gallery closes."""

    def __init__(self, key: SecretKey, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        """key: 32 bytes; the caller closes it. Takes 10 ms."""
        with key.view() as view:
            keys = KeyStream(view)
            self.key_id = keys.key_id()
            self._rotation = FaceRotation(keys)
            self._codes = CylinderCodes(keys)
            self._seal_key = SecretKey.taken_from(bytearray(keys.stream("finger seal", KEY_BYTES)))
        self._random_bytes = random_bytes

    def protect(self, template: Template, entry_id: bytes) -> ProtectedTemplate:
        """Return the form that a gallery stores under this entry; the caller wipes the plain one."""
        match template:
            case FaceTemplate():
                return self.face(template)
            case FingerTemplate():
                return self._finger(template, entry_id)
            case _:
                assert_never(template)

    def face(self, template: FaceTemplate) -> ProtectedFace:
        """Turn a face; a reference and a probe alike."""
        turned = self._rotation.turn(template.embedding)
        return ProtectedFace(turned, template.quality, template.made_by, self.key_id, template.frames)

    def codes(self, probe: PreparedFinger) -> Codes:
        """Return what a search holds against the codes of the gallery."""
        return self._codes.of(probe)

    def opened(self, finger: ProtectedFinger, entry_id: bytes) -> FingerTemplate:
        """Return the sealed template of this entry, to be compared and wiped.

        Raises OtherProtectionKey, and EntryRefused where it is of another entry or was changed.
        """
        self.require_own([finger])
        return self.unsealed(finger.sealed, entry_id)

    def unsealed(self, sealed: bytes, entry_id: bytes) -> FingerTemplate:
        """Return the template of a finger of this gallery, to be compared and wiped. Raises EntryRefused."""
        (opened,) = unseal_templates(self._seal_key, entry_id, [sealed])
        plain = plain_codec.decode(plain_codec.without_padding(opened))
        if not isinstance(plain, FingerTemplate):
            raise TemplateDamaged("what was sealed as a finger is none")
        return plain

    def plain(self, template: ProtectedTemplate, entry_id: bytes) -> Template:
        """Return the plain template, for protection under another key: the key gives everything back.

        Raises OtherProtectionKey and EntryRefused.
        """
        if isinstance(template, ProtectedFinger):
            return self.opened(template, entry_id)
        self.require_own([template])
        embedding = self._rotation.turn_back(template.embedding)
        return FaceTemplate(embedding, template.quality, template.made_by, template.frames)

    def with_codes(self, finger: ProtectedFinger, entry_id: bytes) -> ProtectedFinger:
        """Return a finger that came without its codes with them. Raises as `opened` does."""
        plain = self.opened(finger, entry_id)
        try:
            return replace(finger, codes=self._filled_codes(plain))
        finally:
            plain.wipe()

    def minutiae_of(self, fingers: Sequence[ProtectedFinger], entry_id: bytes) -> list[int]:
        """Return how many minutiae fingers of this entry have, and so how many codes are not filling at most.

        Raises EntryRefused for one of another entry, or one that was changed. 10 µs for the first.
        """
        if not fingers:
            return []
        opened = unseal_templates(self._seal_key, entry_id, [finger.sealed for finger in fingers])
        return [plain_codec.minutiae_in(plain_codec.without_padding(each)) for each in opened]

    def require_own(self, templates: Sequence[ProtectedTemplate]) -> None:
        """Raise OtherProtectionKey unless all are protected under this key."""
        for template in templates:
            if template.key_id != self.key_id:
                raise OtherProtectionKey(template.key_id, self.key_id)

    def wipe(self) -> None:
        """Overwrite all that was made of the key."""
        self._rotation.wipe()
        self._codes.wipe()
        self._seal_key.close()

    def _finger(self, template: FingerTemplate, entry_id: bytes) -> ProtectedFinger:
        sealed = seal_template(self._seal_key, entry_id, plain_codec.padded(plain_codec.encode(template)))
        # The codes are of what will be compared: the minutiae as they are stored, rounded.
        bare = ProtectedFinger(
            codes=np.zeros((0, CODE_WORDS), np.uint64),
            sealed=sealed,
            position=template.position,
            sensor=template.sensor,
            made_by=template.made_by,
            key_id=self.key_id,
        )
        return self.with_codes(bare, entry_id)

    def _filled_codes(self, template: FingerTemplate) -> Codes:
        prepared = prepare(template)
        try:
            return self._codes.filled(self._codes.of(prepared), self._random_bytes)
        finally:
            prepared.wipe()
