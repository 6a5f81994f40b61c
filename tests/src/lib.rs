//! Everything the tests that need more than one process stand on: real guests in QEMU, the real
//! daemon, a recording peer between the two and a plain EGD client.
//!
//! It refuses to know the daemon's crates: what it sees of entropool is its command line, its
//! sockets and `/proc`, as a user does. Start with [`Guest::boot`] and [`Daemon::start`].
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods)] // Tests look at a real clock: a guest cannot be told what time it is.

mod cpio;

pub mod arrivals;
pub mod binary;
pub mod clones;
pub mod cluster;
pub mod console;
pub mod daemon;
pub mod egd_client;
pub mod greedy_clients;
pub mod guest;
pub mod host;
pub mod image;
pub mod process;
pub mod proxy;
pub mod qemu_clients;
pub mod scrape;
pub mod systemd;

pub use arrivals::Arrivals;
pub use daemon::Daemon;
pub use egd_client::EgdClient;
pub use guest::{Guest, GuestTask};
pub use host::Host;
pub use image::Image;
pub use proxy::Proxy;
pub use qemu_clients::{QemuClients, Report};
pub use scrape::scrape;
pub use systemd::Systemd;
