//! The first process of a daemon. It starts the worker, which serves, and starts it again when it dies.
//!
//! A kubelet or a service manager would do so, too, but later each time, and guests would wait for longer. Little
//! can go wrong here because there is little here: no configuration, no thread, and no socket that it serves but the one at which it
//! answers a pod's liveness probe. Of the worker's sockets it keeps copies, for the next worker. The supervisor also kills a
//! worker whose event loop or start hangs, so that the next one serves. Where systemd watches the service, the supervisor
//! reports to it.
//!
//! | signal | effect |
//! |---|---|
//! | SIGTERM, SIGINT | passed on; the supervisor ends when the worker has |
//! | SIGHUP | passed on to the worker that serves, which reads its manifests again |
//! | SIGUSR2 | starts a worker of the program that is on disk now, which takes over from the current one |

mod crash_loop;
mod event;
mod listen_fds;
mod liveness;
mod proc_status;
mod program;
mod restart_policy;
mod service_watchdog;
mod socket_store;
mod store_client;
mod supervise;
mod watchdog;
mod worker;
mod worker_channel;

pub(crate) use listen_fds::ListenFd;
pub(crate) use liveness::liveness_socket;
pub use liveness::probe;
pub(crate) use restart_policy::{OnSuccess, TRY_AGAIN};
pub(crate) use store_client::LeftSockets;
pub(crate) use supervise::{SupervisorOptions, supervise};
pub(crate) use worker::Worker;
