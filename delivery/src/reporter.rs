//! What an agent says of its node, and how often: changes at once, but not each by itself; what is used, seldom.

use crate::report::{AgentState, Report, SupplyReports, Usage, Vms, VmsReport};
use clock::{Span, Tick};

/// Between two reports of what changed. A boot of many VMs is a few reports.
pub const CHANGES_EVERY: Span = Span::seconds(1);
/// Between two reports of what is used.
pub const USAGE_EVERY: Span = Span::seconds(30);

/// How a node stands, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// The agent itself.
    pub agent: AgentState,
    /// Its VMs.
    pub vms: Vms,
    /// What is used.
    pub usage: Usage,
    /// How its pools stand.
    pub supplies: SupplyReports,
}

/// Remembers what was said on a stream.
#[derive(Clone, Debug, Default)]
pub struct ReportDebouncer {
    told: Option<LastSent>,
}

#[derive(Clone, Debug)]
struct LastSent {
    node: NodeState,
    changes_at: Tick,
    usage_at: Tick,
}

impl ReportDebouncer {
    /// A stream begins: whoever is at its end knows nothing yet.
    pub fn begin(&mut self) {
        self.told = None;
    }

    /// What to say of a node that stands so, if it is time to say anything.
    pub fn report(&mut self, now: Tick, node: &NodeState) -> Option<Report> {
        let Some(told) = &mut self.told else {
            self.told = Some(LastSent { node: node.clone(), changes_at: now, usage_at: now });
            return Some(whole(node));
        };
        let mut report = Report::default();
        if now >= told.changes_at + CHANGES_EVERY {
            report = changes(&told.node, node);
            if !report.is_empty() {
                told.changes_at = now;
                told.node = NodeState { usage: std::mem::take(&mut told.node.usage), ..node.clone() };
            }
        }
        if now >= told.usage_at + USAGE_EVERY && told.node.usage != node.usage {
            report.usage = Some(node.usage.clone());
            told.usage_at = now;
            told.node.usage = node.usage.clone();
        }
        Some(report).filter(|report| !report.is_empty())
    }

    /// When something that came just after a report may be said.
    pub fn next(&self) -> Option<Tick> {
        self.told.as_ref().map(|told| told.changes_at + CHANGES_EVERY)
    }
}

fn whole(node: &NodeState) -> Report {
    Report {
        agent: Some(node.agent.clone()),
        vms: Some(VmsReport { whole: true, vms: node.vms.clone(), ..VmsReport::default() }),
        usage: Some(node.usage.clone()),
        supplies: Some(node.supplies.clone()),
    }
}

fn changes(old: &NodeState, new: &NodeState) -> Report {
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
    fn a_stream_begins_with_everything_and_goes_on_with_what_changed() {
        let mut reporter = ReportDebouncer::default();
        assert!(reporter.report(at(0), &node(&["a", "b"])).unwrap().vms.unwrap().whole);
        assert_eq!(reporter.report(at(5_000), &node(&["a", "b"])), None);
        let report = reporter.report(at(6_000), &node(&["b", "c"])).unwrap();
        let vms = report.vms.unwrap();
        assert!(!vms.whole && vms.vms.contains_key("c") && vms.gone.contains("a") && vms.vms.len() == 1);
        assert_eq!((report.agent, report.supplies, report.usage), (None, None, None));
        reporter.begin();
        assert!(reporter.report(at(6_001), &node(&[])).unwrap().vms.unwrap().whole);
    }

    #[test]
    fn changes_come_at_most_once_a_second_and_none_is_forgotten() {
        let mut reporter = ReportDebouncer::default();
        reporter.report(at(0), &node(&[]));
        assert_eq!(reporter.report(at(10), &node(&["a"])), None);
        assert_eq!(reporter.next(), Some(at(1_000)));
        let report = reporter.report(at(1_000), &node(&["a", "b"])).unwrap();
        assert_eq!(report.vms.unwrap().vms.len(), 2);
    }

    #[test]
    fn what_is_used_comes_every_half_minute_and_only_when_it_is_new() {
        let mut reporter = ReportDebouncer::default();
        reporter.report(at(0), &node(&[]));
        assert_eq!(reporter.report(at(2_000), &node(&["a"])).unwrap().usage, None);
        assert_eq!(reporter.report(at(30_000), &node(&["a"])).unwrap().usage, Some(node(&["a"]).usage));
        assert_eq!(reporter.report(at(90_000), &node(&["a"])), None);
    }
}
