//! What this program asks of a driver about join tokens.

use std::time::Duration;

use rookery_proto::v1::join_token_service_client::JoinTokenServiceClient;
use rookery_proto::{Failure, v1};
use serde::Serialize;

use super::{DriverClient, within_call_timeout};

/// A join token without its secret.
#[derive(Debug, Serialize)]
pub(crate) struct JoinTokenRow {
    pub(crate) token_id: String,
    pub(crate) created_ms: i64,
    /// `null`: never.
    pub(crate) expires_ms: Option<i64>,
}

/// A token that was just made.
pub(crate) struct NewJoinToken {
    pub(crate) row: JoinTokenRow,
    /// The whole of it: nobody is told again.
    pub(crate) join_token: String,
    /// Where workers reach the driver.
    pub(crate) driver_url: String,
}

impl DriverClient {
    /// Makes a join token that lets workers in for so long, or for ever.
    pub(crate) async fn create_join_token(
        &mut self,
        lifetime: Option<Duration>,
    ) -> Result<NewJoinToken, Failure> {
        let request = v1::CreateJoinTokenRequest {
            lifetime_seconds: lifetime.map_or(0, |lifetime| lifetime.as_secs().max(1)),
        };
        let mut client = JoinTokenServiceClient::new(self.channel.clone());
        let answer = within_call_timeout(client.create_join_token(request)).await;
        let created = answer.map_err(|status| self.failure(status))?.into_inner();
        Ok(NewJoinToken {
            row: row(created.token.unwrap_or_default()),
            join_token: created.join_token,
            driver_url: created.driver_url,
        })
    }

    /// The join tokens that were not revoked, the oldest first.
    pub(crate) async fn join_tokens(&mut self) -> Result<Vec<JoinTokenRow>, Failure> {
        let mut client = JoinTokenServiceClient::new(self.channel.clone());
        let answer = within_call_timeout(client.list_join_tokens(v1::ListJoinTokensRequest {})).await;
        let tokens = answer.map_err(|status| self.failure(status))?.into_inner().tokens;
        Ok(tokens.into_iter().map(row).collect())
    }

    /// Makes a join token worthless.
    pub(crate) async fn revoke_join_token(&mut self, token_id: &str) -> Result<(), Failure> {
        let request = v1::RevokeJoinTokenRequest {
            token_id: token_id.to_string(),
        };
        let mut client = JoinTokenServiceClient::new(self.channel.clone());
        let answer = within_call_timeout(client.revoke_join_token(request)).await;
        answer.map(|_| ()).map_err(|status| self.failure(status))
    }
}

fn row(token: v1::JoinToken) -> JoinTokenRow {
    JoinTokenRow {
        token_id: token.token_id,
        created_ms: token.created_ms,
        expires_ms: Some(token.expires_ms).filter(|expires| *expires != 0),
    }
}
