//! Makes files of the run directory anew that were removed under a running daemon.

use std::fs;
use std::sync::Arc;

use anyhow::Result;
use dataplane::Address;

use super::run::Daemon;
use super::run_dir::RunDirOptions;
use crate::api::LocalApi;
use crate::config::ConfigSource;
use crate::handover::HandoverListener;
use crate::unix_socket::ApiSocket;

impl<S: ConfigSource> Daemon<S> {
    /// Makes those files of the run directory anew that are gone.
    pub(super) fn repair_run_dir(&mut self) {
        if let Some(watcher) = &self.run_dir_watcher {
            watcher.acknowledge();
        }
        let no_api = self.api.is_gone();
        let no_handover = self.handover_listener.as_ref().is_some_and(HandoverListener::is_gone);
        if !no_api && !no_handover {
            return;
        }
        let run_dir = self.run_dir.directories.run.display();
        tracing::error!(
            %run_dir,
            vms = self.vms_without_socket(),
            reason = "RunDirRemoved",
            "files of the run directory were removed; making api.sock and handover.sock anew. A VM without a socket \
             keeps its connections: detach it and attach it again"
        );
        let (created, problems) = self.run_dir.directories.prepare();
        created.keep();
        for problem in problems {
            tracing::error!(problem, "failed to make a directory anew");
        }
        self.locks.renew(&self.run_dir.directories);
        if no_handover {
            self.handover_listener = self.run_dir.listen_for_successors(&self.events);
        }
        if no_api && let Err(error) = self.serve_api_anew() {
            tracing::error!(error = format!("{error:#}"), "failed to make api.sock anew");
        }
        if let Some(watcher) = &mut self.run_dir_watcher {
            watcher.watch();
        }
        tracing::info!(run_dir = %self.run_dir.directories.run.display(), "files of the run directory made anew");
    }

    fn serve_api_anew(&mut self) -> Result<()> {
        let RunDirOptions { directories, api_mode, api_address, .. } = &self.run_dir;
        let socket = ApiSocket::bind(&directories.api_socket(), *api_mode)?;
        let (agent, host) = (Arc::clone(&self.agent), Arc::new(self.events.clone()));
        let api = LocalApi::serve(socket, *api_address, agent, host)?;
        std::mem::replace(&mut self.api, api).leave();
        Ok(())
    }

    fn vms_without_socket(&self) -> usize {
        let Ok(snapshot) = self.agent.server().snapshot() else { return 0 };
        let vms = snapshot.pools.iter().flat_map(|pool| &pool.vms);
        let gone = |socket: &Option<Address>| matches!(socket, Some(Address::Unix(path)) if fs::symlink_metadata(path).is_err());
        vms.filter(|vm| gone(&vm.socket)).count()
    }
}
