//! [`TestCluster`]: a driver and its workers, each a process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rookery_proto::v1::job_service_client::JobServiceClient;
use rookery_proto::v1::trainer_service_client::TrainerServiceClient;
use rookery_proto::v1::{GetClusterRequest, ListPartitionsRequest, Worker, WorkerState};
use rookery_proto::{Failure, SendToken, Token};
use tokio::process::{Child, Command};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::lateness::Lateness;
use crate::network::Network;
use crate::process::{Output, Rookery};
use crate::running_job::RunningJob;
use crate::tls::{self, Member};
use crate::{DEADLINE, POLL};

/// Lets a worker find none of the driver's files on its disk.
const NO_DISK: &str = "--no-local-files";

/// What cluster to start.
#[derive(Debug)]
pub struct Builder {
    binary: PathBuf,
    workers: usize,
    threads: usize,
    late: Option<(usize, Lateness)>,
    lateness: Lateness,
    driver_arguments: Vec<String>,
    worker_arguments: Vec<String>,
    tls: bool,
    environment: Vec<(String, String)>,
    shares_disk: bool,
    address: String,
    network: Option<Network>,
    hidden: Vec<PathBuf>,
}

/// A running cluster; it ends when this value goes.
#[derive(Debug)]
pub struct TestCluster {
    rookery: Rookery,
    url: String,
    driver: Child,
    driver_arguments: Vec<String>,
    worker_arguments: Vec<String>,
    /// What workers join with, on TLS.
    join_token: Option<String>,
    shares_disk: bool,
    workers: Vec<Child>,
    /// The machine of each worker, if there are several; the driver's is 0.
    machines: Vec<usize>,
    network: Option<Network>,
    /// Folders that are empty on the workers' machines.
    hidden: Vec<PathBuf>,
}

impl TestCluster {
    /// A cluster of `binary` with one worker of one thread, unless told otherwise.
    #[expect(clippy::new_ret_no_self, reason = "reads as a sentence: new, workers, start")]
    pub fn new(binary: impl Into<PathBuf>) -> Builder {
        Builder {
            binary: binary.into(),
            workers: 1,
            threads: 1,
            late: None,
            lateness: Lateness::default(),
            driver_arguments: Vec::new(),
            worker_arguments: Vec::new(),
            tls: false,
            environment: Vec::new(),
            shares_disk: true,
            address: "127.0.0.1:0".to_string(),
            network: None,
            hidden: Vec::new(),
        }
    }

    /// The driver's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The driver's process id.
    pub fn driver_pid(&self) -> u32 {
        self.driver.id().expect("the driver runs")
    }

    /// The binary, with the cluster's state directory.
    pub fn rookery(&self) -> &Rookery {
        &self.rookery
    }

    /// Submits a job with `--set` overrides and waits for its end.
    pub async fn submit(&self, job: impl AsRef<Path>, overrides: &[&str]) -> Output {
        let job = job.as_ref().to_str().expect("a path in UTF-8");
        let mut arguments = vec!["submit", job, "--wait", "--driver", &self.url];
        for assignment in overrides {
            arguments.extend(["--set", assignment]);
        }
        self.rookery.run_json(&arguments).await
    }

    /// Submits a job with `--set` overrides and returns while it runs.
    pub fn start_job(&self, job: impl AsRef<Path>, overrides: &[&str]) -> RunningJob {
        let job = job.as_ref().to_str().expect("a path in UTF-8");
        let mut command = self.rookery.command();
        command.args(["submit", job, "--wait", "--json", "--driver", &self.url]);
        for assignment in overrides {
            command.args(["--set", assignment]);
        }
        RunningJob::start(command)
    }

    /// Starts one more worker with one thread, and waits until `active` are there.
    pub async fn add_worker(&mut self, active: usize) {
        self.spawn_worker(Lateness::default());
        self.wait_for_workers(active).await;
    }

    /// Sends a signal, such as `STOP`, to a worker.
    pub async fn signal_worker(&self, i: usize, signal: &str) {
        let pid = self.workers[i].id().expect("the worker runs").to_string();
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()
            .await;
        assert!(sent.expect("kill is there").success(), "{signal} to worker {i}");
    }

    /// Where the driver reaches a worker.
    pub async fn worker_url(&self, i: usize) -> String {
        let cluster = self.client().await.get_cluster(GetClusterRequest {}).await;
        let workers = cluster.expect("the driver answers").into_inner().workers;
        workers[i].url.clone()
    }

    /// What a worker answers to a caller with this token.
    pub async fn ask_worker(&self, i: usize, token: Option<&Token>) -> Result<(), Failure> {
        self.ask_worker_as(i, token, None).await
    }

    /// The same to a caller that shows a certificate.
    pub async fn ask_worker_as(
        &self,
        i: usize,
        token: Option<&Token>,
        member: Option<&Member>,
    ) -> Result<(), Failure> {
        let channel = tls::endpoint(&self.rookery, &self.worker_url(i).await, member).connect_lazy();
        let mut client = TrainerServiceClient::with_interceptor(channel, SendToken::new(token));
        let answer = client.list_partitions(ListPartitionsRequest::default()).await;
        answer.map(|_| ()).map_err(tls::failure)
    }

    /// Starts a worker of another machine, which listens where it likes, and waits until `active` are there.
    pub async fn add_worker_of(&mut self, machine: &Rookery, join_token: &str, active: usize) {
        let mut command = machine.command();
        command
            .args(["worker", "--driver", &self.url, "--threads", "1"])
            .env("ROOKERY_JOIN_TOKEN", join_token);
        self.workers
            .push(command.stdout(Stdio::null()).spawn().expect("the worker starts"));
        self.wait_for_workers(active).await;
    }

    /// What the next workers join with: `None` for what they were given when they joined before.
    pub fn join_with(&mut self, token: Option<String>) {
        self.join_token = token;
    }

    /// Waits until no active worker holds any partition.
    pub async fn wait_until_nothing_is_held(&self) {
        self.wait_for("the workers let go", |workers| {
            let active = workers.iter().filter(|w| w.state() == WorkerState::Active);
            active.map(|w| w.memory_bytes + w.disk_bytes).sum::<u64>() == 0
        })
        .await;
    }

    /// Kills a worker and forgets it: the ones after it move up.
    pub async fn remove_worker(&mut self, i: usize) {
        self.kill_worker(i).await;
        self.forget_worker(i);
    }

    /// Forgets a worker that has ended: the ones after it move up.
    pub fn forget_worker(&mut self, i: usize) {
        self.workers.remove(i);
        if self.network.is_some() {
            self.machines.remove(i);
        }
    }

    /// Cuts the link of a worker's machine, or mends it.
    pub fn set_link(&self, i: usize, is_up: bool) {
        let network = self.network.as_ref().expect("there are several machines");
        match is_up {
            true => network.mend(self.machines[i]),
            false => network.cut(self.machines[i]),
        }
    }

    /// Starts one more worker with one thread.
    pub fn spawn_worker(&mut self, lateness: Lateness) {
        self.spawn(1, lateness);
    }

    fn spawn(&mut self, threads: usize, lateness: Lateness) {
        let mut command = match &self.network {
            None => self.rookery.command(),
            Some(network) => {
                // The first machine that no other worker is on.
                let free = (1..).find(|machine| !self.machines.contains(machine));
                let machine = free.expect("numbers do not end");
                self.machines.push(machine);
                self.rookery.command_behind(&network.on(machine, &self.hidden()))
            }
        };
        command.args(["worker", "--driver", &self.url, "--threads", &threads.to_string()]);
        command.args(&self.worker_arguments);
        if self.network.is_some() {
            // One that was cut off comes back, however long it takes.
            command.args(["--identity-in-memory", "--driver-timeout-ms", "3600000"]);
        }
        for (flag, late) in [
            ("--answer-delay-ms", lateness.answers),
            ("--read-delay-ms", lateness.reads),
        ] {
            if !late.is_zero() {
                command.args([flag, &late.as_millis().to_string()]);
            }
        }
        command.envs(self.join_token.iter().map(|token| ("ROOKERY_JOIN_TOKEN", token)));
        if !self.shares_disk {
            command.arg(NO_DISK);
        }
        self.workers
            .push(command.stdout(Stdio::null()).spawn().expect("the worker starts"));
    }

    /// Runs a command on a worker's machine, if there are several.
    pub async fn run_beside_worker(&self, i: usize, arguments: &[&str]) -> Output {
        let network = self.network.as_ref().expect("there are several machines");
        let behind = network.on(self.machines[i], &self.hidden());
        self.rookery.run_behind(&behind, arguments).await
    }

    fn hidden(&self) -> Vec<&Path> {
        self.hidden.iter().map(PathBuf::as_path).collect()
    }

    /// Kills a worker, and waits until it is gone.
    pub async fn kill_worker(&mut self, i: usize) {
        self.workers[i].kill().await.expect("the worker was running");
    }

    /// Kills the driver, and waits until it is gone.
    pub async fn kill_driver(&mut self) {
        self.driver.kill().await.expect("the driver was running");
    }

    /// Ends the driver by a signal, and waits until it is gone.
    pub async fn end_driver(&mut self) {
        let pid = self.driver_pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.expect("kill is there").success(), "TERM to the driver");
        let ended = tokio::time::timeout(DEADLINE, self.driver.wait()).await;
        ended.expect("the driver ends").expect("a status");
    }

    /// Starts another driver in place of the one that was killed or ended, on the same port. It knows no workers.
    pub async fn start_driver_again(&mut self) {
        // One that ended in order has removed it.
        let _ = std::fs::remove_file(self.rookery.home().join("driver.url"));
        let (_, address) = self.url.split_once("://").expect("a URL");
        let address = address.to_string();
        (self.driver, self.url) = start_driver(&self.rookery, &address, &self.driver_arguments).await;
    }

    /// Asks every process to end, and waits until it has.
    pub async fn stop(mut self) {
        for i in 0..self.workers.len() {
            self.signal_worker(i, "TERM").await;
        }
        for i in 0..self.workers.len() {
            self.worker_exit(i).await;
        }
        self.rookery.run(&["down"]).await.succeeded();
        let ended = tokio::time::timeout(DEADLINE, self.driver.wait()).await;
        ended.expect("the driver ends").expect("a status");
    }

    /// The exit code of a worker that has ended by itself.
    pub fn exit_code(&mut self, i: usize) -> Option<i32> {
        let status = self.workers[i].try_wait().expect("a status");
        status.map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for the end of a worker that should end by itself; returns its exit code.
    pub async fn worker_exit(&mut self, i: usize) -> i32 {
        let status = tokio::time::timeout(DEADLINE, self.workers[i].wait())
            .await
            .expect("the worker ends");
        status.expect("a status").code().unwrap_or(-1)
    }
}

impl Builder {
    /// How many workers.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// How many threads each worker computes with.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Lets one worker be late.
    pub fn late_worker(mut self, worker: usize, lateness: Lateness) -> Self {
        self.late = Some((worker, lateness));
        self
    }

    /// Lets every worker do everything `delay` later than it could, so that there is time to strike.
    pub fn unhurried(mut self, delay: Duration) -> Self {
        self.lateness = Lateness {
            answers: delay,
            reads: delay,
        };
        self
    }

    /// Starts the driver with more arguments.
    pub fn driver_arguments(mut self, arguments: &[&str]) -> Self {
        self.driver_arguments = arguments.iter().map(|argument| (*argument).to_string()).collect();
        self
    }

    /// Starts every worker with more arguments.
    pub fn worker_arguments(mut self, arguments: &[&str]) -> Self {
        self.worker_arguments = arguments.iter().map(|argument| (*argument).to_string()).collect();
        self
    }

    /// Puts the cluster on TLS; its workers join with a join token.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets a variable for every process of the cluster.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_string(), value.to_string()));
        self
    }

    /// Lets workers find none of the driver's files on their disk, as on another machine.
    pub fn without_shared_disk(mut self) -> Self {
        self.shares_disk = false;
        self
    }

    /// Puts driver and workers on machines of their own, on TLS.
    pub fn between(mut self, network: Network) -> Self {
        self.address = format!("{}:0", network.address(0));
        self.tls = true;
        self.network = Some(network);
        self
    }

    /// Lets the workers' machines see nothing in this folder, nor in the state directory.
    pub fn hiding(mut self, folder: &Path) -> Self {
        self.hidden.push(folder.to_path_buf());
        self
    }

    /// Lets the driver listen on another address than loopback.
    pub fn listen(mut self, address: &str) -> Self {
        self.address = address.to_string();
        self
    }

    /// Starts the processes and waits until every worker has joined.
    pub async fn start(mut self) -> TestCluster {
        let rookery = self
            .environment
            .iter()
            .fold(Rookery::new(&self.binary), |rookery, (name, value)| {
                rookery.with_env(name, value)
            });
        if self.tls {
            self.driver_arguments.push("--tls".to_string());
        }
        let rookery = match &self.network {
            Some(network) => rookery.on(network.on(0, &[])),
            None => rookery,
        };
        let (driver, url) = start_driver(&rookery, &self.address, &self.driver_arguments).await;
        let join_token = match self.tls {
            true => Some(tls::new_join_token(&rookery, &url).await),
            false => None,
        };
        if !self.hidden.is_empty() {
            self.hidden.push(rookery.home().to_path_buf());
        }
        let mut cluster = TestCluster {
            rookery,
            url,
            driver,
            driver_arguments: self.driver_arguments,
            worker_arguments: self.worker_arguments,
            join_token,
            shares_disk: self.shares_disk,
            workers: Vec::new(),
            machines: Vec::new(),
            network: self.network,
            hidden: self.hidden,
        };
        for i in 0..self.workers {
            let late = self.late.filter(|(late, _)| *late == i);
            let lateness = late.map_or(self.lateness, |(_, lateness)| lateness);
            cluster.spawn(self.threads, lateness);
        }
        cluster.wait_for_workers(self.workers).await;
        cluster
    }
}

impl TestCluster {
    async fn client(&self) -> JobServiceClient<InterceptedService<Channel, SendToken>> {
        let channel = tls::endpoint(&self.rookery, &self.url, None).connect().await;
        let channel = channel.expect("the driver answers");
        let token = Token::new(&self.rookery.token()).expect("a token");
        JobServiceClient::with_interceptor(channel, SendToken::new(Some(&token)))
    }

    /// Waits until so many workers are active.
    pub async fn wait_for_workers(&self, count: usize) {
        self.wait_for("the workers join", |workers| {
            workers
                .iter()
                .filter(|w| w.state() == WorkerState::Active)
                .count()
                >= count
        })
        .await;
    }

    /// Waits until the driver knows of workers what `is_so` says.
    async fn wait_for(&self, what: &str, is_so: impl Fn(&[Worker]) -> bool) {
        let mut client = self.client().await;
        let waited = async {
            loop {
                let cluster = client.get_cluster(GetClusterRequest {}).await;
                if is_so(&cluster.expect("the driver answers").into_inner().workers) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(DEADLINE, waited).await.expect(what);
    }
}

async fn start_driver(rookery: &Rookery, address: &str, arguments: &[String]) -> (Child, String) {
    let driver = rookery
        .command()
        .args(["driver", "--listen", address])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("the driver starts");
    (driver, rookery.driver_url().await)
}
