"""The real server's dashboard beyond loopback: TLS, and nobody without a sign-in."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from aggregator.cli import main
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.dashboard_rig import PASSWORD, sign_in
from tests.kit.page_certificate import write_page_certificate


async def test_an_account_made_beside_the_server_signs_in_over_tls(tmp_path: Path) -> None:
    certificate, key = write_page_certificate(tmp_path)
    store = tmp_path / "store.db"
    options = (f"--dashboard-certificate={certificate}", f"--dashboard-key={key}")
    async with AggregatorProcess(store, *options) as server:
        assert server.dashboard_url.startswith("https://")
        context = ssl.create_default_context(cafile=str(certificate))
        async with httpx.AsyncClient(base_url=server.dashboard_url, verify=context) as browser:
            assert (await browser.get("/")).headers["location"] == "/sign-in?next=/"
            added = await asyncio.to_thread(
                CliRunner().invoke,
                main,
                ["accounts", "add", "amina", "--role=viewer", "--password-file=-", f"--store={store}"],
                input=PASSWORD,
            )
            assert added.exit_code == 0, added.output
            assert (await sign_in(browser)).status_code == 303
            assert "amina" in (await browser.get("/")).text
        with pytest.raises(httpx.HTTPError):  # in the clear
            await httpx.AsyncClient().get(server.dashboard_url.replace("https", "http"))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--dashboard=0.0.0.0:0"], "name them, or forward its port by SSH"),
        (["--dashboard-certificate=desk.pem"], "go together"),
        (["--dashboard-certificate=desk.pem", "--dashboard-key=other.pem"], "cannot be used"),
        (["--dashboard-certificate=desk.pem", "--dashboard-key=desk.key"], "names no host"),
        (["--openid=nowhere.toml"], "cannot read nowhere.toml"),
    ],
)
def test_a_dashboard_that_cannot_be_served_so_is_said_in_a_sentence(
    options: list[str], why: str, tmp_path: Path
) -> None:
    write_page_certificate(tmp_path, named=False)
    here = [each.replace("=desk", f"={tmp_path}/desk") for each in options]
    words = ["serve", f"--store={tmp_path / 's.db'}", "--insecure-loopback", *here]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code
    assert why in answer.output
