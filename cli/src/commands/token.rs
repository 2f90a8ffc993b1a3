//! `rookery token`: who may join a cluster.

use std::time::Duration;

use clap::{Args, Subcommand};
use rookery_proto::Failure;
use serde::Serialize;

use crate::args::{JsonFlag, Places};
use crate::client::DriverClient;
use crate::output::Output;
use crate::{local_driver, table, times};

/// How long a token lets workers in, unless told otherwise.
pub(crate) const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Make the tokens that let workers of other machines join a cluster
///
/// Only a cluster on TLS has them: one whose driver other machines reach, or that was started with --tls. A token names
/// the cluster's certificate authority, so that a worker knows whom it joins.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a join token, and print the command that adds a worker with it
    Create(CreateArgs),
    /// List join tokens, without their secrets
    List(ListArgs),
    /// Let nobody in with a join token any more; workers that have joined stay
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// For how long workers may join with it, for example 30m, 24h or 7d; or never [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = expires)]
    expires: Option<Expires>,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The token, as `token list` names it
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expires {
    After(Duration),
    Never,
}

/// What programs read once a token is made.
#[derive(Serialize)]
struct Created<'a> {
    event: &'static str,
    token_id: &'a str,
    expires_ms: Option<i64>,
    join_token: &'a str,
    join_command: &'a str,
}

impl TokenArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            TokenCommand::Create(args) => &args.json,
            TokenCommand::List(args) => &args.json,
            TokenCommand::Revoke(args) => &args.json,
        }
    }
}

pub(crate) async fn token(args: TokenArgs, places: &Places, output: &Output) -> Result<(), Failure> {
    let mut client = DriverClient::of(places)?;
    match args.command {
        TokenCommand::Create(args) => create(&mut client, args.expires, output).await,
        TokenCommand::List(_) => list(&mut client, output).await,
        TokenCommand::Revoke(args) => client.revoke_join_token(&args.id).await,
    }
}

async fn create(client: &mut DriverClient, expires: Option<Expires>, output: &Output) -> Result<(), Failure> {
    let lifetime = match expires {
        None => Some(DEFAULT_LIFETIME),
        Some(Expires::After(lifetime)) => Some(lifetime),
        Some(Expires::Never) => None,
    };
    let created = client.create_join_token(lifetime).await?;
    let join_command = local_driver::join_command(&created.driver_url, &created.join_token);
    if output.is_json() {
        output.object(&Created {
            event: "join_token_created",
            token_id: &created.row.token_id,
            expires_ms: created.row.expires_ms,
            join_token: &created.join_token,
            join_command: &join_command,
        });
        return Ok(());
    }
    output.line(&join_command);
    let id = &created.row.token_id;
    output.note(&match created.row.expires_ms {
        Some(expires) => format!("{id} lets workers in until {}", times::local(expires)),
        None => format!("{id} lets workers in until it is revoked"),
    });
    Ok(())
}

async fn list(client: &mut DriverClient, output: &Output) -> Result<(), Failure> {
    let tokens = client.join_tokens().await?;
    if output.is_json() {
        tokens.iter().for_each(|token| output.object(token));
        return Ok(());
    }
    if tokens.is_empty() {
        output.note("there is no join token");
        return Ok(());
    }
    let rows = tokens.into_iter().map(|token| {
        let expires = token.expires_ms.map_or("never".to_string(), times::local);
        vec![token.token_id, times::local(token.created_ms), expires]
    });
    output.line(&table::table(&["TOKEN", "CREATED", "EXPIRES"], rows));
    Ok(())
}

/// `90s`, `30m`, `24h`, `7d` or `never`.
fn expires(text: &str) -> Result<Expires, String> {
    if text == "never" {
        return Ok(Expires::Never);
    }
    let wrong = || "expected a time such as 30m, 24h or 7d, or never".to_string();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let lifetime = count.checked_mul(seconds).filter(|seconds| *seconds > 0);
    lifetime
        .map(|seconds| Expires::After(Duration::from_secs(seconds)))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(expires("24h"), Ok(Expires::After(DEFAULT_LIFETIME)));
        assert_eq!(expires("90s"), Ok(Expires::After(Duration::from_secs(90))));
        assert_eq!(expires("never"), Ok(Expires::Never));
        for text in ["", "24", "h", "0m", "-1h", "1.5h", "99999999999999999999d", "1ä"] {
            assert!(expires(text).is_err(), "{text}");
        }
    }
}
