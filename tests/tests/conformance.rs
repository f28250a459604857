//! What IPVS does, one body per behaviour, each run on the embedded core here and on the
//! kernel by `kernel::conformance`: where both hold, they are the same to whoever relies on
//! that behaviour.

pub(crate) mod connections;
pub(crate) mod core;
pub(crate) mod daemons;
pub(crate) mod packets;
pub(crate) mod persistence;
pub(crate) mod schedulers;
pub(crate) mod servers;
pub(crate) mod services;
pub(crate) mod statistics;
pub(crate) mod subject;
pub(crate) mod thresholds;
pub(crate) mod trash;

use weir_embedded::Generation;

use self::{core::Core, subject::Subject};

/// One behaviour: panics where the subject has another.
pub(crate) type Body = fn(&mut dyn Subject);

/// Makes a test of every body, which calls `$run` with it.
macro_rules! test_every_body {
    ($run:path) => {
        $crate::conformance::tests! { $run;
            services {
                a_service_is_read_back_as_it_was_made
                any_protocol_address_and_port_will_do
                a_service_exists_once
                mark_zero_is_a_service_by_address
                schedulers_and_engines_are_known_by_their_exact_names
                an_ipv6_prefix_has_1_to_128_bits
                persistence_is_kept_in_32_bits_of_ticks
                what_is_not_there_cannot_be_changed
                an_edit_replaces_all_but_the_key
                timeouts_change_together_or_not_at_all
                it_tells_of_itself
            }
            servers {
                a_server_is_read_back_as_it_was_made
                a_server_is_there_once_in_a_service
                weights_have_31_bits
                a_lower_threshold_is_not_above_the_upper
                upper_thresholds_have_31_bits_on_newer_kernels
                gue_needs_a_port
                servers_have_local_or_unicast_addresses
                only_tunnels_cross_families
                an_edit_replaces_all_but_the_address
            }
            daemons {
                both_daemons_run_at_once_and_each_once
                daemons_report_what_they_really_use
                a_daemon_needs_an_interface_and_a_multicast_group
                daemons_and_mixed_families_exclude_each_other
            }
            connections {
                a_masqueraded_conversation_goes_through_the_states_of_tcp
                of_direct_routing_only_the_client_is_heard
                each_state_has_its_timeout
                an_idle_connection_expires
                udp_is_inactive_and_a_reply_keeps_it
                sctp_goes_through_its_own_states
                only_some_packets_begin_a_connection
                sloppiness_lets_almost_any_packet_begin_one
                port_0_needs_persistence
                a_server_at_port_0_has_the_port_of_the_packet
                a_mark_beats_an_address
                of_one_packet_nothing_is_kept
                a_syn_begins_a_closed_connection_anew
                without_reuse_a_closed_connection_goes_on
            }
            persistence {
                a_client_stays_with_its_server
                clients_of_one_network_go_together
                port_0_holds_all_ports_together
                a_mark_holds_all_that_bears_it_together
                weight_0_ends_persistence_only_if_so_set
                a_template_is_renewed_by_new_connections_alone
                a_template_outlives_its_connections_or_waits_for_them
                an_edit_leaves_templates_as_they_are
                each_packet_of_a_persistent_client_goes_to_its_server
                a_template_is_assured_by_an_established_connection
            }
            schedulers {
                rr_goes_round
                rr_skips_weight_0
                wrr_gives_shares_in_turn
                lc_takes_the_least_busy
                wlc_weighs_connections
                sed_looks_one_connection_ahead
                nq_lets_nobody_idle
                fo_takes_the_heaviest
                ovf_fills_the_heaviest_first
                lblc_keeps_an_address_where_it_is
                lblcr_lets_an_address_spread
                dh_goes_by_the_destination
                sh_goes_by_the_source
                mh_goes_by_the_source
                none_takes_nobody
                nobody_takes_anything_at_weight_0
                a_server_that_joins_stands_in_front
                rr_goes_back_a_step_when_the_last_choice_leaves
                an_edited_server_keeps_its_turn
                another_scheduler_begins_afresh
            }
            statistics {
                connections_packets_and_bytes_are_counted
                what_passes_by_is_not_counted
                zeroing_begins_at_the_last_sample
                rates_follow_a_burst_and_fade
                without_estimation_counters_stand_still
                a_server_comes_back_with_its_counters_to_the_same_service
            }
            thresholds {
                a_full_server_takes_no_more
                a_full_server_takes_new_ones_below_three_quarters
                a_full_server_takes_new_ones_below_its_lower_threshold
                an_edit_may_fill_a_server
                an_edit_may_make_room
                a_template_leads_to_a_full_server_too
            }
            trash {
                packets_to_a_deleted_server_disappear
                a_server_that_comes_back_has_its_connections
                a_server_comes_back_to_a_service_made_anew
                a_full_server_comes_back_full
                connections_can_end_with_their_server
                a_quiesced_server_keeps_its_connections
                a_template_of_a_deleted_server_leads_nowhere
            }
        }
    };
}

macro_rules! tests {
    ($run:path; $($area:ident { $($body:ident)* })*) => {
        $(mod $area {
            $(
                #[test]
                fn $body() {
                    $run($crate::conformance::$area::$body);
                }
            )*
        })*
    };
}

pub(crate) use {test_every_body, tests};

mod embedded {
    super::test_every_body!(crate::conformance::on_the_core);
}

/// Runs a body on the embedded core, once by the rules of each generation of kernels.
fn on_the_core(body: Body) {
    for generation in [Generation::Older, Generation::Newer] {
        body(&mut Core::new(generation));
    }
}
