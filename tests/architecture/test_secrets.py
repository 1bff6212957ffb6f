"""Where the text of a secret is taken out; nobody compares it in a time that tells how much of it was right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [p for top in ("lbd", "probes") for p in sorted((ROOT / top).rglob("*.py"))]
# The places that may, each with its reason.
REVEALED = {
    "lbd/upstream/line.py": "the provider's key goes on the wire, and out of what comes back",
    "lbd/shapes/bedrock/sign.py": "signs",
    "lbd/observe/provenance.py": "signs",
    "lbd/config/compile.py": "client keys are kept as digests",
    "lbd/config/alerts.py": "looks whether a receiver's address is one",
    "lbd/config/traces.py": "looks at the collector's address and adds its path",
    "lbd/loops/exporting.py": "the collector's address and headers go on the wire, and out of what comes back",
    "lbd/loops/posting.py": "the receiver's address is where alerts go; it is taken out of what is told",
    "lbd/cli/scrub.py": "takes the texts out of what a person passes on",
    "lbd/ingress/admin.py": "compares the token",
    "lbd/ingress/session.py": "compares the token, and keeps a digest of it",
}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _reveals(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == "reveal" for n in ast.walk(node))


def _digests(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Name) and n.id in ("hashlib", "hmac") for n in ast.walk(node))


def _compares(tree: ast.Module) -> Iterator[ast.Compare]:
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.Compare))


def test_secrets_are_taken_out_in_few_places() -> None:
    """A new one has to say why."""
    found = {str(p.relative_to(ROOT)) for p in SOURCES if _reveals(_tree(p))}
    assert found - REVEALED.keys() == set()


def test_no_secret_is_compared_but_in_constant_time() -> None:
    """``==``, ``in`` and the like stop at the first difference: what is revealed goes into ``hmac.compare_digest``."""
    for path in SOURCES:
        tree = _tree(path)
        faults = [n.lineno for n in _compares(tree) if _reveals(n)]
        named = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and _reveals(node.value) and not _digests(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in _compares(tree):
            looks_up = isinstance(node.ops[0], ast.In | ast.NotIn)  # what is on its right is a table by names
            sides = [node.left, *([] if looks_up else node.comparators)]
            is_none = any(isinstance(s, ast.Constant) and s.value is None for s in sides)
            if not is_none and any(isinstance(s, ast.Name) and s.id in named for s in sides):
                faults.append(node.lineno)
        assert not faults, f"{path.relative_to(ROOT)}: lines {faults}"


def test_whoever_compares_what_was_sent_does_so_in_constant_time() -> None:
    """The admin token is the one secret that is compared as it is; client keys are found by their digest."""
    for name in ("lbd/ingress/admin.py", "lbd/model/secret.py"):
        assert "hmac.compare_digest(" in (ROOT / name).read_text(), name
    auth = (ROOT / "lbd/admit/auth.py").read_text()
    assert "hashlib.sha256(" in auth and not _reveals(ast.parse(auth))
