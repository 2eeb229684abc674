import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from photochanger.adapters.imaging.fifo import Fifo
from photochanger.adapters.imaging.results import Unreadable, WorkerStopped
from photochanger.adapters.imaging.workers import MEMORY_BYTES
from tests.support import pictures, worker_functions
from tests.support.imaging import prepared, running_imaging, wait_for_end

SERVER = """
import asyncio, sys
from pathlib import Path
from photochanger.adapters.imaging.imaging import Imaging
from tests.support import worker_functions

async def main():
    imaging = Imaging(workers=2, scratch=Path(sys.argv[1]) / "scratch")
    await imaging.start()
    await imaging.run(worker_functions.spin, sys.argv[2], seconds=60)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def report(tmp_path):
    """A named pipe in which `spin` says its process id."""
    path = tmp_path / "report"
    os.mkfifo(path)
    return path


async def test_a_function_that_never_ends_is_killed_after_its_time(imaging, report):
    work = asyncio.create_task(imaging.run(worker_functions.spin, str(report), seconds=0.3))
    pid = int(await asyncio.to_thread(report.read_text))
    with pytest.raises(WorkerStopped) as stopped:
        await work
    assert stopped.value.was_too_slow
    wait_for_end(pid)
    assert await imaging.run(abs, -1) == 1


async def test_cancelling_kills_the_worker(imaging, report):
    work = asyncio.create_task(imaging.run(worker_functions.spin, str(report), seconds=60))
    pid = int(await asyncio.to_thread(report.read_text))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.to_thread(wait_for_end, pid)
    assert await imaging.run(abs, -1) == 1


async def test_a_worker_gets_no_more_than_its_memory(imaging):
    assert await imaging.run(worker_functions.take_memory, MEMORY_BYTES // 4) == MEMORY_BYTES // 4
    with pytest.raises(WorkerStopped) as stopped:
        await imaging.run(worker_functions.take_memory, MEMORY_BYTES)
    assert not stopped.value.was_too_slow


async def test_a_crash_ends_one_call_only(imaging):
    with pytest.raises(WorkerStopped) as stopped:
        await imaging.run(worker_functions.crash)
    assert not stopped.value.was_too_slow
    assert (await prepared(imaging, pictures.jpeg())).width == 640


async def test_what_a_function_raises_comes_out(imaging):
    with pytest.raises(ValueError, match="not this one"):
        await imaging.run(worker_functions.refuse, "not this one")


async def test_an_error_of_libvips_reaches_the_server_as_ours(imaging):
    with pytest.raises(Unreadable):
        await imaging.run(worker_functions.fail_in_libvips)


async def test_a_worker_that_is_killed_while_idle_is_replaced(tmp_path):
    async with running_imaging(tmp_path) as imaging:
        pid = await imaging.run(worker_functions.process_id)
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(wait_for_end, pid)
        assert await imaging.run(worker_functions.process_id) != pid


async def test_a_worker_goes_on_when_a_supervisor_sends_sigterm_to_every_process(tmp_path):
    async with running_imaging(tmp_path) as imaging:
        pid = await imaging.run(worker_functions.process_id)
        os.kill(pid, signal.SIGTERM)
        assert await imaging.run(worker_functions.process_id) == pid


async def test_closing_ends_busy_workers_and_whoever_waits_for_them(tmp_path, report):
    async with running_imaging(tmp_path) as imaging:
        work = asyncio.create_task(imaging.run(worker_functions.spin, str(report), seconds=60))
        pid = int(await asyncio.to_thread(report.read_text))
    wait_for_end(pid)
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_only_pipes_that_a_killed_server_left_are_gone_after_the_start(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    os.mkfifo(scratch / "old.fifo")
    with Fifo(scratch) as used:
        async with running_imaging(tmp_path):
            assert list(scratch.iterdir()) == [used.path]


def test_workers_end_when_the_server_is_killed(tmp_path, report):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    server = subprocess.Popen([sys.executable, script, tmp_path, report], env=environment)
    try:
        busy = int(report.read_text())
        workers = [child.pid for child in psutil.Process(server.pid).children()]
        assert busy in workers
    finally:
        server.kill()
        server.wait()
    wait_for_end(*workers)


def test_the_server_never_loads_libvips():
    code = """
import sys
from photochanger.adapters.imaging.imaging import Imaging
from photochanger.adapters.providers.darkroom import Darkroom
from photochanger.adapters.providers.registry import Providers
assert not {"pyvips", "pillow_heif", "PIL"} & set(sys.modules), "a decoder is in the server's process"
"""
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
