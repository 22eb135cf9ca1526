//! What may go wrong around adit, each with what is done about it and the tests that do it. Those that need a cluster are
//! here; the others stand where what they try is.

use std::fs;
use std::path::{Path, PathBuf};

/// One fault.
struct Row {
    number: &'static str,
    /// What goes wrong.
    fault: &'static str,
    /// What holds all the same.
    holds: &'static str,
    proof: Proof,
}

enum Proof {
    /// These functions, or directories of `tests/translate`, try it.
    Tests(&'static [&'static str]),
    /// It cannot be tried here, and why.
    Not(&'static str),
}

use Proof::{Not, Tests};

const fn row(number: &'static str, fault: &'static str, holds: &'static str, proof: Proof) -> Row {
    Row { number, fault, holds, proof }
}

const WHATEVER: &str = "whatever_the_api_server_does_nothing_fails_and_what_changed_meanwhile_is_served_soon_after";
const BY_ITSELF: &str = "silent_connections_lost_rights_an_expired_token_and_another_authority_heal_by_themselves";
const START: &str = "a_start_without_an_api_server_waits_for_it_and_no_request_comes_too_early";
const REPLICAS: &str = "of_two_replicas_one_writes_whoever_is_stopped_or_killed_and_a_conflict_is_no_fight";
const ROLLS: &str = "nothing_of_any_protocol_fails_while_the_backend_and_adit_roll_scale_and_are_evicted";
const RESTORED: &str = "a_service_or_a_slice_that_is_deleted_costs_its_own_host_alone_until_it_is_back";

const ROWS: &[Row] = &[
    row(
        "F1",
        "the API server is down",
        "the last table serves, readiness stays, changes arrive when it is back",
        Tests(&[WHATEVER, "nothing_fails_while_the_api_server_is_dead_and_changes_arrive_when_it_is_back"]),
    ),
    row(
        "F2",
        "the API server hangs",
        "it is noticed within a minute",
        Tests(&[WHATEVER, "nothing_fails_while_the_api_server_hangs_and_changes_arrive_when_it_goes_on"]),
    ),
    row("F3", "connections to it are silently lost", "they are replaced within a minute", Tests(&[BY_ITSELF])),
    row("F4", "it ends connections again and again", "watches go on, nothing is listed anew", Tests(&[WHATEVER])),
    row("F5", "410, when a watch begins or in its middle", "one list, taken as a whole", Tests(&[WHATEVER])),
    row(
        "F6",
        "versions go back (a store restored from before)",
        "what there is now is served",
        Tests(&["a_store_that_is_put_back_to_what_it_was_is_followed_back_and_onwards"]),
    ),
    row(
        "F7",
        "lists that are partial, cut, empty, or no JSON",
        "only whole ones count; one that lacks half of what there was is warned of",
        Tests(&[WHATEVER, "an_empty_list_is_believed_and_warned_of_and_the_next_one_heals_it"]),
    ),
    row(
        "F8",
        "an object that cannot be decoded",
        "it is a problem, and harms itself alone",
        Tests(&["an_object_that_cannot_be_read_harms_itself_alone_and_is_a_problem_until_it_is_gone"]),
    ),
    row("F9", "429 with Retry-After, 500, 503", "honoured, and tried again soon", Tests(&[WHATEVER])),
    row(
        "F10",
        "rights are missing, or taken away and given back",
        "what was known stays; the log names the rule",
        Tests(&[BY_ITSELF, "the_role_of_the_classic_manifest_is_enough"]),
    ),
    row("F11", "the token expires", "the next one in its file is used", Tests(&[BY_ITSELF])),
    row("F12", "the cluster's authority is rotated", "the next one in its file is trusted", Tests(&[BY_ITSELF])),
    row(
        "F13",
        "etcd hangs or is slow",
        "the last table serves",
        Tests(&[WHATEVER, "nothing_fails_while_the_store_hangs"]),
    ),
    row(
        "F14",
        "the clock jumps by a day",
        "no request, watch or lead is lost",
        Tests(&["a_clock_that_jumps_by_a_day_fails_no_request_and_ends_no_watch_and_no_lead"]),
    ),
    row("F15", "a start while the API server is down", "it lives, is not ready, and waits", Tests(&[START])),
    row("F16", "readiness before all is known", "ready means served", Tests(&[START])),
    row("F17", "a kind is not there", "404 is tried again, what was known stays", Tests(&[WHATEVER])),
    row(
        "F18",
        "the leader is stopped, or killed",
        "one writes at a time, whoever it is",
        Tests(&[REPLICAS, "one_of_two_replicas_writes_statuses_and_the_other_takes_over"]),
    ),
    row("F19", "status writes conflict", "they are tried again, and not in a loop", Tests(&[REPLICAS])),
    row(
        "O1",
        "a bad Ingress",
        "it harms itself alone, in any order of events",
        Tests(&["every_case_comes_to_its_table_and_report", "any_order_and_any_batches_come_to_the_same"]),
    ),
    row(
        "O2",
        "objects that are huge or hostile",
        "bounded work, and a problem",
        Tests(&[
            "an_object_of_any_size_comes_to_no_more_than_is_read_of_one",
            "an_object_that_is_too_large_is_refused_whole_with_a_problem",
        ]),
    ),
    row(
        "O3",
        "two that claim the same",
        "the older one has it, in any order of events",
        Tests(&[
            "the_older_of_two_that_claim_the_same_wins_and_the_other_has_a_problem",
            "any_order_and_any_batches_come_to_the_same",
        ]),
    ),
    row(
        "O4",
        "names that come to the same when joined",
        "they are told apart",
        Tests(&["names_that_collide_are_told_apart"]),
    ),
    row(
        "O5",
        "a Secret that is bad, or gone",
        "the last good certificate is served",
        Tests(&[
            "a_certificate_rotates_without_a_broken_connection_and_a_bad_one_keeps_the_last_good_one",
            "a_secret_that_is_deleted_keeps_serving_and_its_next_version_replaces_it",
            "a_secret_that_is_missing_or_bad_harms_no_other_host",
        ]),
    ),
    row(
        "O6",
        "a Service that leads elsewhere",
        "refused without leave",
        Tests(&["an_external_name_is_refused_unless_allowed", "services_are_those_of_the_ingresss_own_namespace"]),
    ),
    row(
        "O7",
        "a class or default backend that is not there",
        "404, and a problem",
        Tests(&["a_class_of_ours_that_does_not_exist_is_a_problem_and_a_strangers_is_not"]),
    ),
    row(
        "O8",
        "an admission webhook that fails",
        "",
        Not("adit has none: nothing of it stands in the API server's way"),
    ),
    row(
        "S1",
        "a storm of changes",
        "they share tables, and each is served soon",
        Tests(&[
            "a_burst_is_published_far_less_often_than_it_has_events",
            "a_new_ingress_is_served_within_20_ms_at_the_99th_percentile_beside_1000_others",
        ]),
    ),
    row(
        "S2",
        "slices that overlap, lack ports, or go for a while",
        "merged; what is gone is refused, and back at once",
        Tests(&[
            "slices_are_merged_families_mixed_and_duplicates_dropped",
            "a_slice_port_without_number_or_with_another_name_is_skipped",
            RESTORED,
            "a_slice_that_is_deleted_costs_nothing_where_requests_wait_for_it",
        ]),
    ),
    row(
        "S3",
        "endpoints that terminate and still serve",
        "they serve when nothing else does",
        Tests(&["a_draining_endpoint_serves_only_when_nothing_else_does"]),
    ),
    row(
        "S4",
        "no endpoint is ready",
        "503 at once with Retry-After, or a wait where that was asked for",
        Tests(&[
            "by_default_no_request_waits_and_the_refusal_says_when_to_come_again",
            "requests_of_any_kind_wait_for_the_first_endpoint_and_lose_nothing",
        ]),
    ),
    row(
        "U1",
        "a pod's address is dead",
        "another is tried in time",
        Tests(&["an_endpoint_that_does_not_take_connections_is_504"]),
    ),
    row(
        "U2",
        "a pod refuses connections",
        "another is tried, whatever the method",
        Tests(&["an_endpoint_that_cannot_be_reached_costs_no_request"]),
    ),
    row(
        "U3",
        "a kept connection closes as it is used",
        "sent anew where that is safe, and never otherwise",
        Tests(&[
            "a_connection_that_its_endpoint_closed_meanwhile_costs_no_request",
            "a_get_whose_connection_dies_is_sent_once_more_and_a_post_never",
        ]),
    ),
    row("U4", "a backend rolls", "no request fails", Tests(&[ROLLS])),
    row(
        "U5",
        "a backend stalls, lies or breaks off",
        "the right refusal, and nothing leaks",
        Tests(&[
            "an_endpoint_that_does_not_answer_is_504",
            "what_is_no_answer_is_502",
            "a_client_that_leaves_cancels_its_request",
        ]),
    ),
    row(
        "U6",
        "a backend's HTTP/2 says GOAWAY or refuses streams",
        "sent again",
        Tests(&[
            "a_stream_that_a_backend_refuses_is_sent_again_whatever_its_method",
            "after_a_backends_goaway_requests_go_over_a_new_connection",
        ]),
    ),
    row(
        "U7",
        "an address comes back as another pod's",
        "no connection is kept over",
        Tests(&["an_endpoint_that_stays_keeps_its_state_and_one_that_comes_back_is_another"]),
    ),
    row(
        "C1",
        "SIGTERM under traffic",
        "not ready at once, no request lost",
        Tests(&[ROLLS, "while_leaving_it_is_not_ready_and_still_serves_each_connection_once"]),
    ),
    row("C2", "connections in the listen queue at the end", "they are served", Tests(&[ROLLS])),
    row(
        "C3",
        "SIGKILL, a panic",
        "another takes over; a dead worker ends the process",
        Tests(&[REPLICAS, "a_worker_that_ends_ends_the_program_with_a_message"]),
    ),
    row(
        "C4",
        "a second SIGTERM, SIGINT",
        "at once",
        Tests(&["a_second_sigterm_ends_it_at_once", "sigint_does_not_wait_for_load_balancers"]),
    ),
    row(
        "R1",
        "no file descriptors are left",
        "what is open is served, what is too much refused",
        Tests(&["connections_beyond_the_limit_are_refused_and_room_is_found_again"]),
    ),
    row(
        "R2",
        "no source ports are left",
        "connections that are there serve, the rest is told so at once",
        Tests(&["without_source_ports_requests_share_what_there_is_and_the_rest_is_told_so_at_once"]),
    ),
    row(
        "R3",
        "memory is short",
        "bounded by configuration; clients are turned away before the kernel ends the process, and served soon after",
        Tests(&[
            "a_client_that_does_not_read_holds_back_its_backend",
            "while_memory_is_short_those_who_ask_nothing_are_let_go_and_then_those_who_take_no_answer",
            "a_pod_whose_clients_take_all_its_memory_turns_them_away_and_is_never_killed",
        ]),
    ),
    row(
        "R4",
        "the CPU is short",
        "the admin's pages answer",
        Tests(&["our_own_pages_are_served_while_every_worker_has_more_than_it_can_do"]),
    ),
    row(
        "R5",
        "the disk of the logs is full, or nobody reads standard output",
        "lines are lost and counted, requests are not",
        Tests(&[
            "a_full_disk_costs_lines_of_the_log_and_no_request_and_heals_when_there_is_room",
            "an_output_that_nobody_reads_costs_lines_and_no_request_and_no_time_at_the_end",
        ]),
    ),
    row(
        "R6",
        "names cannot be resolved",
        "it costs the Services of that name alone, and what was known of it serves",
        Tests(&["a_name_server_that_fails_harms_its_names_alone_and_what_was_known_serves"]),
    ),
    row(
        "R7",
        "the kernel's queues are full",
        "whoever waits in one is served",
        Tests(&["a_listen_queue_that_overflows_makes_clients_wait_and_loses_none"]),
    ),
    row(
        "R8",
        "both families of addresses, and mapped ones",
        "one form of each",
        Tests(&["an_address_without_a_host_takes_both_families_and_unmaps_the_old_one"]),
    ),
    row(
        "R9",
        "hosts that nobody configured in metrics",
        "no label is a client's",
        Tests(&["every_family_on_the_page_is_in_the_catalog_with_its_labels"]),
    ),
    row("R10", "a cold start with very many objects", "", Not("a measurement: benches/huge")),
];

#[test]
fn each_fault_has_its_row_and_each_row_its_tests() {
    let counts = [("F", 19), ("O", 8), ("S", 4), ("U", 7), ("C", 4), ("R", 10)];
    let expected: Vec<_> =
        counts.iter().flat_map(|(letter, count)| (1..=*count).map(move |index| format!("{letter}{index}"))).collect();
    let numbers: Vec<_> = ROWS.iter().map(|row| row.number.to_owned()).collect();
    assert_eq!(numbers, expected);

    let mut sources = String::new();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for directory in ["src", "tests"] {
        read(&root.join(directory), &mut sources);
    }
    let mut none = 0;
    for Row { number, fault, holds, proof } in ROWS {
        match proof {
            Tests(tests) => {
                assert!(!tests.is_empty() && !holds.is_empty(), "{number}, {fault}");
                for test in *tests {
                    let is_there =
                        sources.contains(&format!("fn {test}(")) || root.join("tests/translate").join(test).is_dir();
                    assert!(is_there, "{number}, {fault}: there is no {test}");
                }
            }
            Not(why) => {
                assert!(!why.is_empty(), "{number}, {fault}");
                none += 1;
            }
        }
    }
    assert!(none <= 2, "{none} faults are not tried");
}

fn read(directory: &Path, sources: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).expect("a source file"));
        }
    }
}
