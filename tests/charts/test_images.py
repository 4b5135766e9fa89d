"""The root folders: what the Dockerfile's targets hold, made without a container engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from charts import images

DOCKERFILE = (images.ROOT / "Dockerfile").read_text()


def test_the_dockerfile_has_the_same_targets() -> None:
    """Prevents an image that the tests never see: each target by its extras and its servers."""
    for name, target in images.TARGETS.items():
        assert re.search(rf"^FROM base AS {name}$", DOCKERFILE, re.MULTILINE), name
        stage = DOCKERFILE.split(f"AS {name}-packages")[1].split("\nFROM ")[0]
        assert f'".[{",".join(target.extras)}]"' in stage
        asked = re.findall(r"packages\.install ([a-z0-9 -]+)", stage)
        assert [set(each.split()) for each in asked] == ([set(target.servers)] if target.servers else [])


def test_the_dockerfile_is_pinned_and_rootless() -> None:
    """Prevents another build tomorrow, and a process that is root."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"${BASE}", "build", "base"}
    assert "latest" not in DOCKERFILE
    assert f"USER {images.USER}:{images.USER}" in DOCKERFILE
    assert DOCKERFILE.count("pip install") == DOCKERFILE.count("--constraint constraints.txt")


def test_a_root_runs_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a root that leans on this machine: the interpreter, its library, the system's libraries."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(images, "UNUSED", (*images.UNUSED, "site-packages"))
    images._python(root)
    images._system(root)
    images._libraries(root)
    names = {path.name for path in root.rglob("*") if path.is_file()}
    assert {"libc.so.6", "ld-linux-x86-64.so.2", "libssl.so.3", "sh"} <= names
    assert (root / "usr/local/bin/python3").resolve().is_relative_to(root)
    assert not [
        path for path in root.rglob("*") if path.is_symlink() and not path.resolve().is_relative_to(root)
    ]
    assert "corpusworks:x:10001:" in (root / "etc/passwd").read_text()
