//! What every [`TrackingStore`](rookery_tracking::TrackingStore) does. Each case runs against each store.

mod experiments;
mod limits;
mod logging;
mod recovery;
mod runs;

/// Makes one test per store and case; a case that is not named here does not compile without a warning.
macro_rules! contract {
    ($($group:ident { $($case:ident),+ $(,)? })+) => {
        contract!(@store memory { $($group { $($case),+ })+ });
        contract!(@store sqlite { $($group { $($case),+ })+ });
    };
    (@store $store:ident { $($group:ident { $($case:ident),+ })+ }) => {
        mod $store {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    use crate::contract::$group;
                    use crate::fixture::{Fixture, bounded};

                    bounded(async { $group::$case(Fixture::$store().await).await }).await;
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
    }
    limits {
        a_bad_batch_leaves_nothing_behind,
        a_batch_has_limits,
        keys_follow_the_rules,
        long_values_are_cut_not_refused,
        the_last_of_two_equal_tags_counts,
    }
    recovery {
        runs_of_a_dead_owner_are_failed_with_the_reason,
        runs_of_everyone_not_alive_are_failed,
        an_adopted_run_belongs_to_its_new_owner,
        a_reason_must_be_given,
    }
}
