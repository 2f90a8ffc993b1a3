//! What every [`TrackingStore`](rookery_tracking::TrackingStore) and every
//! [`ModelRegistry`](rookery_tracking::ModelRegistry) does. Each case runs against each store.

mod experiments;
mod limits;
mod lineage;
mod logged_models;
mod logging;
mod recovery;
mod registry;
mod registry_aliases;
mod registry_gates;
mod registry_journal;
mod registry_past;
mod registry_search;
mod registry_versions;
mod runs;
mod search;

/// What MLflow's protocol has no words for. `rest::ours` tests what else these cases say.
const NOT_OVER_REST: &[&str] = &[
    // It knows no owners and no leases: the client answers for its runs.
    "a_lease_that_is_renewed_keeps_runs_open",
    "an_adopted_run_belongs_to_its_new_owner",
    "an_owner_must_have_a_name",
    "runs_whose_owner_is_silent_are_failed_with_the_reason",
    "bad_runs_and_bad_pages_are_refused",
    // An infinity becomes the largest double.
    "a_history_goes_page_by_page",
    "every_double_comes_back",
    "metrics_of_a_batch_judge_a_model",
    "summaries_know_the_extremes",
    "the_latest_point_does_not_depend_on_the_order_of_arrival",
    // An error is a code and a text, without our types and hints.
    "a_deleted_experiment_takes_no_runs",
    "a_deleted_run_refuses_changes_until_it_is_restored",
    "a_name_is_taken_even_by_a_deleted_experiment",
    "a_param_never_changes_and_takes_its_batch_with_it",
    "tags_of_an_experiment_come_and_go",
    // An empty text is a missing one.
    "an_active_experiment_can_be_renamed",
    "an_id_that_is_not_there_is_named_in_the_error",
    "bad_models_are_refused",
    // A parent is a tag like any other, and a recorded model has mandatory fields.
    "a_nested_run_names_its_parent",
    "every_model_of_a_run_is_recorded",
    // What a query or a path names and is not there: MLflow finds nothing, or calls it wrong.
    "a_listing_filters_by_experiment_status_and_stage",
    "a_run_that_is_not_there_is_named_in_the_error",
    // A copy of a version must name the run and the model of what it copies, and the protocol has words of its own for
    // what breaks a rule.
    "a_version_knows_the_logged_model_behind_it",
    "a_search_that_makes_no_sense_is_refused",
    "some_aliases_cannot_be_had",
    "what_breaks_a_rule_leaves_nothing_behind",
];

/// Makes one test per store and case; a case that is not named here does not compile without a warning.
macro_rules! contract {
    ($($group:ident { $($case:ident),+ $(,)? })+) => {
        contract!(@store memory { $($group { $($case),+ })+ });
        contract!(@store sqlite { $($group { $($case),+ })+ });
        contract!(@store postgres { $($group { $($case),+ })+ });
        contract!(@store rest { $($group { $($case),+ })+ });
    };
    (@store $store:ident { $($group:ident { $($case:ident),+ })+ }) => {
        mod $store {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    use crate::contract::$group;
                    use crate::fixture::{Fixture, bounded};

                    if stringify!($store) == "rest" && crate::contract::NOT_OVER_REST.contains(&stringify!($case)) {
                        return;
                    }
                    bounded(async {
                        if let Some(fixture) = Fixture::$store().await {
                            $group::$case(fixture).await;
                        }
                    })
                    .await;
                })+
            })+
        }
    };
}

contract! {
    experiments {
        a_new_store_has_only_the_default_experiment,
        a_created_experiment_is_found_by_id_and_by_name,
        a_name_is_taken_even_by_a_deleted_experiment,
        callers_racing_for_one_name_get_one_experiment,
        get_or_create_refuses_a_deleted_experiment,
        a_listing_goes_page_by_page_newest_first,
        deleting_takes_the_runs_along_and_restoring_brings_them_back,
        an_id_that_is_not_there_is_named_in_the_error,
        bad_experiments_are_refused,
        an_active_experiment_can_be_renamed,
        tags_of_an_experiment_come_and_go,
    }
    runs {
        a_new_run_has_an_id_a_name_and_a_place,
        the_same_seed_gives_the_same_ids_and_names,
        a_given_name_is_kept_in_the_field_and_in_the_tag,
        a_name_and_a_tag_that_differ_are_refused,
        a_nested_run_names_its_parent,
        a_deleted_experiment_takes_no_runs,
        ending_a_run_keeps_everything_else,
        renaming_by_field_or_by_tag_is_the_same,
        a_listing_filters_by_experiment_status_and_stage,
        a_listing_goes_page_by_page_while_runs_arrive,
        a_deleted_run_refuses_changes_until_it_is_restored,
        a_run_that_is_not_there_is_named_in_the_error,
        bad_runs_and_bad_pages_are_refused,
    }
    logging {
        a_batch_shows_in_the_run,
        repeating_a_batch_changes_nothing,
        a_param_never_changes_and_takes_its_batch_with_it,
        every_double_comes_back,
        the_latest_point_does_not_depend_on_the_order_of_arrival,
        a_history_goes_page_by_page,
        writers_of_one_run_lose_nothing,
        a_tag_can_be_removed,
        summaries_know_the_extremes,
        every_model_of_a_run_is_recorded,
    }
    limits {
        a_bad_batch_leaves_nothing_behind,
        a_batch_has_limits,
        keys_follow_the_rules,
        refusals_are_in_the_words_of_mlflow,
        long_values_are_cut_not_refused,
        the_last_of_two_equal_tags_counts,
    }
    lineage {
        inputs_and_outputs_show_in_the_run,
        repeating_inputs_changes_nothing,
        inputs_have_limits,
    }
    logged_models {
        a_new_model_is_pending,
        a_model_changes_its_status_tags_and_params,
        a_deleted_model_is_not_there,
        bad_models_are_refused,
        metrics_of_a_batch_judge_a_model,
        models_are_found_by_everything_they_have,
    }
    search {
        filters_find_what_they_say,
        what_is_missing_satisfies_no_comparison,
        patterns_have_no_escapes,
        an_order_puts_nan_and_what_is_missing_last,
        every_order_is_the_same_at_every_page_size,
        few_and_many_runs_are_sorted_alike,
        tokens_belong_to_their_search,
        bad_searches_are_refused,
        experiments_are_searched_too,
    }
    recovery {
        runs_whose_owner_is_silent_are_failed_with_the_reason,
        a_lease_that_is_renewed_keeps_runs_open,
        an_adopted_run_belongs_to_its_new_owner,
        an_owner_must_have_a_name,
    }
    registry {
        a_new_model_is_found_by_its_name,
        what_is_not_there_is_said_in_mlflows_words,
        what_breaks_a_rule_leaves_nothing_behind,
    }
    registry_versions {
        a_version_number_is_never_used_twice,
        callers_racing_for_versions_get_all_numbers,
        a_version_knows_the_logged_model_behind_it,
        renaming_takes_everything_along,
        a_change_moves_the_times_that_mlflow_moves,
        a_tag_is_set_replaced_and_removed,
    }
    registry_aliases {
        an_alias_moves_from_version_to_version,
        a_deleted_version_takes_its_aliases_along,
        some_aliases_cannot_be_had,
        a_stage_archives_what_is_in_it_if_asked,
    }
    registry_gates {
        a_gate_compares_with_a_number,
        a_gate_compares_with_the_version_an_alias_has_now,
        a_gate_asks_the_logged_model_before_the_run,
        a_gate_is_kept_as_it_was_meant,
    }
    registry_search {
        models_are_found_by_name_and_tags,
        models_come_in_order_page_by_page,
        versions_are_found_by_what_they_are_made_of,
        versions_come_in_order_page_by_page,
        a_search_that_makes_no_sense_is_refused,
    }
    registry_journal {
        every_change_is_a_line_and_nothing_else_is,
        a_line_says_who_when_and_why,
        a_journal_follows_a_model_through_its_names,
    }
    registry_past {
        the_past_is_shown_as_it_was,
    }
}
