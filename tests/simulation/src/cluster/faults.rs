//! What goes wrong in a cluster.

use clock::Span;
use controller::reflector::WatchKind;

use super::Cluster;
use super::mutation::ClusterMutation;
use crate::violation::Check;

impl Cluster {
    /// One fault in some seconds.
    pub(super) fn strike(&mut self) -> Result<(), Check> {
        if !self.dice.once_in(20) {
            return Ok(());
        }
        self.report.faults += 1;
        let now = self.now;
        let replica = usize::try_from(self.dice.below(self.replicas.len() as u64)).unwrap();
        let node = usize::try_from(self.dice.below(self.nodes.len() as u64)).unwrap();
        match self.dice.below(12) {
            0 | 1 => {
                let back = now + Span::millis(500 + self.dice.below(4_000));
                self.replicas[replica].crash(now, back);
                self.past.crashed(replica);
                self.disturb();
            }
            2 | 3 => {
                let thaws = now + Span::seconds(1 + self.dice.below(8));
                self.replicas[replica].frozen_until = thaws;
                self.nodes.iter_mut().for_each(|it| it.disturbed = thaws);
            }
            4 | 5 => {
                let kind = *self.dice.pick(&WatchKind::ALL);
                let until = now + Span::seconds(1 + self.dice.below(10));
                self.replicas[replica].late = Some((kind, until));
                self.nodes.iter_mut().for_each(|it| it.disturbed = until);
            }
            6 | 7 => self.cut(node),
            8 | 9 => {
                self.cut(node);
                let forgets = self.plant == Some(ClusterMutation::ForgottenConfig);
                let had = !self.nodes[node].config.pools.is_empty();
                self.nodes[node].restart(now, forgets);
                if had && self.nodes[node].config.pools.is_empty() {
                    let name = &self.nodes[node].name;
                    return Err(("P2", format!("{name} started again and serves no pool")));
                }
            }
            10 => self.api.back_up(),
            _ => {
                if self.past.restored.is_none() && self.api.restore() {
                    self.past.restored(now);
                    self.disturb();
                }
            }
        }
        Ok(())
    }

    /// The stream of a node breaks.
    pub(super) fn cut(&mut self, node: usize) {
        let now = self.now;
        self.hang_up(node);
        let node = &mut self.nodes[node];
        node.cut();
        node.subscriber.disconnected(now);
        node.disturbed = now;
    }

    /// The controller's end of a node's stream ends.
    pub(super) fn hang_up(&mut self, node: usize) {
        let Some(link) = self.nodes[node].link else { return };
        let replica = &mut self.replicas[link.replica];
        let name = &self.nodes[node].name;
        if replica.sessions.get(name).is_some_and(|(stream, _)| *stream == link.stream) {
            replica.sessions.remove(name);
            replica.state.set_disconnected(name);
        }
    }
}
