"""A file is replaced as a whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.file_replacement import replace_file


def test_a_file_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    replace_file(file, b"new", mode=0o600)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", [".", "folder", "missing/a"])
def test_what_cannot_be_replaced_is_an_operating_systems_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"\[Errno"):
        replace_file(Path(name), b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]
