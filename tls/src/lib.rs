//! Who is who in a cluster, and how that is proved: the driver is a small certificate authority.
//!
//! The driver makes an [`Authority`] once and certificates with it: its own at each start, a worker's when that joins.
//! To join, a worker needs a [`JoinToken`], which the driver made ([`JoinTokens`]) and which names the authority by its
//! [`Fingerprint`]: so the worker knows whom it talks to before it says anything. What it has then is an [`Identity`].
//!
//! A [`Port`] serves one TCP port, on TLS or in the clear, and tells who is at the other end ([`Caller`]); [`Trust`]
//! makes a client's connections. [`explain`](trouble::explain) says in one line what is wrong with one. Keys are kept
//! by [`private_file`], for their owner's eyes only.

mod authority;
mod certificate;
mod failing;
mod fingerprint;
mod identity;
mod join_token;
mod join_tokens;
mod names;
mod plain;
mod port;
pub mod private_file;
mod role;
mod server;
pub mod trouble;
mod trust;

pub use authority::{Authority, Request};
pub use certificate::CaCertificate;
pub use fingerprint::Fingerprint;
pub use identity::{Identity, PrivateKey};
pub use join_token::JoinToken;
pub use join_tokens::{JoinTokens, KeptToken};
pub use names::{host_of, is_this_machine, is_valid, of_request};
pub use plain::SPEAKS_TLS;
pub use port::{Caller, Member, Port};
pub use role::Role;
pub use server::Callers;
pub use trust::Trust;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

/// The cryptography that everything here uses.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
