//! `rookery models`: names for models, their versions, and who changed what.

use clap::{Args, Subcommand};
use rookery_proto::Failure;
use rookery_tracking::Actor;

use crate::args::{JsonFlag, Places};
use crate::client;
use crate::output::Output;
use crate::records::RecordsAt;

mod alias;
mod delete;
mod export;
mod history;
mod list;
mod register;
mod show;

/// Register models, point aliases at their versions, see who changed what
///
/// NAME is a registered model's name.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    Register(register::RegisterArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Alias(alias::AliasArgs),
    History(history::HistoryArgs),
    Delete(delete::DeleteArgs),
    Export(export::ExportArgs),
}

/// Why something is changed.
#[derive(Debug, Args)]
struct ReasonArgs {
    /// Why; kept in the model's history
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

impl ModelsArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            ModelsCommand::Register(args) => &args.json,
            ModelsCommand::List(args) => &args.json,
            ModelsCommand::Show(args) => &args.json,
            ModelsCommand::Alias(args) => &args.json,
            ModelsCommand::History(args) => &args.json,
            ModelsCommand::Delete(args) => &args.json,
            ModelsCommand::Export(args) => &args.json,
        }
    }
}

pub(crate) async fn models(args: ModelsArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let at = RecordsAt::of(places)?;
    match args.command {
        ModelsCommand::List(args) => list::list(&args, &at, output).await,
        ModelsCommand::Register(args) => {
            register::register(&args, &at.open_for_lookup().await?, output).await
        }
        ModelsCommand::Show(args) => show::show(&args, &at.open_for_lookup().await?, output).await,
        ModelsCommand::Alias(args) => alias::alias(&args, &at.open_for_lookup().await?, output).await,
        ModelsCommand::History(args) => history::history(&args, &at.open_for_lookup().await?, output).await,
        ModelsCommand::Delete(args) => delete::delete(&args, &at.open_for_lookup().await?, output).await,
        ModelsCommand::Export(args) => export::export(&args, &at.open_for_lookup().await?, output).await,
    }
}
