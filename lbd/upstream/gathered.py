"""A body that is read to its end before anything is made of it: a unary answer, or an error."""

from __future__ import annotations


class Gathered:
    """``began``: more came than the blanks with which some servers keep a connection alive."""

    __slots__ = ("_pieces", "began", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0
        self.began = False

    def add(self, piece: bytes) -> bool:
        """Take a piece; tell whether the body begins with it."""
        self._pieces.append(piece)
        self.size += len(piece)
        if self.began or not piece.strip():
            return False
        self.began = True
        return True

    def whole(self) -> bytes:
        """Return what has come so far."""
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
