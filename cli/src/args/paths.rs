//! Where a host's daemon has its directories: the system's for root, and a user's own for everybody else.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rustix::process::geteuid;

/// The default directories of a daemon and its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DefaultPaths {
    pub(crate) run: PathBuf,
    pub(crate) state: PathBuf,
    /// Of a client: where there is no daemon of its user's, the system's.
    pub(crate) api: PathBuf,
}

const SYSTEM_RUN: &str = "/run/entropool";
const SYSTEM_STATE: &str = "/var/lib/entropool";
const NAME: &str = "entropool";
const API: &str = "api.sock";

impl DefaultPaths {
    pub(crate) fn here() -> &'static Self {
        static HERE: LazyLock<DefaultPaths> = LazyLock::new(|| {
            let directory =
                |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            let state = directory("XDG_STATE_HOME").or_else(|| Some(directory("HOME")?.join(".local/state")));
            let session = Session { runtime: directory("XDG_RUNTIME_DIR"), state };
            DefaultPaths::of(geteuid().is_root(), session, Path::exists)
        });
        &HERE
    }

    fn of(is_root: bool, session: Session, exists: impl Fn(&Path) -> bool) -> Self {
        let system =
            Self { run: SYSTEM_RUN.into(), state: SYSTEM_STATE.into(), api: Path::new(SYSTEM_RUN).join(API) };
        let (false, Session { runtime: Some(runtime), state: Some(state) }) = (is_root, session) else {
            return system;
        };
        let (run, state) = (runtime.join(NAME), state.join(NAME));
        let own = run.join(API);
        let api = if !exists(&own) && exists(&system.api) { system.api } else { own };
        Self { run, state, api }
    }
}

/// The directories of a login session, by the XDG Base Directory Specification.
struct Session {
    runtime: Option<PathBuf>,
    state: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session { runtime: Some("/run/user/7".into()), state: Some("/home/u/.local/state".into()) }
    }

    #[test]
    fn root_and_services_have_the_systems_directories() {
        let system = DefaultPaths::of(true, session(), |_| false);
        assert_eq!((&*system.run, &*system.state), (Path::new(SYSTEM_RUN), Path::new(SYSTEM_STATE)));
        let service = Session { runtime: None, state: session().state };
        assert_eq!(DefaultPaths::of(false, service, |_| false), system);
    }

    #[test]
    fn a_user_has_directories_of_the_session_and_asks_the_system_where_only_it_serves() {
        let own = DefaultPaths::of(false, session(), |_| false);
        assert_eq!(own.run, Path::new("/run/user/7/entropool"));
        assert_eq!(own.state, Path::new("/home/u/.local/state/entropool"));
        assert_eq!(own.api, Path::new("/run/user/7/entropool/api.sock"));
        let system = DefaultPaths::of(false, session(), |path| path.starts_with("/run/entropool"));
        assert_eq!(system.api, Path::new("/run/entropool/api.sock"));
        assert_eq!(DefaultPaths::of(false, session(), |_| true).api, own.api);
    }
}
