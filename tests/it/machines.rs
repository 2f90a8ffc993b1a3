//! A cluster of machines that share nothing but the wire: mutual TLS between them, the data on the driver's disk alone, and a
//! link that is cut. The model has the bits that it has on one machine.

use rookery_tests::{Network, TestCluster, say};

use crate::BINARY;
use crate::recovery::{IMPATIENT, MOMENTS, SMALL_PARTITIONS, UNHURRIED, check_at, jobs, reach, undisturbed};

const WORKERS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cut_in_any_phase_between_machines_that_share_nothing_changes_no_bit() {
    let network = match Network::new(WORKERS + 1) {
        Ok(network) => network,
        Err(why) => return say(&format!("SKIPPED, a cluster of several machines: {why}")),
    };
    let of_network = format!("https://{}", network.subnet());
    let jobs = jobs();
    let cluster = TestCluster::new(BINARY)
        .workers(WORKERS)
        .unhurried(UNHURRIED)
        .between(network)
        .hiding(jobs.folder())
        .driver_arguments(IMPATIENT)
        .start()
        .await;
    assert!(cluster.url().starts_with(&of_network), "{}", cluster.url());
    for worker in 0..WORKERS {
        let url = cluster.worker_url(worker).await;
        assert!(
            url.starts_with(&of_network),
            "{worker} is reached from outside: {url}"
        );
        let look = ["validate", jobs.csv.to_str().unwrap()];
        let look = cluster.run_beside_worker(worker, &look).await;
        assert_ne!(look.code, 0, "the data are not on this machine\n{look}");
    }

    for job in [&jobs.csv, &jobs.join] {
        let expected = undisturbed(job, SMALL_PARTITIONS).await;
        for (worker, moment) in (0..WORKERS).cycle().zip(MOMENTS) {
            let mut running = cluster.start_job(job, SMALL_PARTITIONS);
            reach(&mut running, moment).await;
            cluster.set_link(worker, false);
            let ended = running.end().await;
            cluster.set_link(worker, true);
            check_at(moment, ended, &expected, &job.display().to_string());
            cluster.wait_for_workers(WORKERS).await;
            // It was not there to be told when the job ended.
            cluster.wait_until_nothing_is_held().await;
        }
    }
}
