"""`photochanger vendors` as a process: what somebody without a key starts."""

import asyncio
import signal
import subprocess

import httpx
from dotenv import dotenv_values

from photochanger.config import load_config
from tests.support.ports import free_port
from tests.support.server import COMMAND, until


async def test_the_stand_ins_say_what_leads_to_them_answer_and_end(tmp_path):
    out, port = tmp_path / "said.env", free_port()
    with out.open("w") as said:
        process = subprocess.Popen(  # noqa: ASYNC220 – returns at once
            [COMMAND, "vendors", "--port", str(port)], cwd=tmp_path, stdout=said, stderr=said
        )
    try:
        async with httpx.AsyncClient() as client:

            async def answers():
                try:
                    return (await client.get(f"http://127.0.0.1:{port}/v1/models")).status_code == 401
                except httpx.ConnectError:
                    return False

            async def follows():
                return (
                    await client.put(f"http://127.0.0.1:{port}/control/gemini", json={"mix": [{"do": "dance"}]})
                ).text

            await until(answers, seconds=60)
            assert "dance" in await follows()
            assert (await client.get(f"http://127.0.0.1:{port}/log")).json()["calls"] == []
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    lines = {name: str(value) for name, value in dotenv_values(out).items()}
    config = load_config(lines, env_file=None)
    assert config.turbotext_base_url == f"http://127.0.0.1:{port}/api_ai"
    assert config.provider_allowed_hosts == ("127.0.0.1",)
    assert config.openai_api_key is not None
