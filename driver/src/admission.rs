//! [`Admission`]: who may call what on the driver's port. A port on TLS lets everybody connect; each request is looked
//! at here.

use axum::extract::Request;
use rookery_proto::{ErrorClass, Failure, Token, token};
use rookery_tls::{Caller, Role};

/// Calls of those who want to become workers: they know a join token and nothing else.
const JOINING: &str = "/rookery.v1.JoinService/";
/// Calls of workers.
const MEMBERSHIP: &str = "/rookery.v1.MembershipService/";

/// What gRPC callers must show.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// `None` lets everybody in.
    pub(crate) token: Option<Token>,
    /// Whether the port is on TLS.
    pub(crate) tls: bool,
}

impl Admission {
    /// Lets a request through, or says why not.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Failure> {
        let path = request.uri().path();
        if self.tls && path.starts_with(JOINING) {
            return Ok(());
        }
        if !token::is_admitted(self.token.as_ref(), request.headers()) {
            return Err(token::refusal("driver"));
        }
        if self.tls && path.starts_with(MEMBERSHIP) && !Caller::sent(request, Role::Worker) {
            return Err(Failure::new(
                ErrorClass::Config,
                "only a worker with a certificate of this cluster may call this",
            )
            .hint("join with `rookery worker --driver URL --join-token TOKEN`"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use rookery_tls::Member;

    use super::*;

    fn request(path: &str, token: Option<&str>, role: Option<Role>) -> Request {
        let member = role.map(|role| {
            Arc::new(Member {
                role,
                names: Vec::new(),
            })
        });
        let caller = Caller {
            address: "10.0.0.7:4000".parse().unwrap(),
            reached: None,
            member,
        };
        let mut request = Request::builder().uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.extension(ConnectInfo(caller));
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn each_service_asks_for_its_own_proof() {
        let admission = |tls| Admission {
            token: Some(Token::new("s3cret").unwrap()),
            tls,
        };
        let jobs = "/rookery.v1.JobService/ListJobs";
        let (join, register) = (
            "/rookery.v1.JoinService/Join",
            "/rookery.v1.MembershipService/Register",
        );
        let (token, wrong) = (Some("s3cret"), Some("S3cret"));
        let (driver, worker) = (Some(Role::Driver), Some(Role::Worker));
        for (tls, path, token, role, admitted) in [
            (true, jobs, token, None, true),
            (true, jobs, wrong, None, false),
            (true, jobs, None, worker, false),
            (true, join, None, None, true),
            (true, register, token, worker, true),
            (true, register, token, None, false),
            (true, register, token, driver, false),
            (true, register, wrong, worker, false),
            (false, register, token, None, true),
            (false, register, None, None, false),
            (false, join, None, None, false),
        ] {
            let checked = admission(tls).check(&request(path, token, role));
            assert_eq!(checked.is_ok(), admitted, "{tls} {path} {token:?} {role:?}");
        }
    }
}
