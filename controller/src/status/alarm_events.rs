//! The Events for alarms of health tests. An agent reports its last alarms; it cannot cause more than one Event a minute
//! for each source of a pool, however many it reports.

use std::collections::BTreeMap;
use std::time::Duration;

use delivery::AlarmReport;
use plan::NodeReports;

use super::condition_events::ConditionEvent;
use super::node_events::EventObject;

const REASON: &str = "HealthTestAlarm";
/// The least time between two Events for one source. Of the alarms in between, the last becomes an Event.
const MIN_INTERVAL: Duration = Duration::from_mins(1);

/// The alarms that have been reported as Events, by node, pool and source.
#[derive(Debug, Default)]
pub(super) struct AlarmEvents {
    reported: BTreeMap<[String; 3], ReportedAlarm>,
}

#[derive(Clone, Copy, Debug)]
struct ReportedAlarm {
    ordinal: u64,
    at: Duration,
}

impl AlarmEvents {
    /// The Events due now.
    pub(super) fn due(&mut self, reports: &NodeReports, now: Duration) -> Vec<(EventObject, ConditionEvent)> {
        let mut before = std::mem::take(&mut self.reported);
        let mut due = Vec::new();
        for (key, alarm) in alarms(reports) {
            let known = before.remove(&key);
            let is_due =
                known.is_none_or(|known| known.ordinal != alarm.ordinal && known.at + MIN_INTERVAL <= now);
            if is_due {
                due.push((EventObject::Pool(key[1].clone()), event(&key, alarm)));
            }
            let reported = ReportedAlarm { ordinal: alarm.ordinal, at: now };
            self.reported.insert(key, known.filter(|_| !is_due).unwrap_or(reported));
        }
        // An agent that no longer reports an alarm does not thereby get another Event for it.
        let recent = before.into_iter().filter(|(_, reported)| reported.at + MIN_INTERVAL > now);
        self.reported.extend(recent);
        due
    }
}

fn alarms(reports: &NodeReports) -> impl Iterator<Item = ([String; 3], &AlarmReport)> {
    let pools = reports.iter().flat_map(|(node, report)| report.pools.iter().map(move |pool| (node, pool)));
    pools.flat_map(|(node, (pool, report))| {
        let alarms = report.supply.iter().flat_map(|supply| &supply.alarms);
        alarms.map(move |(source, alarm)| ([node.clone(), pool.clone(), source.clone()], alarm))
    })
}

fn event([node, _, source]: &[String; 3], alarm: &AlarmReport) -> ConditionEvent {
    let AlarmReport { ordinal, test, count, offset, permanent } = alarm;
    let effect = if *permanent {
        "it is off until a retest passes: see `kubectl entropool sources`"
    } else {
        "its start-up test runs again; repeated alarms take it out"
    };
    let text = format!(
        "source {source} on node {node}: alarm {ordinal} of its health tests: {test}, {count} at byte {offset}; {effect}"
    );
    ConditionEvent::warning(REASON, &text)
}

#[cfg(test)]
mod tests {
    use plan::{ApplyState, NodeReport, NodeSupply, PoolReport};

    use super::*;

    fn reports(ordinals: &[(&str, u64)]) -> NodeReports {
        let alarm = |ordinal| AlarmReport {
            ordinal,
            test: "RepetitionCount".to_owned(),
            count: 21,
            offset: 4096,
            permanent: ordinal == 3,
        };
        let alarms = ordinals.iter().map(|(source, ordinal)| ((*source).to_owned(), alarm(*ordinal)));
        let supply = NodeSupply { sources: BTreeMap::new(), alarms: alarms.collect(), served: None };
        let pool = PoolReport {
            apply_state: ApplyState::Running,
            supply: Some(supply),
            classes: std::sync::Arc::default(),
        };
        let node = NodeReport { pools: [("default".to_owned(), pool)].into(), ..NodeReport::default() };
        [("n1".to_owned(), node)].into()
    }

    fn due(events: &mut AlarmEvents, second: u64, ordinals: &[(&str, u64)]) -> Vec<String> {
        let due = events.due(&reports(ordinals), Duration::from_secs(second));
        due.into_iter().map(|(_, event)| event.note).collect()
    }

    #[test]
    fn each_alarm_is_one_event_about_the_pool() {
        let mut events = AlarmEvents::default();
        let now = Duration::from_secs(1);
        let first = events.due(&reports(&[("trng", 3)]), now);
        let [(EventObject::Pool(pool), event)] = &first[..] else { panic!("{first:?}") };
        let note = "source trng on node n1: alarm 3 of its health tests: RepetitionCount, 21 at byte 4096; it is off \
                    until a retest passes: see `kubectl entropool sources`";
        assert_eq!((&**pool, &*event.reason, &*event.note), ("default", "HealthTestAlarm", note));
        assert!(events.due(&reports(&[("trng", 3)]), now * 1000).is_empty(), "once");
        assert_eq!(due(&mut events, 2, &[("trng", 3), ("other", 1)]).len(), 1, "each source has its own");
    }

    #[test]
    fn an_agent_that_reports_alarms_without_end_causes_one_event_a_minute() {
        let mut events = AlarmEvents::default();
        let flood = (0..600).map(|at| {
            let ordinals: &[_] = if at % 3 == 0 { &[] } else { &[("trng", at)] };
            due(&mut events, at, ordinals).len()
        });
        assert_eq!(flood.sum::<usize>(), 10);
        // And the memory of it ends.
        assert!(due(&mut events, 1_000, &[]).is_empty());
        assert!(events.reported.is_empty());
    }
}
