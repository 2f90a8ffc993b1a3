//! `rookery endpoints`: names under which models answer.

use clap::{Args, Subcommand};
use reqwest::Method;
use rookery_proto::Failure;
use rookery_tracking::Actor;
use serde_json::{Value, json};

use crate::args::{JsonFlag, Places};
use crate::client::{self, EndpointsClient};
use crate::output::Output;
use crate::table;

mod events;
mod query;
mod show;
mod specify;

use specify::{CreateArgs, UpdateArgs};

/// Serve registered models under a name: make endpoints, ask them, change what they serve
///
/// NAME is an endpoint's name: letters (a-z), digits, `-` and `_`.
#[derive(Debug, Args)]
pub(crate) struct EndpointsArgs {
    #[command(subcommand)]
    command: EndpointsCommand,
}

#[derive(Debug, Subcommand)]
enum EndpointsCommand {
    Create(CreateArgs),
    /// List the endpoints
    List(ListArgs),
    /// Show an endpoint: what it serves, how much it is asked, how far a shadow agrees
    Show(NameArgs),
    Query(query::QueryArgs),
    Update(UpdateArgs),
    /// Give all of the traffic to one of the served entities, as one act that can be taken back
    Promote(PromoteArgs),
    /// Go back to what was served before, or take back a change that is under way
    Rollback(RollbackArgs),
    Events(events::EventsArgs),
    /// Delete an endpoint; its events are kept
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// The endpoint
    name: String,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct PromoteArgs {
    /// The endpoint
    name: String,

    /// The served entity [default: the one that has less than half of the traffic, if there is one alone]
    served: Option<String>,

    #[command(flatten)]
    reason: ReasonArgs,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct RollbackArgs {
    /// The endpoint
    name: String,

    /// The configuration to go back to, as `events` numbers them [default: the one before]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    to: Option<u32>,

    #[command(flatten)]
    reason: ReasonArgs,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// The endpoint
    name: String,

    #[command(flatten)]
    reason: ReasonArgs,

    #[command(flatten)]
    json: JsonFlag,
}

/// Why something is changed.
#[derive(Debug, Args)]
struct ReasonArgs {
    /// Why; kept in the endpoint's events
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl ReasonArgs {
    fn actor(&self) -> Actor {
        Actor {
            user: client::user(),
            reason: self.reason.clone().unwrap_or_default(),
        }
    }
}

impl EndpointsArgs {
    pub(crate) fn wants_json(&self) -> bool {
        match &self.command {
            EndpointsCommand::Create(args) => args.json.json,
            EndpointsCommand::List(args) => args.json.json,
            EndpointsCommand::Show(args) => args.json.json,
            EndpointsCommand::Query(args) => args.wants_json(),
            EndpointsCommand::Update(args) => args.json.json,
            EndpointsCommand::Promote(args) => args.json.json,
            EndpointsCommand::Rollback(args) => args.json.json,
            EndpointsCommand::Events(args) => args.json.json,
            EndpointsCommand::Delete(args) => args.json.json,
        }
    }
}

pub(crate) async fn endpoints(args: EndpointsArgs, places: &Places, output: &Output) -> Result<(), Failure> {
    // What is wrong with the words comes before what is wrong with the driver.
    if let EndpointsCommand::Create(args) = &args.command {
        args.body()?;
    }
    let client = EndpointsClient::of(places)?;
    match args.command {
        EndpointsCommand::Create(args) => {
            let by = args.reason.actor();
            let made = client
                .change(Method::POST, &args.name, &[], &args.body()?, &by)
                .await?;
            tell("endpoint_created", &made, output);
        }
        EndpointsCommand::List(_) => show::list(&client.list().await?, output),
        EndpointsCommand::Show(args) => show::show(client.get(&args.name).await?, output),
        EndpointsCommand::Query(args) => query::query(args, &client, output).await?,
        EndpointsCommand::Update(args) => {
            let body = args.body(&client.get(&args.name).await?)?;
            let below = [args.name.as_str(), "config"];
            let by = args.reason.actor();
            let changed = client.change(Method::PUT, &args.name, &below, &body, &by).await?;
            tell("endpoint_updated", &changed, output);
        }
        EndpointsCommand::Promote(args) => {
            let body = json!({ "served_entity_name": args.served });
            let below = [args.name.as_str(), "promote"];
            let by = args.reason.actor();
            let changed = client
                .change(Method::POST, &args.name, &below, &body, &by)
                .await?;
            tell("endpoint_promoted", &changed, output);
        }
        EndpointsCommand::Rollback(args) => {
            let body = json!({ "config_version": args.to });
            let below = [args.name.as_str(), "rollback"];
            let by = args.reason.actor();
            let changed = client
                .change(Method::POST, &args.name, &below, &body, &by)
                .await?;
            tell("endpoint_rolled_back", &changed, output);
        }
        EndpointsCommand::Events(args) => events::events(&args, &client, output).await?,
        EndpointsCommand::Delete(args) => {
            client.delete(&args.name, &args.reason.actor()).await?;
            match output.is_json() {
                true => output.object(&json!({ "event": "endpoint_deleted", "name": args.name })),
                false => output.line(&format!("deleted {}", table::printable(&args.name))),
            }
        }
    }
    Ok(())
}

/// Says what is served since a change.
fn tell(event: &str, endpoint: &Value, output: &Output) {
    let config = &endpoint["config"];
    if output.is_json() {
        return output.object(&json!({
            "event": event,
            "name": endpoint["name"],
            "config_version": config["config_version"],
            "ready": endpoint["state"]["ready"],
            "served_entities": config["served_entities"],
            "traffic_config": config["traffic_config"],
            "endpoint_url": endpoint["endpoint_url"],
        }));
    }
    let text = |value: &Value| table::printable(value.as_str().unwrap_or_default());
    output.line(&format!(
        "{} serves configuration {}: {}",
        text(&endpoint["name"]),
        config["config_version"],
        show::served_line(config)
    ));
    output.line(&text(&endpoint["endpoint_url"]));
}
