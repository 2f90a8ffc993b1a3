//! Messages of joining, shown without the secrets they carry.

use std::fmt;

use crate::v1::{CreateJoinTokenResponse, JoinRequest, JoinResponse};

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("JoinRequest");
        shown
            .field("token_id", &self.token_id)
            .field("protocol_version", &self.protocol_version)
            .field("build_version", &self.build_version)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for JoinResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinResponse").finish_non_exhaustive()
    }
}

impl fmt::Debug for CreateJoinTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CreateJoinTokenResponse");
        shown.field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let request = JoinRequest {
            secret: "s3cret".to_string(),
            ..JoinRequest::default()
        };
        let response = JoinResponse {
            cluster_token: "s3cret".to_string(),
            ..JoinResponse::default()
        };
        let created = CreateJoinTokenResponse {
            join_token: "s3cret".to_string(),
            ..CreateJoinTokenResponse::default()
        };
        assert!(!format!("{request:?} {response:?} {created:?}").contains("s3cret"));
    }
}
