//! Decides what an agent reports and when: changes soon but together, usage rarely.

use crate::report::{AgentState, Report, SupplyReports, Usage, Vms, VmsReport};
use clock::{Span, Tick};

/// The least time between two reports of changes, so that a boot of many VMs results in few reports.
pub const CHANGES_INTERVAL: Span = Span::seconds(1);
/// The least time between two reports of usage.
pub const USAGE_INTERVAL: Span = Span::seconds(30);

/// The complete state of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    pub agent: AgentState,
    pub vms: Vms,
    pub usage: Usage,
    pub supplies: SupplyReports,
}

/// Decides what to report when, from what was last sent on the stream.
#[derive(Clone, Debug, Default)]
pub struct ReportDebouncer {
    last: Option<LastSent>,
}

#[derive(Clone, Debug)]
struct LastSent {
    node: NodeState,
    changes_at: Tick,
    usage_at: Tick,
}

impl ReportDebouncer {
    /// Starts a new stream, whose first report is complete.
    pub fn reset(&mut self) {
        self.last = None;
    }

    /// What to report about a node in this state, if it is time to report anything.
    pub fn report(&mut self, now: Tick, node: &NodeState) -> Option<Report> {
        let Some(last) = &mut self.last else {
            self.last = Some(LastSent { node: node.clone(), changes_at: now, usage_at: now });
            return Some(full_report(node));
        };
        let mut report = Report::default();
        if now >= last.changes_at + CHANGES_INTERVAL {
            report = changed_since(&last.node, node);
            if !report.is_empty() {
                last.changes_at = now;
                last.node = NodeState { usage: std::mem::take(&mut last.node.usage), ..node.clone() };
            }
        }
        if now >= last.usage_at + USAGE_INTERVAL && last.node.usage != node.usage {
            report.usage = Some(node.usage.clone());
            last.usage_at = now;
            last.node.usage = node.usage.clone();
        }
        Some(report).filter(|report| !report.is_empty())
    }

    /// When a change that follows the last report may be reported.
    pub fn wake_at(&self) -> Option<Tick> {
        self.last.as_ref().map(|last| last.changes_at + CHANGES_INTERVAL)
    }
}

fn full_report(node: &NodeState) -> Report {
    Report {
        agent: Some(node.agent.clone()),
        vms: Some(VmsReport { whole: true, vms: node.vms.clone(), ..VmsReport::default() }),
        usage: Some(node.usage.clone()),
        supplies: Some(node.supplies.clone()),
    }
}

fn changed_since(old: &NodeState, new: &NodeState) -> Report {
    let vms = || VmsReport::between(&old.vms, &new.vms);
    Report {
        agent: (old.agent != new.agent).then(|| new.agent.clone()),
        vms: (old.vms != new.vms).then(vms),
        usage: None,
        supplies: (old.supplies != new.supplies).then(|| new.supplies.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::report::{ClassUse, VmReport};

    fn at(millis: u64) -> Tick {
        Tick(0) + Span::millis(millis)
    }

    fn node(vms: &[&str]) -> NodeState {
        let class = ("p".to_owned(), "c".to_owned());
        let count = u32::try_from(vms.len()).unwrap();
        NodeState {
            vms: vms.iter().map(|uid| ((*uid).to_owned(), VmReport::default())).collect(),
            usage: [(class, ClassUse { vms: count, ..ClassUse::default() })].into(),
            ..NodeState::default()
        }
    }

    #[test]
    fn a_stream_starts_with_a_full_report_and_continues_with_changes() {
        let mut debouncer = ReportDebouncer::default();
        assert!(debouncer.report(at(0), &node(&["a", "b"])).unwrap().vms.unwrap().whole);
        assert_eq!(debouncer.report(at(5_000), &node(&["a", "b"])), None);
        let report = debouncer.report(at(6_000), &node(&["b", "c"])).unwrap();
        let vms = report.vms.unwrap();
        assert!(!vms.whole && vms.vms.contains_key("c") && vms.gone.contains("a") && vms.vms.len() == 1);
        assert_eq!((report.agent, report.supplies, report.usage), (None, None, None));
        debouncer.reset();
        assert!(debouncer.report(at(6_001), &node(&[])).unwrap().vms.unwrap().whole);
    }

    #[test]
    fn changes_are_reported_at_most_once_a_second_and_none_is_lost() {
        let mut debouncer = ReportDebouncer::default();
        debouncer.report(at(0), &node(&[]));
        assert_eq!(debouncer.report(at(10), &node(&["a"])), None);
        assert_eq!(debouncer.wake_at(), Some(at(1_000)));
        let report = debouncer.report(at(1_000), &node(&["a", "b"])).unwrap();
        assert_eq!(report.vms.unwrap().vms.len(), 2);
    }

    #[test]
    fn usage_is_reported_every_half_minute_if_it_has_changed() {
        let mut debouncer = ReportDebouncer::default();
        debouncer.report(at(0), &node(&[]));
        assert_eq!(debouncer.report(at(2_000), &node(&["a"])).unwrap().usage, None);
        assert_eq!(debouncer.report(at(30_000), &node(&["a"])).unwrap().usage, Some(node(&["a"]).usage));
        assert_eq!(debouncer.report(at(90_000), &node(&["a"])), None);
    }
}
