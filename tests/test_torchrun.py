"""Runs on several processes that torch's launchers start: on this machine, and over two hosts."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from facesim.experiment.loading import load_experiment
from facesim.runs.run import Run
from tests.campaigns.tiny_experiments import write_experiment
from tests.two_hosts import Network, unavailable

WAIT = 300.0
"""Seconds in which processes are started and import torch, however busy the machine is."""

PLUGIN = """\
import os
import signal
import time
from pathlib import Path

from facesim import Tracker, losses, trackers
from facesim_plugins.losses.contrastive import Contrastive


@trackers("slow")
class Slow(Tracker):
    \"\"\"Slow steps, once there is a checkpoint, until the file `go` appears.\"\"\"

    def start(self, run_dir, name, experiment):
        pass

    def log(self, values, step):
        if step > 2 and "SLOW" in os.environ and not Path(os.environ["SLOW"], "go").exists():
            Path(os.environ["SLOW"], "slow").touch()
            time.sleep(0.5)

    def finish(self, status):
        pass


if os.environ.get("RANK") == os.environ.get("EARLY", "none"):  # before there is a run
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)


@losses("failing")
class Failing(Contrastive):
    \"\"\"Fails in one process, after a checkpoint.\"\"\"

    steps = 0

    def forward(self, embeddings, batch):
        self.steps += self.training
        if self.steps == 4 and os.environ.get("RANK") == os.environ.get("FAIL", "none"):
            raise OSError(5, "Input/output error")
        return super().forward(embeddings, batch)
"""


def write(folder: Path) -> Path:
    """An experiment whose data are where ``FACES`` says, and its plugin beside it."""
    folder.mkdir()
    path = write_experiment(folder, "cached", 0)
    experiment = yaml.safe_load(path.read_text())
    for split in ("train", "val", "test"):
        experiment["data"][split]["root"] = f"${{FACES}}/{split}"
    experiment["train"].update(epochs=20, log_every=1)
    experiment.update(plugins=["./plugin.py"], trackers=["slow"], loss="failing")
    (folder / "plugin.py").write_text(PLUGIN)
    path.write_text(yaml.safe_dump(experiment))
    return path


def digests(runs: Path) -> dict[str, str]:
    """SHA-256 of what a run has come to; there is one in the folder."""
    (run,) = runs.glob("*/*")
    return digests_of(run)


def digests_of(run: Path) -> dict[str, str]:
    """SHA-256 of what a run has come to."""
    return {
        name: hashlib.sha256((run / name).read_bytes()).hexdigest()
        for name in ("checkpoints/best.pt", "checkpoints/last.pt", "eval/test/metrics.json")
    }


def complete(file: Path, runs: Path) -> dict[str, str]:
    """Begin or resume a run on this process alone; returns its digests."""
    experiment = load_experiment(file, ["train.shards=2"])
    (Run.latest_unfinished(experiment, runs) or Run.begin(experiment, runs)).complete()
    return digests(runs)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("torchrun")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACES", str(folder / "faces"))
        patch.setenv("FACESIM_CACHE", str(folder / "cache"))
        yield write(folder / "experiment")


@pytest.fixture(scope="module")
def expected(file: Path) -> dict[str, str]:
    """Of one process that nothing disturbs."""
    return complete(file, file.parent.parent / "alone")


class Command:
    """A command in a session of its own, as a terminal starts it, that can be looked for."""

    def __init__(self, folder: Path, *words: str, **variables: str) -> None:
        self.folder = folder
        self.began = time.monotonic()
        environment = {**os.environ, "SLOW": str(folder), "OMP_NUM_THREADS": "1", **variables}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def ranks(self) -> dict[str, int]:
        """The numbers of the living processes that it has started, by rank."""
        found = {}
        for pid, variables in living().items():
            if variables.get("SLOW") == str(self.folder) and "RANK" in variables:
                found[variables["RANK"]] = pid
        return found

    def await_slowness(self) -> None:
        """Wait until the run is in the middle of its training."""
        deadline = time.monotonic() + WAIT
        while not (self.folder / "slow").exists():
            assert self._process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def ended(self) -> int:
        """Wait for its end; returns its exit code."""
        return self._process.wait(WAIT)

    def await_message(self, text: str) -> float:
        """Wait until it has printed this to standard error; returns after how many seconds."""
        began = time.monotonic()
        while text not in (self.folder / "err").read_text():
            assert time.monotonic() < began + WAIT, self.said
            time.sleep(0.05)
        return time.monotonic() - began

    @property
    def said(self) -> str:
        return (self.folder / "out").read_text() + (self.folder / "err").read_text()

    def kill(self) -> None:
        for pid in (self.pid, *self.ranks.values()):
            if pid in living():
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def living() -> dict[int, dict[str, str]]:
    """The variables of all processes, by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            content = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:  # it has just ended, or is another user's
            continue
        lines = [line.partition("=") for line in content.split("\0")]
        found[int(folder.name)] = {name: value for name, _, value in lines}
    return found


def await_none(command: Command) -> None:
    """Wait until nothing that a command has started is left running."""
    deadline = time.monotonic() + WAIT
    while command.ranks:
        assert time.monotonic() < deadline, command.said
        time.sleep(0.1)


@pytest.fixture
def start(file: Path, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts ``facesim run`` of the experiment in the test's folder, by what is given."""
    started = []

    def begin(*words: str, processes: bool = True, **variables: str) -> Command:
        run = ["facesim", "run", str(file), *words, *(["--processes=2"] * processes)]
        if not processes:
            each = ["torch.distributed.run", "--nproc-per-node=2", "--max-restarts=1", "-m"]
            run = [*each, *run]
        command = Command(tmp_path, *run, **variables)
        started.append(command)
        return command

    yield begin
    for command in started:
        command.kill()


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("train.epochs=many", "train.epochs: must be a whole number"),
        ("train.shards=3", "write a multiple of 2: --set train.shards=4"),
    ],
)
def test_a_mistake_is_told_once_before_anything_is_written(
    start: Callable[..., Command], tmp_path: Path, mistake: str, told: str
) -> None:
    command = start("--set", mistake)
    assert command.ended() == 2
    assert command.said.count(told) == 1
    assert len(command.said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes_after_a_checkpoint(
    start: Callable[..., Command],
    file: Path,
    tmp_path: Path,
    expected: dict[str, str],
    number: signal.Signals,
) -> None:
    command = start("--set=train.shards=2")
    command.await_slowness()
    if number == signal.SIGINT:  # as by Ctrl-C
        os.killpg(command.pid, number)
    else:
        os.kill(command.pid, number)
    assert command.ended() == 128 + number
    await_none(command)
    assert command.said.count(f"stopped by {number.name}; resume with:") == 1
    assert "--set=train.shards=2 --processes=2 --out=runs --resume=auto" in command.said
    assert (tmp_path / "err").read_text() == ""
    assert complete(file, tmp_path / "runs") == expected


def _kill(command: Command) -> None:
    os.kill(command.ranks["1"], signal.SIGKILL)


def _kill_main(command: Command) -> None:
    os.kill(command.ranks["0"], signal.SIGKILL)


def _stop(command: Command) -> None:
    os.kill(command.ranks["1"], signal.SIGSTOP)


def _kill_launcher(command: Command) -> None:
    os.kill(command.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_kill, "process 1 of 2 on {host}: was killed, or its machine"),
        (_kill_main, "process 0 of 2 on {host}: was killed, or its machine"),
        (_stop, "process 1 of 2 on {host}: has not answered for 20 seconds"),
        (_kill_launcher, "process 0 of 2 on {host}: is gone, or its machine, or what launched it"),
    ],
)
def test_a_process_that_is_killed_or_stopped_ends_the_others_with_one_message(
    start: Callable[..., Command],
    file: Path,
    tmp_path: Path,
    expected: dict[str, str],
    harm: Callable[[Command], None],
    told: str,
) -> None:
    command = start("--set=train.shards=2")
    command.await_slowness()
    harm(command)
    told = told.format(host=os.uname().nodename)
    assert command.await_message(told) < 30
    assert command.ended() == (-9 if harm is _kill_launcher else 2)
    await_none(command)
    (line,) = (tmp_path / "err").read_text().splitlines()
    assert line.startswith(told)
    assert complete(file, tmp_path / "runs") == expected


def test_an_error_of_one_process_is_told_once_with_its_host(
    start: Callable[..., Command], file: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    command = start("--set=train.shards=2", FAIL="1")
    assert command.ended() == 2
    await_none(command)
    (line,) = (tmp_path / "err").read_text().splitlines()
    assert line.startswith(f"process 1 of 2 on {os.uname().nodename}: Input/output error")
    assert complete(file, tmp_path / "runs") == expected


def test_torchrun_starts_a_run_again_that_goes_on(
    start: Callable[..., Command], tmp_path: Path, expected: dict[str, str]
) -> None:
    command = start("--set=train.shards=2", processes=False)
    command.await_slowness()
    _kill(command)
    (tmp_path / "go").touch()
    assert command.ended() == 0
    assert "resuming at epoch" in command.said
    assert digests(tmp_path / "runs") == expected


def test_torchrun_starts_again_what_it_has_begun_and_no_run_of_before(
    start: Callable[..., Command], file: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    stopped = start("--set=train.shards=2", processes=False)
    stopped.await_slowness()
    os.kill(stopped.pid, signal.SIGTERM)
    stopped.ended()
    await_none(stopped)
    again = f"torchrun ... -m facesim run {file} --set=train.shards=2 --out=runs --resume=auto"
    assert stopped.said.count(again) == 1
    (before,) = (tmp_path / "runs").glob("*/*")
    left = {path: path.read_bytes() for path in before.rglob("*") if path.is_file()}
    (tmp_path / "go").touch()
    command = start("--set=train.shards=2", processes=False, EARLY="1")
    assert command.ended() == 0, command.said
    assert "resuming at epoch" not in command.said
    (begun,) = set((tmp_path / "runs").glob("*/[!.]*")) - {before}
    assert digests_of(begun) == expected
    assert {path: path.read_bytes() for path in before.rglob("*") if path.is_file()} == left


def test_torchrun_over_two_hosts_goes_on_after_one_of_them_has_lost_its_process(
    file: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    if why := unavailable():
        pytest.skip(why)
    places = {"one": "/mnt/home/somebody", "two": "/mnt/scratch"}
    for name in places:
        folder = tmp_path / name
        folder.mkdir()
        for each in (file, file.parent / "plugin.py"):
            (folder / each.name).write_bytes(each.read_bytes())
    with Network(tmp_path) as network:
        hosts = {
            name: network.join(name, {place: tmp_path / name}) for name, place in places.items()
        }
        words = ["--nnodes=2", "--nproc-per-node=1", "--max-restarts=1", "--rdzv-backend=c10d"]
        words += [f"--rdzv-endpoint={hosts['one'].address}:29400", "-m", "facesim", "run"]
        words += [file.name, "--set=train.shards=2"]

        def begin(name: str) -> "subprocess.Popen[Any]":
            own = {"FACES": f"{places[name]}/faces", "FACESIM_CACHE": "/mnt/cache", "SLOW": "."}
            with (tmp_path / f"{name}.txt").open("wb") as output:
                return hosts[name].run(
                    [sys.executable, "-m", "torch.distributed.run", *words],
                    {**own, "FACESIM_STATE": "/mnt/state", "OMP_NUM_THREADS": "1"},
                    cwd=places[name],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )

        def said() -> str:
            return "".join((tmp_path / f"{name}.txt").read_text() for name in places)

        commands = [begin(name) for name in places]
        deadline = time.monotonic() + WAIT
        while not any((tmp_path / name / "slow").exists() for name in places):
            assert [each.poll() for each in commands] == [None, None], said()
            assert time.monotonic() < deadline, said()
            time.sleep(0.05)
        (follower,) = [
            (name, pid)
            for name in places
            for pid in hosts[name].processes
            if living().get(pid, {}).get("RANK") == "1"
        ]
        os.kill(follower[1], signal.SIGKILL)
        for name in places:
            (tmp_path / name / "go").touch()
        assert [each.wait(WAIT) for each in commands] == [0, 0], said()
        assert "resuming at epoch" in said()
        main = "two" if follower[0] == "one" else "one"
        assert digests(tmp_path / main / "runs") == expected
        assert not (tmp_path / follower[0] / "runs").exists()
