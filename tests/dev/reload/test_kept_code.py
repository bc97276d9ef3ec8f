"""The source of functions: the copy that was kept, or the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from durable_execution_sdk.dev.functions import kept_sources
from durable_execution_sdk.dev.functions.versions import versions_path
from durable_execution_sdk.dev.reload import kept_code
from durable_execution_sdk.dev.reload.kept_code import KeptCode, Source
from durable_execution_sdk.dev.reload.loaded_code import kept_path

pytestmark = pytest.mark.dev


def keep(store: Path, digest: str, file: Path, content: bytes) -> None:
    place = kept_path(store, digest)
    place.parent.mkdir(exist_ok=True)
    kept_sources.write(place, {str(file): content})


def test_the_copy_is_read_while_it_is_kept_and_the_file_after(tmp_path: Path) -> None:
    store, file = tmp_path / "x.db", tmp_path / "app.py"
    file.write_text("edited = 1\n")
    keep(store, "ab12", file, "ran = 'ü'\n".encode())
    code = KeptCode(store)
    assert code.read("ab12", str(file)) == Source(text="ran = 'ü'\n", is_kept=True)
    assert code.read("ab13", str(file)) == Source(text="edited = 1\n", is_kept=False)
    assert code.read(None, str(file)) == Source(text="edited = 1\n", is_kept=False)


def test_the_files_of_a_published_version_are_kept(tmp_path: Path) -> None:
    store = tmp_path / "x.db"
    file = versions_path(store) / "order" / "1" / "code" / "app.py"
    file.parent.mkdir(parents=True)
    file.write_text("a = 1\n")
    assert KeptCode(store).read(None, str(file)) == Source(text="a = 1\n", is_kept=True)


def test_other_files_and_large_ones_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, file = tmp_path / "x.db", tmp_path / "app.py"
    code = KeptCode(store)
    secret = tmp_path / "secret.json"
    kept_sources.write(secret, {str(file): b"from elsewhere"})
    kept_path(store, "x").parent.mkdir()
    for digest in ("../secret", "../../secret", str(tmp_path / "secret"), "A", "", "a\0"):
        assert code.read(digest, str(file)) is None
    for other in (secret, tmp_path, tmp_path / "gone.py"):
        assert code.read(None, str(other)) is None
    (tmp_path / "folder.py").mkdir()
    assert code.read(None, str(tmp_path / "folder.py")) is None
    assert code.read(None, "a\0.py") is None
    monkeypatch.setattr(kept_code, "MOST_SOURCE_BYTES", 10)
    file.write_text("x = 1\n")
    assert code.read(None, str(file)) is not None
    file.write_text("x = 100000\n")
    keep(store, "ab", file, b"y = 100000\n")
    assert code.read(None, str(file)) is None
    assert code.read("ab", str(file)) is None
