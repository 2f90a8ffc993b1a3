//! What can be asked for on the command line. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use rookery_proto::Failure;
use rookery_tracking::ViewType;

use crate::commands::{
    artifacts, cluster, data, down, driver, endpoints, experiments, jobs, models, predict, run, runs, serve,
    submit, token, up, validate, worker, workers,
};
use crate::named::Clusters;
use crate::state_dir::StateDir;
use crate::trust::CA_VARIABLE;

/// Heading of the options that every command takes.
const GLOBAL: &str = "Global options";

/// Trains logistic-regression models on a cluster of one driver and many workers, and records every run.
///
/// `rookery run job.toml` trains on this machine, without anything to start first.
#[derive(Debug, Parser)]
#[command(name = "rookery", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) places: Places,

    /// Log more to stderr: once for info, twice for debug. RUST_LOG, when set, decides instead
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    pub(crate) verbose: u8,

    /// How log lines look: text, or JSON with one object a line
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", hide_default_value = true, help_heading = GLOBAL)]
    pub(crate) log_format: LogFormat,

    #[command(flatten)]
    json: JsonFlag,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where state is kept and where the driver is.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Folder of records, models and logs [env: ROOKERY_HOME] [default: ~/.rookery]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    state_dir: Option<PathBuf>,

    /// The driver to talk to, and whose records are shown and changed [env: ROOKERY_URL]
    /// [default: the driver that the state folder knows, and the records in that folder]
    #[arg(long, global = true, value_name = "URL", help_heading = GLOBAL)]
    driver: Option<String>,

    /// The certificate of the driver's authority, for a driver on TLS [env: ROOKERY_CA]
    /// [default: tls/ca.pem in the state folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    ca: Option<PathBuf>,

    /// The named cluster to talk to: see `rookery cluster` [env: ROOKERY_CLUSTER]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "driver", help_heading = GLOBAL)]
    cluster: Option<String>,
}

impl Places {
    /// The state directory, which need not exist yet; that of the named cluster, if the user named one.
    pub(crate) fn state_dir(&self) -> Result<StateDir, Failure> {
        let home = self.home()?;
        match self.cluster() {
            Some(name) => Ok(Clusters::of(&home).find(&name)?.state_dir().clone()),
            None => Ok(home),
        }
    }

    /// The state directory above all named clusters.
    pub(crate) fn home(&self) -> Result<StateDir, Failure> {
        StateDir::resolve(self.state_dir.as_deref())
    }

    /// The named cluster the user named, by flag or environment. A driver named by flag comes first.
    pub(crate) fn cluster(&self) -> Option<String> {
        let environment = || variable("ROOKERY_CLUSTER").filter(|_| self.driver.is_none());
        self.cluster.clone().or_else(environment)
    }

    /// The file with the certificate of the driver's authority, if flag or environment names one.
    pub(crate) fn ca(&self) -> Option<PathBuf> {
        let variable = std::env::var_os(CA_VARIABLE).filter(|file| !file.is_empty());
        self.ca.clone().or(variable.map(PathBuf::from))
    }

    /// The same state directory, and one of its named clusters.
    pub(crate) fn of_cluster(&self, name: &str) -> Self {
        Self {
            state_dir: self.state_dir.clone(),
            driver: None,
            ca: self.ca.clone(),
            cluster: Some(name.to_string()),
        }
    }

    /// The driver the user named, by flag or environment. A named cluster comes before the environment.
    pub(crate) fn driver(&self) -> Option<String> {
        let environment = || variable("ROOKERY_URL").filter(|_| self.cluster().is_none());
        self.driver.clone().or_else(environment)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// `--json`: not a global flag of clap, because `predict --json` takes rows.
#[derive(Debug, Default, Args)]
pub(crate) struct JsonFlag {
    /// Write JSON to stdout, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--view`: records can be deleted and restored.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// Show what is in use, what is deleted, or all [default: active]
    #[arg(long, value_name = "VIEW")]
    view: Option<View>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum View {
    Active,
    Deleted,
    All,
}

impl ViewArgs {
    pub(crate) fn view_type(&self) -> ViewType {
        match self.view {
            None | Some(View::Active) => ViewType::ActiveOnly,
            Some(View::Deleted) => ViewType::DeletedOnly,
            Some(View::All) => ViewType::All,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::RunArgs),
    Up(up::UpArgs),
    Down(down::DownArgs),
    Status(down::StatusArgs),
    Cluster(cluster::ClusterCommandArgs),
    Driver(driver::DriverArgs),
    Worker(worker::WorkerArgs),
    Validate(validate::ValidateArgs),
    Submit(submit::SubmitArgs),
    Jobs(jobs::JobsArgs),
    Workers(workers::WorkersArgs),
    Token(token::TokenArgs),
    Data(data::DataArgs),
    Experiments(experiments::ExperimentsArgs),
    Runs(runs::RunsArgs),
    Models(models::ModelsArgs),
    Artifacts(artifacts::ArtifactsArgs),
    Endpoints(endpoints::EndpointsArgs),
    Predict(predict::PredictArgs),
    Serve(serve::ServeArgs),
}

impl Command {
    /// What a process that does this calls itself in traces, if it serves.
    pub(crate) fn service(&self) -> Option<&'static str> {
        match self {
            Command::Run(_) | Command::Up(_) | Command::Driver(_) => Some("rookery-driver"),
            Command::Cluster(args) if args.serves() => Some("rookery-driver"),
            Command::Worker(_) => Some("rookery-worker"),
            _ => None,
        }
    }
}

impl Cli {
    /// Whether stdout is for programs.
    pub(crate) fn wants_json(&self) -> bool {
        self.json.json
            || match &self.command {
                Command::Run(args) => args.json.json,
                Command::Up(args) => args.json.json,
                Command::Down(args) => args.json.json,
                Command::Status(args) => args.json.json,
                Command::Cluster(args) => args.json().json,
                Command::Driver(args) => args.json.json,
                Command::Worker(args) => args.json.json,
                Command::Validate(args) => args.json.json,
                Command::Submit(args) => args.json.json,
                Command::Jobs(args) => args.json().json,
                Command::Workers(args) => args.json().json,
                Command::Token(args) => args.json().json,
                Command::Data(args) => args.json().json,
                Command::Experiments(args) => args.json().json,
                Command::Runs(args) => args.json().json,
                Command::Models(args) => args.json().json,
                Command::Artifacts(args) => args.json().json,
                Command::Endpoints(args) => args.wants_json(),
                Command::Predict(args) => args.wants_json(),
                Command::Serve(args) => args.json.json,
            }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_of_all_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_may_stand_before_or_after_the_command() {
        for line in [
            &["rookery", "--json", "run", "j"][..],
            &["rookery", "run", "j", "--json"],
        ] {
            assert!(Cli::try_parse_from(line).unwrap().wants_json(), "{line:?}");
        }
        assert!(!Cli::try_parse_from(["rookery", "run", "j"]).unwrap().wants_json());
        let predict = ["rookery", "predict", "--model", "runs:/r", "--json", "{}"];
        assert!(!Cli::try_parse_from(predict).unwrap().wants_json());
    }

    /// The help of every command, as a user sees it.
    #[test]
    fn help() {
        let mut command = Cli::command();
        command.build();
        let mut text = String::new();
        collect(&mut command, &mut text);
        insta::assert_snapshot!(text);
    }

    fn collect(command: &mut clap::Command, text: &mut String) {
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.push_str(&format!(
            "$ {} --help\n{}\n\n",
            command.get_bin_name().unwrap_or("rookery"),
            lines.join("\n")
        ));
        for inner in command.get_subcommands_mut().filter(|c| c.get_name() != "help") {
            collect(inner, text);
        }
    }
}
