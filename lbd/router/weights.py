"""The trained router as bytes: a versioned, checked, little-endian file, and what is read from it.

    magic 4 | version u16 | size of the head u32 | SHA-256 of all that follows, 32 bytes | head, JSON | arrays

The head names each array with its type and length, in order, and holds the scalars. Nothing in a file is executed;
one that is cut, changed or of another version is refused by ``WeightsError``.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from array import array
from typing import Any

import msgspec

from lbd.model.units import Ratio
from lbd.router.cues import NAMES
from lbd.router.text import SLOTS, Kind
from lbd.router.trees import Forest

MAGIC = b"LBDR"
VERSION = 2
LANES = 1 << 13
_HEAD = struct.Struct("<4sHI32s")
_TYPES = frozenset("bBHIf")


class WeightsError(ValueError):
    """The bytes are no weights that this version can use; the message says why and what to do."""


class Places(msgspec.Struct, frozen=True, gc=False):
    """Which family of the training prompts a prompt is like, and what is known of that family.

    ``points`` are unit vectors among the prompts; nearness to them, by ``outputs`` (a row a family, a column a point)
    and ``intercepts``, and the prompt's words, by ``lanes`` (for each of ``LANES`` hashes 16 bits a family as one
    integer, 128 + a signed byte each: sums need no unpacking), give each family a score. ``means`` has a row for the
    gain, one for the level, and one for each of ``models``, with a column a family. ``lengths``: of each family the
    usual log of a prompt's words, and its standard deviation. ``near``, ``far``: cosine to the nearest point from
    which on a prompt is held for seen, and for strange.
    """

    points: list[list[float]]
    outputs: list[list[float]]
    intercepts: list[float]
    lanes: list[int]
    scale: float
    means: list[list[float]]
    models: list[str]
    families: list[str]
    words: list[str]  # the coarse word of each family
    lengths: list[tuple[float, float]]
    near: float
    far: float


class Part(msgspec.Struct, frozen=True, gc=False):
    """What judges one kind of prompt. The three ``shares`` weigh forest, words and places; ``mean`` is their level.

    ``line``: (measure, gain a unit), added up from ``base`` and to the rest. ``slack``: (floor, predicted loss that may
    be taken at it), ascending by floor, from prompts of unseen families.
    """

    forest: Forest
    table: array[int]
    scale: float
    shares: tuple[float, float, float]
    mean: float
    slack: list[tuple[float, float]]
    line: list[tuple[int, float]]
    base: float


class Weights(msgspec.Struct, frozen=True, gc=False):
    """All that a Router holds. ``ranks`` are gains at equal steps of the share of usual prompts that lie below."""

    words: dict[int, int]  # hash -> its vector as one integer: ``dims`` times 16 bits, each 128 + a signed byte
    dims: int
    width: float  # of the kernel: exp(width * (cosine - 1))
    sharpness: float  # of the choice between families: exp(sharpness * score)
    places: dict[Kind, Places]
    parts: dict[Kind, Part]
    ranks: list[float]
    means: dict[str, float]  # model -> its mean quality where it was seen
    weak: list[str]  # the models that the gain is counted from
    strong: list[str]  # and to
    distrust: float  # how much of a prediction goes, at distance 1
    margin: float  # how much predicted loss grows with distance
    sure: Ratio  # likeness to the nearest family from which on the models' qualities there are believed
    easy: float  # gain up to which a cheaper model may answer where they are not
    bold: float  # how much of the slack may be used where they are: more than what unseen families bear
    spread: tuple[float, float]  # standard deviation of a predicted quality at distance 0, and what 1 adds
    sha256: str


def pack(head: dict[str, Any], arrays: dict[str, array[Any]]) -> bytes:
    """Return the bytes of a weight file."""
    listed = [[name, values.typecode, len(values)] for name, values in arrays.items()]
    text = json.dumps({**head, "arrays": listed}, sort_keys=True, separators=(",", ":")).encode()
    body = b"".join([text, *(_little(values).tobytes() for values in arrays.values())])
    return _HEAD.pack(MAGIC, VERSION, len(text), hashlib.sha256(body).digest()) + body


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, array[Any]], str]:
    """Return head, arrays and SHA-256 of a weight file. Raises WeightsError."""
    if len(data) < _HEAD.size or data[:4] != MAGIC:
        raise WeightsError("this is no file of router weights: make one with `lbd train`")
    _, version, size, digest = _HEAD.unpack_from(data)
    if version != VERSION:
        raise WeightsError(f"router weights of version {version}, this lbd reads {VERSION}: train again with it")
    body = data[_HEAD.size :]
    if hashlib.sha256(body).digest() != digest:
        raise WeightsError("the router weights are damaged (their SHA-256 differs): copy or train them again")
    try:
        head = json.loads(body[:size])
        arrays: dict[str, array[Any]] = {}
        at = size
        for name, code, length in head["arrays"]:
            if code not in _TYPES:
                raise WeightsError(f"array {name!r} has the unknown type {code!r}: train again with this lbd")
            values = array(code)
            end = at + values.itemsize * length
            values.frombytes(body[at:end])
            arrays[name] = _little(values)
            at = end
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        raise WeightsError(f"the router weights cannot be read ({e}): train again with this lbd") from e
    return head, arrays, digest.hex()


def load(data: bytes) -> Weights:
    """Return the weights in the bytes of a file. Raises WeightsError."""
    head, arrays, digest = unpack(data)
    try:
        if head["measures"] != list(NAMES) or head["slots"] != SLOTS:
            raise WeightsError("the router weights were made for other measures: train again with this lbd")
        return _weights(head, arrays, digest)
    except (KeyError, IndexError, TypeError, ValueError) as e:
        if isinstance(e, WeightsError):
            raise
        raise WeightsError(f"the router weights lack something ({e!r}): train again with this lbd") from e


def _weights(head: dict[str, Any], arrays: dict[str, array[Any]], digest: str) -> Weights:
    dims = int(head["dims"])
    keys = arrays["words"]
    vectors = arrays["vectors"].tobytes()
    if len(vectors) != dims * len(keys):
        raise WeightsError("the router weights hold another number of words than of vectors: train again")
    free, listed = _places("free", head, arrays), _places("listed", head, arrays)
    return Weights(
        words=dict(zip(keys, _integers(vectors, dims), strict=True)),
        dims=dims,
        width=head["width"],
        sharpness=head["sharpness"],
        places={Kind.OPEN: free, Kind.SUMS: free, Kind.LISTED: listed},
        parts={kind: _part(kind, head, arrays) for kind in Kind},
        ranks=list(head["ranks"]),
        means=dict(head["means"]),
        weak=list(head["weak"]),
        strong=list(head["strong"]),
        distrust=head["distrust"],
        margin=head["margin"],
        sure=float(head["sure"]),
        easy=float(head["easy"]),
        bold=float(head["bold"]),
        spread=(head["spread"][0], head["spread"][1]),
        sha256=digest,
    )


def _rows(values: array[Any], width: int) -> list[list[float]]:
    if len(values) % width:
        raise WeightsError("an array of the router weights is cut: train again with this lbd")
    return [list(values[i : i + width]) for i in range(0, len(values), width)]


def _integers(rows: bytes, width: int) -> list[int]:
    """Return rows of signed bytes as one integer each: 16 bits a byte, the first the lowest, 128 more than it was."""
    wide = bytearray(2 * len(rows))
    wide[::2] = rows.translate(_SHIFTED)
    size, number = 2 * width, int.from_bytes
    return [number(wide[at : at + size], "little") for at in range(0, len(wide), size)]


_SHIFTED = bytes([(byte + 128) % 256 for byte in range(256)])


def _places(name: str, head: dict[str, Any], arrays: dict[str, array[Any]]) -> Places:
    said = head["places"][name]
    families = said["families"]
    points = _rows(arrays[f"{name}.points"], int(head["dims"]))
    outputs = _rows(arrays[f"{name}.outputs"], len(points))
    means = _rows(arrays[f"{name}.means"], len(families))
    lanes = arrays[f"{name}.lanes"].tobytes()
    fits = len(outputs) == len(families) == len(said["intercepts"]) == len(said["words"]) == len(said["lengths"])
    if not (fits and len(means) == len(said["models"]) + 2 and len(lanes) == LANES * len(families)):
        raise WeightsError(f"the places {name!r} of the router weights do not fit together: train again")
    return Places(
        points, outputs, said["intercepts"], _integers(lanes, len(families)), said["scale"], means, said["models"],
        families, said["words"], [(mean, sd) for mean, sd in said["lengths"]], said["near"], said["far"],
    )  # fmt: skip


def _part(kind: Kind, head: dict[str, Any], arrays: dict[str, array[Any]]) -> Part:
    name = kind.name.lower()
    said = head["parts"][name]
    table = arrays[f"{name}.table"]
    if len(table) != SLOTS:
        raise WeightsError(f"the word table of {name!r} has {len(table)} slots, not {SLOTS}: train again")
    forest = Forest.of(
        arrays[f"{name}.features"], arrays[f"{name}.thresholds"], arrays[f"{name}.leaves"], arrays[f"{name}.blame"]
    )
    shares = said["shares"]
    slack = [(floor, loss) for floor, loss in said["slack"]]
    line = [(int(at), float(number)) for at, number in said["line"]]
    if any(not 0 <= at < len(NAMES) for at, _ in line):
        raise WeightsError(f"the line of {name!r} names a measure that does not exist: train again")
    by = (shares[0], shares[1], shares[2])
    return Part(forest, table, said["scale"], by, said["mean"], slack, line, said["base"])


def _little(values: array[Any]) -> array[Any]:
    """Return the array in the file's byte order, or the machine's: the same swap both ways."""
    if sys.byteorder == "little":
        return values
    swapped = array(values.typecode, values)
    swapped.byteswap()
    return swapped
