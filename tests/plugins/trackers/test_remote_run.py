"""What a tracker keeps of a run in a remote store."""

from pathlib import Path

import pytest

from facesim import FacesimError
from facesim_plugins.trackers._remote_run import RemoteRun


def test_what_was_sent_is_known_again(tmp_path: Path) -> None:
    run = RemoteRun(tmp_path / "run.json")
    run.begin("id")
    assert RemoteRun(tmp_path / "new" / "run.json").id is None
    assert run.unsent({"loss": 1.0}, 0) == {"loss": 1.0}
    run.mark_sent({"lr": 7, "loss": 2})
    run.mark_sent({"loss": 3})
    again = RemoteRun(tmp_path / "run.json")
    assert again.id == "id"
    assert again.unsent({"loss": 1.0, "eer": 0.5, "lr": 0.1}, 3) == {"eer": 0.5}
    assert again.unsent({"loss": 1.0, "eer": 0.5, "lr": 0.1}, 4) == {"loss": 1.0, "eer": 0.5}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"null", b"[]", b"NaN", b"\xff", b"[" * 9999),
        *(b'{"id": 3}', b'{"last": [1]}', b'{"last": {"loss": "3"}}', b'{"last": {"loss": true}}'),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(FacesimError, match=r"run\.json: cannot be read: .*; delete it"):
        RemoteRun(tmp_path / "run.json")
