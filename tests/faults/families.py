"""All faults, by family."""

from __future__ import annotations

from tests.faults import bedrock, clients, connection, content, gemini, heavy, outage, status, timing, transport
from tests.faults.drive import Scenario

FAMILIES: dict[str, list[Scenario]] = {
    module.__name__.rsplit(".", 1)[1]: module.SCENARIOS
    for module in (connection, timing, transport, content, status, outage, clients, gemini, bedrock, heavy)
}

# What the tests run of the youngest families; the benchmark runs all of them, and they take a minute.
TESTED: dict[str, frozenset[str]] = {
    "clients": frozenset(
        {
            "well_every_client",
            "reset_anywhere_new_and_old",
            "stall_in_the_middle_new_and_old",
            "no_finish_new_and_old",
            "responses_failed_middle_new",
            "some_close_anywhere_new_and_old",
            "some_truncated_json_new_and_old_retold",
            "close_anywhere_new_and_old_folded",
        }
    ),
    "gemini": frozenset(
        {
            "well_gemini",
            "refuse_gemini",
            "reset_anywhere_gemini",
            "exhausted_first_gemini",
            "internal_middle_gemini",
            "finish_malformed_function_call_middle_gemini",
            "some_close_anywhere_gemini",
        }
    ),
    "bedrock": frozenset(
        {
            "well_bedrock",
            "reset_anywhere_bedrock",
            "stall_in_the_middle_bedrock",
            "frame_cut_bedrock",
            "wrong_checksum_middle_bedrock",
            "throttlingException_first_bedrock",
            "modelStreamErrorException_middle_bedrock",
            "some_until_close_cut_bedrock",
        }
    ),
}

# What lbd does not do right yet, and why. The tests leave it out, the benchmark does not.
OPEN: dict[str, str] = {}
