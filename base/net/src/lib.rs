//! What all servers do before a request is read: bind a port, limit the connections on it, and disconnect slow
//! peers.
//!
//! A peer is distrusted until it has authenticated: [`ConnectionLimiter`] bounds how many connections there are and how
//! many of them one peer holds, [`accept_tls`] how long a handshake takes, and [`ConnectionTimeout`] how long a peer may
//! take to send its first byte or to authenticate. [`admin`] is the HTTP server for health and metrics. The crate
//! does not know what is served.
#![forbid(unsafe_code)]

pub mod admin;
mod connection_limiter;
mod connection_timeout;
mod evicting_listener;
mod exposition;
mod listener;
mod tls;

pub use connection_limiter::{ConnectionLimiter, ConnectionLimits, Permit, Slot};
pub use connection_timeout::{
    AuthenticationTimeout, ConnectionTimeout, FirstByte, FirstByteTimeout, TimeoutCondition,
    UnauthenticatedPermit,
};
pub use listener::{ACCEPT_RETRY, bind_tcp, bind_tcp_nonblocking, bind_tcp_when_free};
pub use tls::{AcceptedTls, accept_tls};
