//! How a cluster on TLS grows: join tokens for those who may ask for one, certificates for workers that bring one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use rookery_data::engine::Secure;
use rookery_proto::v1::join_service_server::JoinService;
use rookery_proto::v1::join_token_service_server::JoinTokenService;
use rookery_proto::{ErrorClass, Failure, PROTOCOL_VERSION, Token, v1};
use rookery_tls::{Authority, Caller, Identity, JoinTokens, KeptToken, Role, Trust, host_of, of_request};
use tonic::{Request, Response, Status};
use url::Url;

use crate::events::now_ms;
use crate::workers::of_another_protocol;

/// What a driver on TLS needs.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Makes certificates.
    pub authority: Arc<Authority>,
    /// The driver's own.
    pub identity: Identity,
    /// Who may join.
    pub join_tokens: JoinTokens,
}

impl Tls {
    /// Connections to workers.
    pub(crate) fn to_workers(&self) -> Secure {
        let trust = Trust::of_member(self.identity.clone());
        Secure::by(move |endpoint| trust.secure(endpoint, Role::Worker))
    }

    /// Sees that a worker is reached, under its URL, by a name that its certificate is for.
    pub(crate) fn check_url(url: &str, caller: Option<&Caller>) -> Result<(), Failure> {
        let wrong = |what: &str| Failure::new(ErrorClass::Config, format!("the worker's URL {url} {what}"));
        let parsed = Url::parse(url).map_err(|e| wrong(&format!("is none: {e}")))?;
        if parsed.scheme() != "https" {
            return Err(wrong("does not begin with https://, and this cluster is on TLS"));
        }
        let member = caller.and_then(|caller| caller.member.as_ref());
        let host = host_of(&parsed);
        match member.is_some_and(|member| host.is_some_and(|host| member.names.contains(&host))) {
            true => Ok(()),
            false => {
                Err(wrong("is not one that its certificate is made for")
                    .hint("join again with a new join token"))
            }
        }
    }
}

/// Answers workers that want to join.
#[derive(Debug, Clone)]
pub(crate) struct JoinServer {
    pub(crate) tls: Arc<Tls>,
    pub(crate) token: Option<Token>,
}

/// Answers clients that say who may.
#[derive(Debug, Clone)]
pub(crate) struct JoinTokenServer {
    /// `None` in the clear.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) url: Url,
}

#[tonic::async_trait]
impl JoinService for JoinServer {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        let is_local = request
            .extensions()
            .get::<ConnectInfo<Caller>>()
            .is_some_and(|ConnectInfo(caller)| caller.is_local());
        let request = request.into_inner();
        let joined = self.admit(&request, is_local);
        match &joined {
            Ok(_) => tracing::info!(token_id = request.token_id, "a worker was given a certificate"),
            Err(failure) => {
                tracing::warn!(token_id = request.token_id, %failure, "a worker was not let in");
            }
        }
        Ok(Response::new(joined?))
    }
}

impl JoinServer {
    fn admit(&self, request: &v1::JoinRequest, is_local: bool) -> Result<v1::JoinResponse, Failure> {
        if request.protocol_version != PROTOCOL_VERSION {
            return Err(of_another_protocol(
                request.protocol_version,
                &request.build_version,
            ));
        }
        let Tls {
            authority,
            identity,
            join_tokens,
        } = self.tls.as_ref();
        join_tokens.admit(&request.token_id, &request.secret, now_ms())?;
        let refused = |reason: String| {
            Failure::new(
                ErrorClass::Config,
                format!("the certificate request is refused: {reason}"),
            )
        };
        let wanted = rookery_tls::Request::read(&request.certificate_request)?;
        let names = of_request(&wanted).map_err(refused)?;
        // The driver's own names are for those on its machine: nobody else is reached by them.
        if let Some(name) = names.iter().find(|name| !is_local && identity.is_for(name)) {
            return Err(refused(format!("{name} is the driver's own"))
                .hint("--listen IP:PORT or --advertise HOST says where the driver reaches the worker"));
        }
        let token = self.token.as_ref();
        Ok(v1::JoinResponse {
            certificate_pem: authority.sign_worker(wanted, &names)?,
            ca_pem: authority.certificate().pem().to_string(),
            cluster_token: token.map(|token| token.expose().to_string()).unwrap_or_default(),
        })
    }
}

#[tonic::async_trait]
impl JoinTokenService for JoinTokenServer {
    async fn create_join_token(
        &self,
        request: Request<v1::CreateJoinTokenRequest>,
    ) -> Result<Response<v1::CreateJoinTokenResponse>, Status> {
        let tokens = self.tokens()?;
        let lifetime = match request.into_inner().lifetime_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        };
        let token = tokens.create(lifetime, now_ms())?;
        let kept = tokens
            .list(now_ms())?
            .into_iter()
            .find(|kept| kept.id == token.id());
        Ok(Response::new(v1::CreateJoinTokenResponse {
            token: kept.map(encode),
            join_token: token.expose(),
            driver_url: self.url.as_str().trim_end_matches('/').to_string(),
        }))
    }

    async fn list_join_tokens(
        &self,
        _request: Request<v1::ListJoinTokensRequest>,
    ) -> Result<Response<v1::ListJoinTokensResponse>, Status> {
        let tokens = self.tokens()?.list(now_ms())?;
        Ok(Response::new(v1::ListJoinTokensResponse {
            tokens: tokens.into_iter().map(encode).collect(),
        }))
    }

    async fn revoke_join_token(
        &self,
        request: Request<v1::RevokeJoinTokenRequest>,
    ) -> Result<Response<v1::RevokeJoinTokenResponse>, Status> {
        self.tokens()?.revoke(&request.into_inner().token_id)?;
        Ok(Response::new(v1::RevokeJoinTokenResponse {}))
    }
}

impl JoinTokenServer {
    fn tokens(&self) -> Result<&JoinTokens, Failure> {
        let tls = self.tls.as_ref().ok_or_else(|| {
            Failure::new(
                ErrorClass::Config,
                "this driver is not on TLS: workers of this machine join it without a join token",
            )
            .hint("start it with --tls, or let it listen on an address that other machines reach")
        })?;
        Ok(&tls.join_tokens)
    }
}

fn encode(kept: KeptToken) -> v1::JoinToken {
    v1::JoinToken {
        token_id: kept.id,
        created_ms: kept.created_ms,
        expires_ms: kept.expires_ms.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lab {
        server: JoinServer,
        _folder: tempfile::TempDir,
    }

    fn lab() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_make(folder.path()).unwrap();
        let names = ["10.0.0.5", "driver.example", "localhost"].map(String::from);
        let tls = Tls {
            identity: authority.issue_driver(&names).unwrap(),
            join_tokens: JoinTokens::new(
                folder.path().join("tokens"),
                authority.certificate().fingerprint(),
            ),
            authority: Arc::new(authority),
        };
        Lab {
            server: JoinServer {
                tls: Arc::new(tls),
                token: Some(Token::new("s3cret").unwrap()),
            },
            _folder: folder,
        }
    }

    impl Lab {
        fn request(&self, name: &str) -> v1::JoinRequest {
            let token = self.server.tls.join_tokens.create(None, 0).unwrap();
            let (_, certificate_request) = rookery_tls::Request::make(vec![name.to_string()]).unwrap();
            v1::JoinRequest {
                token_id: token.id().to_string(),
                secret: token.secret().to_string(),
                certificate_request,
                protocol_version: PROTOCOL_VERSION,
                build_version: "0.0.1".to_string(),
            }
        }
    }

    #[test]
    fn the_drivers_own_names_are_for_its_machine_alone() {
        let lab = lab();
        for name in ["10.0.0.5", "Driver.example", "localhost"] {
            let request = lab.request(name);
            let failure = lab.server.admit(&request, false).unwrap_err();
            assert!(failure.message.ends_with("is the driver's own"), "{failure}");
            lab.server.admit(&request, true).unwrap();
        }
        let joined = lab.server.admit(&lab.request("10.0.0.7"), false).unwrap();
        assert_eq!(joined.cluster_token, "s3cret");
    }

    #[test]
    fn nothing_is_looked_at_before_the_join_token() {
        let lab = lab();
        let mut request = lab.request("10.0.0.7");
        request.secret = "0".repeat(64);
        request.certificate_request = b"no request".to_vec();
        let failure = lab.server.admit(&request, false).unwrap_err();
        assert!(failure.message.contains("join token"), "{failure}");
        request.protocol_version += 1;
        let failure = lab.server.admit(&request, false).unwrap_err();
        assert!(failure.message.contains("protocol version"), "{failure}");
    }
}
