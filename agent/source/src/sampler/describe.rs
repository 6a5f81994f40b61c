//! What people are told of a source that failed a test.

use crate::health::{Alarm, Cause, Cutoffs, HealthState, Limits, Severity, Test};

/// What happened, and what follows from it.
pub(super) fn of(cause: Cause, limits: &Limits, state: HealthState) -> String {
    let what = match cause {
        Cause::Alarm(alarm) => alarmed(alarm, limits),
        Cause::BlockTests => "25 blocks failed the FIPS 140-2 tests".to_owned(),
        Cause::Lost(_) => "it cannot be read".to_owned(),
    };
    match state {
        HealthState::Failed => format!("{what}; off until somebody looks at it and asks for a retest"),
        _ => format!("{what}; what was not yet conditioned was dropped, and it is tested anew"),
    }
}

fn alarmed(alarm: Alarm, limits: &Limits) -> String {
    let Cutoffs { repetition_count, adaptive_proportion } = match alarm.grade {
        Severity::Intermittent => limits.intermittent,
        Severity::Permanent => limits.permanent,
    };
    match alarm.test {
        Test::RepetitionCount => format!("the same byte came {repetition_count} times in a row"),
        Test::AdaptiveProportion => {
            format!("one byte came {adaptive_proportion} times in a window of {}", limits.kind.window())
        }
    }
}
