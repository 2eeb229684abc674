"""Which test holds which entry of the catalogue of bad inputs: here, elsewhere, or none yet."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CATALOGUE = TESTS.parents[1] / "shared/design/bad_inputs.json"
DUPLICATES = "ingest/test_ingest_duplicates.py"
CONTRACT = "providers/test_cloud_contract.py"
MISBEHAVIOUR = f"{CONTRACT}::test_every_misbehaviour_ends_in_its_outcome"
HELD = {
    "M010": "process/test_wire.py::test_a_sender_that_resets_in_the_middle_leaves_nothing",
    "M011": "process/test_wire.py::test_the_end_of_an_upload_may_come_in_its_own_segment",
    "M012": "process/test_wire.py::test_an_upload_in_segments_of_one_byte_is_taken_and_keeps_its_connection",
    "M040": "process/test_wire.py::test_what_the_head_tells_is_refused_before_the_body_is_asked_for",
    "M044": "web/test_body.py::test_a_sender_that_drips_is_let_go_though_it_never_falls_silent",
    "M052": f"{DUPLICATES}::test_the_same_bytes_get_the_earlier_result",
    "H020": "process/test_wire.py::test_what_the_head_tells_is_refused_before_the_body_is_asked_for",
    "A007": "adapters/test_passwords.py::test_a_right_password_is_hashed_once",
    "A008": "process/test_commands.py::test_a_slots_new_password_counts_at_once_and_the_old_no_more",
    "A028": "accounts/test_tokens.py::test_a_new_password_and_disabling_kill_every_token",
    "A033": "architecture/test_closed_routes.py::test_a_stranger_gets_into_nothing_that_is_not_public",
    "P003": "jobs/test_jobs_api.py::test_a_job_past_its_time_is_there_for_administrators_alone",
    "P006": "media/test_expiry.py::test_many_reads_of_an_expired_photo_delete_each_object_once",
    "P014": "architecture/test_closed_routes.py::test_a_method_a_route_has_not_is_405_with_those_it_has",
    "P017": "media/test_redirect.py::test_no_link_and_no_cache_outlives_the_photo",
    "P018": "storage/test_conformance.py::test_a_presigned_link_gives_one_object_only",
    "J023": "adapters/test_webhook.py::test_a_name_is_asked_for_once_and_leads_where_it_was_checked",
    "J024": "alerts/test_alerts.py::test_what_is_not_taken_is_sent_again_in_its_order_after_growing_pauses",
    "K004": f"{DUPLICATES}::test_fifty_identical_requests_at_once_make_one_job",
    "K008": f"{DUPLICATES}::test_a_key_whose_job_failed_may_come_again",
    "K012": f"{DUPLICATES}::test_after_the_slot_changed_the_same_bytes_are_a_new_photo",
    "K014": f"{DUPLICATES}::test_after_its_expiry_the_same_bytes_are_a_new_photo",
    "K015": "process/test_kill.py::test_kills_under_load_lose_nothing_acknowledged_and_leave_nothing_half_done",
    "K016": f"{DUPLICATES}::test_a_key_lives_a_day",
    "R009": "media/test_expiry.py::test_a_photo_is_there_until_its_second_and_gone_in_it",
    "V002": MISBEHAVIOUR,
    "V003": "ingest/test_ingest_failures.py::test_a_busy_providers_own_wait_is_passed_on",
    "V004": "adapters/test_breaker.py::test_half_of_twenty_calls_open_it",
    "V006": MISBEHAVIOUR,
    "V007": f"{CONTRACT}::test_memory_stays_bounded_whatever_comes",
    "V008": f"{CONTRACT}::test_memory_stays_bounded_whatever_comes",
    "V010": MISBEHAVIOUR,
    "V011": "providers/test_reach.py::test_every_redirect_of_a_result_is_checked_like_its_first_address",
    "V012": "providers/test_reach.py::test_only_a_certificate_of_that_name_and_of_today_is_believed",
    "V014": MISBEHAVIOUR,
    "V015": "providers/test_reach.py::test_a_name_that_does_not_resolve_is_unreachable",
}
LATER = {
    6: (
        *("H030", "A031", "A035", "A037", "A038", "Q010"),
        *("X001", "X002", "X003", "X005", "X006", "X007", "X009", "X010", "X011"),
    ),
}
"""Issues that bring what the input is sent to: pages, cookies, forms."""
_ID = re.compile(r"[A-Z]\d{3}(?=-|$)")
_IN_NAME = re.compile(r"_([a-z]\d{3})(?=_)")


def ids_of(module: Path) -> Iterator[str]:
    """What cases and test functions are called."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (found := _ID.match(node.value)):
            yield found[0]
        elif isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from (name.upper() for name in _IN_NAME.findall(node.name))


def here() -> set[str]:
    modules = [module for module in Path(__file__).parent.glob("test_*.py") if module != Path(__file__)]
    return {name for module in modules for name in ids_of(module)}


@pytest.mark.parametrize("name", HELD)
def test_what_is_said_to_be_held_elsewhere_is(name):
    path, _, function = HELD[name].partition("::")
    assert f"def {function}(" in (TESTS / path).read_text(encoding="utf-8")


def test_every_entry_has_one_place():
    later = [name for names in LATER.values() for name in names]
    assert len(here()) > 100
    assert not here() & {*HELD, *later}
    assert not HELD.keys() & set(later)


@pytest.mark.skipif(not CATALOGUE.is_file(), reason="the catalogue lies outside the repository")
def test_no_entry_of_the_catalogue_is_forgotten():
    entries = {entry["id"] for entry in json.loads(CATALOGUE.read_text(encoding="utf-8"))}
    assert entries == here() | HELD.keys() | {name for names in LATER.values() for name in names}
