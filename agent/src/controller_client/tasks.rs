//! What the conversation wants done.

use std::sync::Arc;

use codec::Bytes;
use delivery::subscriber::SubscriberTask;
use delivery::{FromAgent, Move, Nack, ResourceSet, Version};

use super::connect;
use super::driver::Driver;
use super::fmt::{chain, spelled};
use crate::apply::ApplyError;
use crate::checkpoint::LastGood;

impl Driver {
    pub(super) fn act(&mut self, task: SubscriberTask<Bytes>) {
        match task {
            SubscriberTask::Connect => {
                self.connecting = Some(Box::pin(connect::connect(self.target.clone())))
            }
            SubscriberTask::Send(message) => self.send(message),
            SubscriberTask::Apply(content) => self.apply(&content),
            SubscriberTask::Persist => self.keep(),
            SubscriberTask::Move(order) => self.move_vm(&order),
            SubscriberTask::Authenticate => self.authenticate(),
            SubscriberTask::ConfigRolledBack { from, to } => self.rolled_back(&from, &to),
            SubscriberTask::Disconnect => self.hang_up(),
        }
    }

    pub(super) fn send(&mut self, message: FromAgent) {
        if self.stream.as_ref().is_some_and(|stream| !stream.send(message)) {
            self.lost("the controller does not read");
        }
    }

    fn apply(&mut self, content: &ResourceSet<Bytes>) {
        let result = self.put_in_force(content);
        if let Err(Nack { reason, message }) = &result {
            tracing::error!(reason, error = message, "nack; what was in force goes on");
        }
        self.status.change(|status| status.nacked = result.clone().err());
        self.subscriber.applied(result);
        // Sources came or went.
        self.look_soon();
    }

    fn put_in_force(&self, content: &ResourceSet<Bytes>) -> Result<(), Nack> {
        let config = codec::decode(content).map_err(|error| Nack::new(error.reason(), error.to_string()))?;
        let (pools, config) = (config.pools.len(), Arc::new(config));
        let refused = |error: ApplyError| Nack::new(error.reason(), chain(&error));
        self.agent.apply(&config).map_err(refused)?;
        tracing::info!(pools, "in force");
        for vm in self.agent.restore_missing() {
            tracing::info!(vm, "attached again");
        }
        Ok(())
    }

    fn keep(&mut self) {
        let version = self.subscriber.version();
        let bytes = codec::encode_persisted(version, self.subscriber.held());
        self.keep.keep(LastGood { encoding: codec::ENCODING, bytes });
        self.agent.is_of(version);
        self.status.change(|status| status.version = version.clone());
    }

    fn move_vm(&mut self, order: &Move) {
        let Move { ticket, uid, class } = order;
        let result = self.agent.move_vm(uid, class);
        match &result {
            Ok(()) => {
                tracing::info!(vm = uid, class, "moved");
                self.keep.moved(uid, class);
            }
            Err(error) => tracing::warn!(vm = uid, class, reason = error.reason(), %error, "not moved"),
        }
        let result = result.map_err(|error| Nack::new(error.reason(), error.to_string()));
        self.send(FromAgent::Moved { ticket: *ticket, result });
    }

    fn authenticate(&mut self) {
        match self.target.token.as_deref().map(connect::token) {
            Some(Ok(token)) => self.send(FromAgent::Token(token)),
            // The controller asks again, or hangs up.
            Some(Err(error)) => tracing::warn!(reason = error.reason(), %error, "not authenticated"),
            None => {}
        }
    }

    fn rolled_back(&mut self, from: &Version, to: &Version) {
        tracing::error!(
            reason = "ConfigRolledBack",
            from = spelled(from),
            to = spelled(to),
            "an older configuration is in force: for a minute controllers that had just listed had no other"
        );
        self.agent.rolled_back();
        self.status.change(|status| status.rolled_back += 1);
    }
}
