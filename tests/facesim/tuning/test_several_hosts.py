"""A study over hosts that have the data in different places; one of the hosts is lost."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from facesim.tuning.storage import LOST, PROCESS, REPEATS, RUN, SURPLUS
from tests import postgres
from tests.two_hosts import Host, Network, unavailable

SEARCH = """\
  trials: 2
  sampler: random
  pruner: none
  threads: 1
  space: {optimizer.lr: {float: [1e-3, 1e-1], log: true}}
"""
HOLD = """\
import os
import time
from pathlib import Path

from facesim import Tracker, trackers
from facesim.tuning import liveness

# Minutes of patience are for networks of many machines.
liveness.SECONDS_BETWEEN_BEATS, liveness.SECONDS_WITHOUT_BEAT = 0.5, 6.0


@trackers("hold")
class Hold(Tracker):
    \"\"\"Holds a run that has a checkpoint until the file `go` appears.\"\"\"

    def start(self, run_dir, name, experiment):
        self.checkpoint = run_dir / "checkpoints" / "last.pt"

    def log(self, values, step):
        while self.checkpoint.exists() and not Path(os.environ["GO"]).exists():
            time.sleep(0.05)

    def finish(self, status):
        pass
"""
TRIALS = """\
import json, sys
import optuna
study = optuna.load_study(study_name="tiny", storage=sys.argv[1])
print(json.dumps([[t.state.name, t.params, t.user_attrs] for t in study.get_trials()]))
"""
WAIT = 240.0


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if why := unavailable() or postgres.unavailable():
        pytest.skip(why)
    with Network(tmp_path) as network:
        yield network


def await_file(folder: Path, pattern: str, *commands: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WAIT
    while not any(folder.glob(pattern)):
        assert [each.poll() for each in commands] == [None] * len(commands)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_study_ends_complete_though_one_of_its_hosts_is_killed(
    network: Network,
    server: str,
    tmp_path: Path,
    write_search: Callable[..., Path],
    faces: Path,
) -> None:
    text = write_search(SEARCH).read_text()
    for old, new in (
        ("name: tiny", "name: tiny\nplugins: [./hold.py]\ntrackers: [hold]"),
        ("epochs: 3", "epochs: 2"),
        ("lint:", "evaluate: {baselines: false}\nlint:"),
    ):
        assert old in text
        text = text.replace(old, new)
    for split in ("train", "val", "test"):
        text = text.replace(f"{faces}/{split}", f'"${{FACES}}/{split}"')
    places = {"one": "/mnt/home/somebody", "two": "/mnt/scratch"}
    hosts = {}
    for name, place in places.items():
        (tmp_path / name / "faces").mkdir(parents=True)
        (tmp_path / name / "tiny.yaml").write_text(text)
        (tmp_path / name / "hold.py").write_text(HOLD)
        hosts[name] = network.join(name, {place: tmp_path / name})

    def begin(name: str) -> "subprocess.Popen[bytes]":
        place = places[name]
        words = ["optimize", "tiny.yaml", "--out", "studies", "--storage", server]
        own = {"GO": "go", "FACES": f"{place}/faces", "FACESIM_CACHE": "/mnt/cache"}
        with (tmp_path / f"{name}.txt").open("wb") as output:
            return hosts[name].run(
                [sys.executable, "-m", "facesim", *words],
                {**own, "FACESIM_STATE": "/mnt/state"},
                cwd=place,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    one, two = begin("one"), begin("two")
    for name in places:  # both are in the middle of a trial
        await_file(tmp_path / name, "studies/tiny/trials/*/tiny/*/checkpoints/last.pt", one, two)
    hosts["one"].kill()
    (tmp_path / "two" / "go").touch()
    assert two.wait(WAIT) == 0, (tmp_path / "two.txt").read_text()
    trials = trials_of(network.server, server)

    assert one.poll() == -9
    # Of two hosts that begin at once, both may queue the first trial; one of them gives it up.
    counted = [trial for trial in trials if trial[2].get(LOST) != SURPLUS]
    assert sorted(state for state, _, _ in counted) == ["COMPLETE", "COMPLETE", "FAIL"]
    (lost,) = [trial for trial in counted if trial[0] == "FAIL"]
    assert lost[2][PROCESS]["host"].startswith("one ")
    (again,) = [trial for trial in trials if trial[2].get(REPEATS) == trials.index(lost)]
    assert again[1] == lost[1]
    assert again[2][RUN].startswith("/mnt/scratch/studies/tiny/trials/")
    study = tmp_path / "two" / "studies" / "tiny"
    summary = json.loads((study / "summary.json").read_text())
    assert summary["seeds"] == [1, 2, 3]
    assert summary["trials_asked"] == summary["trials"]["complete"] == 2
    assert "root: /mnt/scratch/faces/test" in (study / "best.yaml").read_text()


LOCK = """\
import sys, time
from pathlib import Path
from sqlalchemy import text
from facesim.tuning import storage
storage._KEEPALIVE = (1, 1, 2)
with storage.open_storage(sys.argv[1], Path()).engine.connect() as connection:
    connection.execute(text(f"SET lock_timeout = '{sys.argv[2]}'"))
    connection.execute(text("LOCK TABLE studies"))
    print("locked", flush=True)
    if sys.argv[3:]:
        time.sleep(600)
        connection.execute(text("SELECT 1"))
"""


@pytest.fixture
def server(network: Network) -> Iterator[str]:
    with TemporaryDirectory(prefix="facesim-postgres-") as folder:
        yield postgres.Server(Path(folder), network.server).url()


def test_the_lock_of_a_host_that_has_lost_its_power_is_released(
    network: Network, server: str
) -> None:
    one, two = network.join("one"), network.join("two")
    command = [sys.executable, "-c", LOCK, server]
    holding = one.run([*command, "0", "hold"], stdout=subprocess.PIPE)
    assert holding.stdout is not None
    assert holding.stdout.readline() == b"locked\n"
    network.unplug(one)
    assert two.run([*command, "60s"]).wait(WAIT) == 0
    holding.kill()
    holding.communicate()


def test_a_worker_notices_a_server_that_has_lost_its_power(network: Network, server: str) -> None:
    one = network.join("one")
    working = one.run(
        [sys.executable, "-c", LOCK.replace("600", "3"), server, "0", "hold"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert working.stdout is not None
    assert working.stdout.readline() == b"locked\n"
    network.unplug(one)
    assert b"OperationalError" in working.communicate(timeout=60)[1]


def trials_of(host: Host, url: str) -> list[Any]:
    process = host.run([sys.executable, "-c", TRIALS, url], stdout=subprocess.PIPE)
    found: list[Any] = json.loads(process.communicate(timeout=WAIT)[0])
    return found
