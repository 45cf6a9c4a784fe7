"""CBEFF envelopes in XML, as MOSIP writes them: a BIR of BIRs, each with one block of data in base64.

The form is ISO/IEC 19785-3:2015, patron format "XML" (OASIS BIAS cbeff_ed2.xsd), as MOSIP's documentation and
its kernel-biometrics-api use it: what kind of data a BIR holds stands in BDBInfo, the data in BDB. Read are
finger minutiae and face images; other kinds are named and passed over. Integrity and signatures of a BIR are
not checked here: who brings a file states its origin, and the audit log keeps the file's SHA-256.

Entities and document types are refused, so no text can grow; depth, size and count are bounded.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from xml.parsers import expat
from xml.sax.saxutils import escape

from inference.errors import RecordRefused
from inference.types import FingerPosition

NAMESPACE = "http://standards.iso.org/iso-iec/19785/-3/ed-2/"
MAX_BYTES = 16 << 20
MAX_BIRS = 64
MAX_DEPTH = 12
ORGANISATION = "257"
"""ISO/IEC JTC 1/SC 37 among the biometric organisations that IBIA registers."""


@unique
class BdbFormat(Enum):
    """What a block holds: IBIA's numbers for the formats of ISO/IEC JTC 1/SC 37."""

    FINGER_MINUTIAE = "2"
    FINGER_IMAGE = "7"
    FACE_IMAGE = "8"
    IRIS_IMAGE = "9"


@dataclass(frozen=True, slots=True)
class Bir:
    """One block of data and what its envelope says of it.

    form: None where the number names no format that is known here. subtype: MOSIP's words, such as "Left
    IndexFinger". purpose: the CBEFF word. quality: 0 to 100, None where it is not stated.
    """

    form: BdbFormat | None
    data: bytes
    subtype: str = ""
    purpose: str = ""
    created: str = ""
    quality: int | None = None

    def __repr__(self) -> str:
        # The data stays out of logs and trace backs.
        return f"Bir({self.form}, {self.subtype!r}, {len(self.data)} bytes)"


_FINGERS = ("Thumb", "IndexFinger", "MiddleFinger", "RingFinger", "LittleFinger")


def subtype_of(position: FingerPosition) -> str:
    """Return MOSIP's words for a finger, "UNKNOWN" where the record does not know which it is."""
    if position is FingerPosition.UNKNOWN:
        return "UNKNOWN"
    side, finger = divmod(position.value - 1, len(_FINGERS))
    return f"{('Right', 'Left')[side]} {_FINGERS[finger]}"


def decode(data: bytes) -> tuple[Bir, ...]:
    """Return the BIRs that hold data, in order. Raises RecordRefused."""
    if len(data) > MAX_BYTES:
        raise RecordRefused(f"an envelope has at most {MAX_BYTES} bytes, not {len(data)}")
    return _Parser().parse(data)


def encode(birs: Sequence[Bir]) -> bytes:
    """Return the envelope of these BIRs. Raises RecordRefused for more than can be read again."""
    if not 1 <= len(birs) <= MAX_BIRS:
        raise RecordRefused(f"an envelope holds 1 to {MAX_BIRS} blocks, not {len(birs)}")
    parts = "".join(_bir(each) for each in birs)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<BIR xmlns="{NAMESPACE}"><BIRInfo><Integrity>false</Integrity></BIRInfo>{parts}</BIR>\n'
    )
    return text.encode()


def _bir(bir: Bir) -> str:
    if bir.form is None:
        raise RecordRefused("a block of an unknown format is not written")
    kind = "Face" if bir.form is BdbFormat.FACE_IMAGE else "Finger"
    level = "Processed" if bir.form is BdbFormat.FINGER_MINUTIAE else "Raw"
    version = "<Major>1</Major><Minor>1</Minor>"
    created = f"<CreationDate>{escape(bir.created)}</CreationDate>" if bir.created else ""
    subtype = f"<Subtype>{escape(bir.subtype)}</Subtype>" if bir.subtype else ""
    quality = "" if bir.quality is None else f"<Quality><Score>{bir.quality:d}</Score></Quality>"
    return (
        f"<BIR><Version>{version}</Version><CBEFFVersion>{version}</CBEFFVersion>"
        "<BIRInfo><Integrity>false</Integrity></BIRInfo><BDBInfo>"
        f"<Format><Organization>{ORGANISATION}</Organization><Type>{bir.form.value}</Type></Format>"
        f"{created}<Type>{kind}</Type>{subtype}<Level>{level}</Level>"
        f"<Purpose>{escape(bir.purpose or 'Enroll')}</Purpose>{quality}</BDBInfo>"
        f"<BDB>{base64.b64encode(bir.data).decode()}</BDB></BIR>"
    )


_KEPT = frozenset(
    {
        ("BDBInfo", "Format", "Type"),
        ("BIR", "BDBInfo", "Subtype"),
        ("BIR", "BDBInfo", "Purpose"),
        ("BIR", "BDBInfo", "CreationDate"),
        ("BDBInfo", "Quality", "Score"),
        ("BIR", "BDB"),
    }
)
_TEXT_CHARACTERS = 256
"""Of every field but the data."""


@dataclass(slots=True)
class _Open:
    """A BIR that is being read: the text of each of its fields."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return "".join(self.fields.get(name, ())).strip()


class _Parser:
    """One pass of expat over one envelope."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._open: list[_Open] = []
        self._found: list[Bir] = []
        self._field: str | None = None

    def parse(self, data: bytes) -> tuple[Bir, ...]:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.EntityDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, RecordRefused):
                raise
            # From None: the message of another fault may quote the file.
            raise RecordRefused("the envelope is no well-formed XML") from None
        if not self._found:
            raise RecordRefused("the envelope holds no block of data")
        return tuple(self._found)

    def _begin(self, name: str, _attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if not self._path and (space, local) != (NAMESPACE, "BIR"):
            raise RecordRefused("this is no CBEFF envelope: its root is no BIR of ISO/IEC 19785-3")
        if len(self._path) == MAX_DEPTH:
            raise RecordRefused(f"the envelope is nested deeper than {MAX_DEPTH} elements")
        self._path.append(local)
        if local == "BIR":
            self._open.append(_Open())
        self._field = self._name()
        if self._field is not None and self._field in self._open[-1].fields:
            raise RecordRefused(f"a block of the envelope states {local} twice")
        if self._field is not None:
            self._open[-1].fields[self._field] = []

    def _end(self, _name: str) -> None:
        local = self._path.pop()
        self._field = self._name()
        if local == "BIR":
            ended = self._open.pop()
            if "BDB" in ended.fields:
                if len(self._found) == MAX_BIRS:
                    raise RecordRefused(f"the envelope holds more than {MAX_BIRS} blocks")
                self._found.append(_made(ended))

    def _characters(self, text: str) -> None:
        if self._field is None:
            return
        here, name = self._open[-1], self._field
        here.sizes[name] = here.sizes.get(name, 0) + len(text)
        if name != "BDB" and here.sizes[name] > _TEXT_CHARACTERS:
            raise RecordRefused(f"a field of the envelope is longer than {_TEXT_CHARACTERS} characters")
        here.fields[name].append(text)

    def _name(self) -> str | None:
        for length in (3, 2):
            path = tuple(self._path[-length:])
            if path in _KEPT:
                return "Format" if path[1] == "Format" else path[-1]
        return None


def _made(ended: _Open) -> Bir:
    number = ended.text("Format")
    known = next((each for each in BdbFormat if each.value == number), None)
    score = ended.text("Score")
    try:
        data = base64.b64decode("".join(ended.text("BDB").split()), validate=True)
    except (binascii.Error, ValueError):
        raise RecordRefused("a block of the envelope is no base64") from None
    quality = int(score) if score.isascii() and score.isdigit() and int(score) <= 100 else None
    return Bir(known, data, ended.text("Subtype"), ended.text("Purpose"), ended.text("CreationDate"), quality)


def _refuse_doctype(*_declared: object) -> None:
    raise RecordRefused("the envelope declares a document type or entities: none are read")
