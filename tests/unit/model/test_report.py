"""The dashboard's document: version 1 keeps every key that it ever had."""

from __future__ import annotations

import msgspec
import pytest

from lbd.model import report
from lbd.model.report import BreakerState, ProvidersOut, QuantilesOut, UptimeOut, WindowsOut
from lbd.model.table import AdminState, HealthState
from lbd.state.breaker import Phase

# Keys as they were first published, in the JSON. Keys are only ever added, so nothing may be taken from here.
VERSION_1 = {
    "ProvidersOut": "schema generation time data_age_ms status summary version tiers queue config probe_spend",
    "ProbeSpendOut": "today_usd budget_usd_per_day total_usd",
    "ConfigOut": "generation hash loaded_at last_error",
    "TierOut": "name slo deployments",
    "SloOut": "ttft_p95_s error_rate_max",
    "DeploymentOut": "id provider model upstream_model region shape base_url state state_since reason admin health "
    "breaker ttft_s time_per_output_token_s latency_s predicted errors uptime inflight limit server_load rps "
    "throughput_tps quota quota_left price quality weight probes probe_age_s history",
    "ReasonOut": "code text value limit",
    "AdminOut": "state weight by",
    "HealthOut": "failed_active_probe failed_passive failed_outlier locked stale draining rate_limited",
    "BreakerOut": "state cause opened_total retry_at half_open",
    "HalfOpenOut": "done need",
    "WindowsOut": "1m 5m 1h",
    "QuantilesOut": "p50 p95 p99 n window_s",
    "UptimeOut": "5m 30m 1d",
    "ErrorsOut": "ratio n by_kind timeout_ratio window_s",
    "PredictedOut": "up_to_tokens ttft_p95_s ttft_p99_s backed_by_samples standing",
    "QuotaOut": "what limit remaining resets_in_s",
    "LoadOut": "running waiting slots age_s",
    "CostOut": "input_usd_per_mtok output_usd_per_mtok cached_input_usd_per_mtok",
    "ProbeOut": "kind verdict age_s took_ms detail",
    "HistoryOut": "step_s ttft_p95_s error_ratio requests",
}


@pytest.mark.parametrize("name", VERSION_1)
def test_no_key_of_version_1_is_taken_away(name: str) -> None:
    """Scripts and dashboards read them by name."""
    keys = {f.encode_name for f in msgspec.structs.fields(getattr(report, name))}
    assert set(VERSION_1[name].split()) <= keys
    assert report.SCHEMA == "lbd/providers/v1"


def test_no_data_is_null_and_comes_with_its_number_of_samples() -> None:
    """Never 0, which would be a fine latency; windows are called by their width."""
    nothing = QuantilesOut(None, None, None, 0, 60.0)
    encoded = msgspec.json.decode(msgspec.json.encode(WindowsOut(nothing, nothing, nothing)))
    assert encoded["1m"] == {"p50": None, "p95": None, "p99": None, "n": 0, "window_s": 60.0}
    assert msgspec.json.encode(UptimeOut(None, 0.5, 1.0)) == b'{"5m":null,"30m":0.5,"1d":1.0}'


def test_every_word_for_a_state_is_listed_in_the_schema() -> None:
    """Whoever generates code from it gets the words; the breaker's are those of its machine."""
    definitions = msgspec.json.schema(ProvidersOut)["$defs"]

    def words(struct: str, key: str) -> set[str]:
        of = definitions[struct]["properties"][key]
        return set(definitions[of["$ref"].rpartition("/")[2]]["enum"] if "$ref" in of else of["enum"])

    assert words("DeploymentOut", "state") == set(HealthState)
    assert words("AdminOut", "state") == set(AdminState)
    assert words("BreakerOut", "state") == set(BreakerState) == set(Phase)
    assert words("ProbeOut", "verdict") == {"up", "down", "busy"}
    assert words("ProvidersOut", "status") == {"pass", "warn", "fail"}
