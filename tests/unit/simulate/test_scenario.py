"""Scenarios: what is read, and where what is wrong stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbd.model.problem import ConfigError
from lbd.simulate import scenario
from lbd.simulate.scenario import Event, Scenario

WHOLE = """
traffic: {peak_hour: 9, models: {gpt: 1, auto: 3}}
deployments:
  openai/gpt: {ttft_s: 0.6, tokens_per_s: 80, error_share: 0.01}
providers:
  openai: {slots: 4, requests_per_min: 600}
events:
  - {at_h: 9.5, for_min: 20, provider: openai, what: outage}
  - {at_h: 14, for_min: 60, provider: openai, what: brownout, slow: 3}
"""


def test_a_whole_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "day.yaml").write_text(WHOLE)
    told = scenario.read(tmp_path / "day.yaml")
    assert told.traffic.models == {"gpt": 1, "auto": 3}
    assert told.deployments["openai/gpt"].ttft_s == 0.6
    assert told.providers["openai"].slots == 4
    assert (told.events[0].begins_s, told.events[0].ends_s) == (34200, 35400)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: [{at_h: 1, for_min: 0, provider: a, what: outage}]", "events[0].for_min"),
        ("traffic: {streams: 1}", "day.yaml:1"),
        ("traffic: {stream: 2}", "traffic.stream"),
        ("events: [{at_h: 1, for_min: 1, provider: a, what: flood}]", "events[0].what"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "day.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        scenario.read(tmp_path / "day.yaml")
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"day\.yaml: cannot be read"):
        scenario.read(tmp_path / "day.yaml")


def test_flags_are_events() -> None:
    assert scenario.event("outage", "openai@9.5h+20m") == Event(at_h=9.5, for_min=20, provider="openai", what="outage")
    assert scenario.event("brownout", "a@1h+2mx7").slow == 7
    assert scenario.event("errors", "a@1h+2mx0.3").share == 0.3


@pytest.mark.parametrize("text", ["openai", "openai@9h", "openai@9h+0m", "a@1h+2mx3"])
def test_flags_that_make_no_event_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be like|Expected"):
        scenario.event("errors", text)


def test_what_the_configuration_does_not_have_is_named() -> None:
    told = Scenario(events=(scenario.event("outage", "gone@1h+1m"),), deployments={"a/x": scenario.Speed()})
    with pytest.raises(ConfigError) as caught:
        scenario.check(told, {"a/m"}, {"a"}, set())
    assert "no provider 'gone': it has a" in str(caught.value) and "no deployment 'a/x'" in str(caught.value)
    scenario.check(Scenario(), (), (), ())
