"""What the tests of hostile files share."""

from pathlib import Path

import pytest
from faults.hostile import NETWORK

from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.weights.release import save_model


@pytest.fixture
def canary(tmp_path) -> Path:
    """A file that nothing may make."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "something foreign ran"


@pytest.fixture
def model(tmp_path) -> Path:
    """The folder of a small sound model, laid out as a run."""
    run = tmp_path / "runs" / "srresnet" / "a"
    info = {"name": "srresnet", "method": "realsr_mod.methods.plain.module.PlainSR", "degradation": None}
    save_model(SRResNet(2, 4, 1), run / "model", NETWORK, info)
    summary = {"name": "srresnet", "steps": 1, "seconds": 1, "psnr_y": 1, "prerequisites": {}, "device": "cpu"}
    (run / "summary.json").write_text(str(summary).replace("'", '"'))
    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often trainings were killed, all of which ended as if they had not been."""
    passed = terminalreporter.stats.get("passed", [])
    kills = [value for report in passed for name, value in report.user_properties if name == "kills"]
    if kills:
        terminalreporter.write_line(f"{sum(kills)} kills of {len(kills)} trainings")
