//! Faults that no test of SP 800-90B 4.4 detects, or only slowly, and within how many samples ours do.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

use soak::{Rng, Run};
use source::fake::{Fake, FakeBehaviour, FakeNode, SECOND, device, pool};
use source::health::{HealthState, Limits, MinEntropy, Monitor, ReadFailure, SampleKind};
use source::{Output, Serving};

/// Makes the samples of a fault, from a random number and the sample's index.
type Fault = Box<dyn FnMut(&mut Rng, usize) -> u8 + Send>;

struct Case {
    name: String,
    fault: Fault,
    /// Samples of the fault within which it must be detected.
    within: usize,
}

fn byte(rng: &mut Rng) -> u8 {
    rng.roll().to_le_bytes()[0]
}

fn case(name: &str, within: usize, fault: impl FnMut(&mut Rng, usize) -> u8 + Send + 'static) -> Case {
    Case { name: name.to_owned(), fault: Box::new(fault), within }
}

/// A loop is detected in at most two of the spans that hold it, and the rest of a read, or within some windows after its
/// first round.
fn loops(period: usize) -> Case {
    let span = [1024, 16_384, 12 * 4096].into_iter().find(|span| period + 12 <= *span).unwrap_or(12 * 4096);
    let mut samples = vec![];
    case(&format!("a loop of {period}"), span + period + 12 + 2048, move |rng, at| {
        if samples.len() < period {
            samples.push(byte(rng));
        }
        samples[at % period]
    })
}

/// Generators whose every bit is a sum of earlier ones, and that repeat only after billions of bytes.
fn registers() -> Vec<Case> {
    const WITHIN: usize = 33 * 4096 + 4096;
    let (mut galois, mut fibonacci, mut shifts, mut shifts_of_64) = (1u32, 1u32, 7u32, 9u64);
    vec![
        case("a Galois register of 32 bits", WITHIN, move |_, _| {
            for _ in 0..8 {
                galois = galois >> 1 ^ (galois & 1).wrapping_neg() & 0x8020_0003;
            }
            galois as u8
        }),
        case("a Fibonacci register of 20 bits", WITHIN, move |_, _| {
            for _ in 0..8 {
                let bit = (fibonacci ^ fibonacci >> 3) & 1;
                fibonacci = fibonacci >> 1 | bit << 19;
            }
            fibonacci as u8
        }),
        case("Marsaglia's generator of 32 bits", WITHIN, move |_, _| {
            shifts ^= shifts << 13;
            shifts ^= shifts >> 17;
            shifts ^= shifts << 5;
            (shifts >> 8) as u8
        }),
        case("Marsaglia's generator of 64 bits", WITHIN, move |_, _| {
            shifts_of_64 ^= shifts_of_64 << 13;
            shifts_of_64 ^= shifts_of_64 >> 7;
            shifts_of_64 ^= shifts_of_64 << 17;
            (shifts_of_64 >> 32) as u8
        }),
    ]
}

/// Loops in which something changes in every round.
fn imperfect_loops() -> Vec<Case> {
    let flipped = [24, 1000, 40_001].map(|period| {
        let (mut samples, mut flip) = (vec![], 0);
        case(
            &format!("a loop of {period} with one bit flipped in each round"),
            period + 12 * 4096,
            move |rng, at| {
                if samples.len() < period {
                    samples.push(byte(rng));
                }
                if at % period == 0 {
                    flip = rng.below(8 * period as u64) as usize;
                }
                samples[at % period] ^ if at % period == flip / 8 { 1 << (flip % 8) } else { 0 }
            },
        )
    });
    let blurred = [24, 900, 5000, 65_536].map(|period| {
        let mut samples = vec![];
        case(
            &format!("a loop of {period} with one byte in five replaced"),
            // A short loop may lack the value by which it is found, until another is chosen.
            (period + 12 * 4096).max(26 * 4096),
            move |rng, at| {
                if samples.len() < period {
                    samples.push(byte(rng));
                }
                if rng.once_in(5) { byte(rng) } else { samples[at % period] }
            },
        )
    });
    let (mut drift, mut phase) = (0u32, 0u64);
    let drifting = [
        case("a level that drifts over all values", 4 * 4096, move |rng, _| {
            drift += 1;
            (drift / 64) as u8 ^ (rng.below(16) as u8)
        }),
        case("a slow wave with noise of six bits", 20 * 4096, move |rng, _| {
            phase += 1;
            let level = 128.0 + 96.0 * (phase as f64 / 100_000.0).sin();
            (level as u8).wrapping_add(rng.below(64) as u8)
        }),
    ];
    flipped.into_iter().chain(blurred).chain(drifting).collect()
}

fn cases() -> Vec<Case> {
    const WINDOW: usize = 4096;
    let mut all: Vec<Case> = [1, 2, 7, 8, 24, 32, 300, 1000, 5000, 16_000, 32_768, 40_001, 65_535, 65_536]
        .map(loops)
        .into_iter()
        .collect();
    let (mut lcg, mut lcg_low, mut lfsr, mut last, mut doubled, mut walk) = (7u16, 9u16, 1u16, 0, 0, 0u8);
    let mut history = [0u8; 512];
    all.extend([
        case("a counter", 1024 + 256 + 12 + 2048, |_, at| at as u8),
        case("a counter downwards in steps of 3", 1024 + 256 + 12 + 2048, |_, at| {
            (at as u8).wrapping_mul(253)
        }),
        case("the high byte of a congruential generator of 16 bits", 130_000, move |_, _| {
            lcg = lcg.wrapping_mul(25_173).wrapping_add(13_849);
            lcg.to_be_bytes()[0]
        }),
        case("both bytes of a congruential generator of 16 bits", 130_000, move |_, at| {
            if at % 2 == 0 {
                lcg_low = lcg_low.wrapping_mul(25_173).wrapping_add(13_849);
            }
            lcg_low.to_be_bytes()[at % 2]
        }),
        case("a shift register of 16 bits", 33 * 4096 + 4096, move |_, _| {
            for _ in 0..8 {
                let bit = (lfsr ^ lfsr >> 2 ^ lfsr >> 3 ^ lfsr >> 5) & 1;
                lfsr = lfsr >> 1 | bit << 15;
            }
            lfsr as u8
        }),
        case("each byte twice", 2 * WINDOW + 2048, move |rng, at| {
            if at % 2 == 0 {
                doubled = byte(rng);
            }
            doubled
        }),
        case("one byte in ten as the one before", 2 * WINDOW + 2048, move |rng, _| {
            if !rng.once_in(10) {
                last = byte(rng);
            }
            last
        }),
        case("a walk in steps of at most one", 2 * WINDOW + 2048, move |rng, _| {
            walk = walk.wrapping_add(rng.below(3) as u8).wrapping_sub(1);
            walk
        }),
        case("half of the bytes as 512 before", 30 * WINDOW, move |rng, at| {
            if rng.once_in(2) {
                history[at % 512] = byte(rng);
            }
            history[at % 512]
        }),
        case("a common value, one in fifteen", 5 * WINDOW + 2048, |rng, _| {
            if rng.once_in(15) { 42 } else { byte(rng) }
        }),
        case("zero words, one in ten", 3 * WINDOW, {
            let mut zero = false;
            move |rng, at| {
                if at % 4 == 0 {
                    zero = rng.once_in(10);
                }
                if zero { 0 } else { byte(rng) }
            }
        }),
        case("nibbles that are equal", 2 * WINDOW + 2048, |rng, _| (byte(rng) & 15) * 17),
        case("two values of the same parity", 2 * WINDOW + 2048, |rng, _| byte(rng) & 0xf0 | 5),
    ]);
    all.extend(registers());
    all.extend(imperfect_loops());
    for bit in 0..8 {
        all.push(case(&format!("bit {bit} stuck at 1"), 2 * WINDOW + 2048, move |rng, _| {
            byte(rng) | 1 << bit
        }));
        all.push(case(&format!("bit {bit} is 1 in 62 %"), 2 * WINDOW + 2048, move |rng, _| {
            let one = rng.below(100) < 62;
            byte(rng) & !(1 << bit) | u8::from(one) << bit
        }));
        all.push(case(&format!("bit {bit} is 1 in 53 %"), 33 * WINDOW, move |rng, _| {
            let one = rng.below(100) < 53;
            byte(rng) & !(1 << bit) | u8::from(one) << bit
        }));
        let mut copied = 0;
        all.push(case(
            &format!("bit {bit} copied from the byte before"),
            2 * WINDOW + 2048,
            move |rng, at| {
                copied = if at % 2 == 0 { byte(rng) } else { byte(rng) & !(1 << bit) | copied & 1 << bit };
                copied
            },
        ));
    }
    all.push(case("the top two bits stuck", 2 * WINDOW + 2048, |rng, _| byte(rng) & 0x3f));
    all
}

/// How many samples of the fault a healthy source of full entropy gave until it was detected.
fn detected(case: &mut Case, rng: &mut Rng) -> Option<usize> {
    let limits = Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE);
    let mut monitor = Monitor::new(limits, 0).unwrap();
    let healthy: Vec<u8> = (0..5000 + rng.below(20_000)).map(|_| byte(rng)).collect();
    let _ = monitor.observe(&healthy, 0);
    assert_eq!(monitor.state(), HealthState::Healthy);
    let (mut at, mut read) = (0, vec![]);
    while at < 2 * case.within {
        read.clear();
        read.extend((at..at + 2048).map(|at| (case.fault)(rng, at)));
        at += read.len();
        let _ = monitor.observe(&read, 0);
        if monitor.state() == HealthState::Failed {
            return Some(at);
        }
    }
    None
}

#[test]
fn every_fault_is_detected_within_its_number_of_samples() {
    let mut run = Run::begin("structure-faults", 1, 100);
    let mut rng = run.dice();
    for _ in 0..run.count() {
        for mut case in cases() {
            let samples = detected(&mut case, &mut rng);
            let Some(samples) = samples else { panic!("{} is not detected", case.name) };
            println!("{}: {samples} of {}", case.name, case.within);
            assert!(samples <= case.within + 2048, "{}: {samples} samples", case.name);
        }
    }
    run.figure("faults", cases().len());
}

/// Samples that `FullEntropy` holds back: a fault found within so many is in no byte of it.
const HELD_BACK: usize = 36 * 4096;

/// A pool of a source that gave good samples, which the fault replaces: what it serves until the fault is found, and how
/// many samples that takes.
struct Exposure {
    samples: usize,
    /// Bytes made of samples of the fault.
    served: usize,
}

fn expose(output: Output, case: Case, rng: &mut Rng) -> Exposure {
    let Case { name, mut fault, within } = case;
    let mut node = FakeNode::new(&[Fake::new(rng.roll())]);
    let index = node.add(pool(output, &[device("trng", 0)]));
    let mut served = node.draw(index, 20_000).len();
    assert_eq!(served, 20_000);
    let (before, mut at, mut own) = (node.fake(0).returned(), 0, Rng::new(rng.roll()));
    node.fake(0).generate(move || {
        at += 1;
        fault(&mut own, at - 1)
    });
    // What was tested and made of good samples waits before what follows.
    let pipeline = 8192 + 3 * 2048;
    while node.state(index, 0) != HealthState::Failed {
        let samples = node.fake(0).returned() - before;
        assert!(samples <= within + pipeline, "{output:?}, {name}: {samples} samples");
        served += node.draw(index, 1000).len();
        // A pool that needs no samples probes its source.
        node.advance(SECOND);
    }
    assert_eq!(node.status(index).serving, Serving::Held, "{output:?}, {name}");
    assert_eq!(node.draw(index, 1 << 16).len(), 0, "{output:?}, {name}: bytes of a source that failed");
    let samples = node.fake(0).returned() - before;
    let served = served.saturating_sub(made_of(output, before - START_UP));
    if output == Output::FullEntropy {
        assert!(within < HELD_BACK, "{name}");
        assert_eq!(served, 0, "{name}: bytes made of samples after the fault");
    }
    println!("{output:?}, {name}: {samples} samples, {served} bytes made of them");
    Exposure { samples, served }
}

/// Samples of the start-up test, of which nothing is made.
const START_UP: usize = 1024;

/// Bytes that are made of so many samples of eight bits; of `Stretched`, a generator's, any number.
fn made_of(output: Output, samples: usize) -> usize {
    match output {
        Output::Raw => samples,
        // A block takes 320 bits, and the first one seeds the generator. The next seed comes after more bytes than are drawn
        // before a fault.
        Output::FullEntropy => (samples / 40 - 1) * 32,
        Output::Stretched => 0,
    }
}

#[test]
fn no_byte_is_served_once_a_fault_is_found_whatever_is_promised() {
    let mut run = Run::begin("fault-table", 1, 50);
    let mut rng = run.dice();
    for (output, name) in
        [(Output::Raw, "raw"), (Output::Stretched, "stretched"), (Output::FullEntropy, "full_entropy")]
    {
        let (mut samples, mut served, mut faults, mut without) = (0, 0, 0, 0);
        for _ in 0..run.count() {
            for case in cases() {
                let exposure = expose(output, case, &mut rng);
                samples = samples.max(exposure.samples);
                served = served.max(exposure.served);
                without += usize::from(exposure.served == 0);
                faults += 1;
            }
        }
        run.figure(&format!("{name}_faults"), faults);
        run.figure(&format!("{name}_in_no_byte"), without);
        run.figure(&format!("{name}_most_samples"), samples);
        run.figure(&format!("{name}_most_bytes_of_the_fault"), served);
    }
}

#[test]
fn a_source_that_begins_again_with_the_same_bytes_is_found() {
    for output in [Output::Raw, Output::Stretched, Output::FullEntropy] {
        let mut node = FakeNode::new(&[Fake::new(1)]);
        let index = node.add(pool(output, &[device("trng", 0)]));
        node.draw(index, 1000);
        let first = node.fake(0).output();
        node.fake(0).set_behaviour(FakeBehaviour::Broken);
        node.advance(600 * SECOND);
        assert_eq!(node.state(index, 0), HealthState::Unavailable);
        let mut again = first.into_iter().chain(std::iter::repeat(0));
        node.fake(0).generate(move || again.next().unwrap());
        node.advance(600 * SECOND);
        let source = node.source(index, 0);
        assert_eq!((source.state, source.reason), (HealthState::Failed, Some("RepeatedStart")), "{output:?}");
    }
}

#[test]
fn a_source_that_begins_anew_each_time_is_not() {
    let limits = Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE);
    let (mut monitor, mut rng) = (Monitor::new(limits, 0).unwrap(), Rng::new(1));
    for _ in 0..10_000 {
        let samples: Vec<u8> = (0..100).map(|_| byte(&mut rng)).collect();
        let _ = monitor.observe(&samples, 0);
        assert_ne!(monitor.state(), HealthState::Failed);
        monitor.lost(ReadFailure::End, 0);
        monitor.opened(0);
    }
}

/// The second source of a pool copies the first, which gave so many samples more; some samples are replaced.
fn tie(output: Output, behind: usize, replaced: u64, rng: &mut Rng) -> Exposure {
    let mut node = FakeNode::new(&[Fake::new(rng.roll()), Fake::new(rng.roll())]);
    let index = node.add(pool(output, &[device("trng", 0), device("copy", 0)]));
    let mut served = node.draw(index, 60_000).len();
    let (before, first) = (node.fake(1).returned(), node.fake(0).clone());
    let (mut at, mut own) = (first.returned().saturating_sub(behind), Rng::new(rng.roll()));
    node.fake(1).generate(move || match first.returned_at(at) {
        Some(copied) => {
            at += 1;
            if own.below(100) < replaced { byte(&mut own) } else { copied }
        }
        None => byte(&mut own),
    });
    while node.state(index, 1) != HealthState::Failed {
        assert!(node.fake(1).returned() < before + (1 << 20), "{output:?}, {behind} {replaced}: not found");
        served += node.draw(index, 1000).len();
        node.advance(SECOND);
    }
    assert_eq!(node.state(index, 0), HealthState::Healthy, "the other is worth what it claims");
    assert_eq!(node.source(index, 1).reason, Some("CopiedSource"));
    let samples = node.fake(1).returned() - before;
    // Either source gives half of a block.
    let served = match output {
        Output::FullEntropy => served.saturating_sub(2 * made_of(output, before - START_UP)),
        Output::Raw | Output::Stretched => served,
    };
    Exposure { samples, served }
}

#[test]
fn a_source_that_copies_another_of_its_pool_is_found_and_in_no_byte_of_full_entropy() {
    let mut run = Run::begin("ties", 1, 200);
    let mut rng = run.dice();
    let (mut most, mut ties) = (0, 0);
    for _ in 0..run.count() {
        for output in [Output::Raw, Output::Stretched, Output::FullEntropy] {
            for (behind, replaced) in [(4096, 0), (5000, 0), (10_000, 20), (20_000, 40)] {
                let exposure = tie(output, behind, replaced, &mut rng);
                if output == Output::FullEntropy {
                    assert_eq!(exposure.served, 0, "{behind} {replaced}");
                }
                most = most.max(exposure.samples);
                ties += 1;
            }
        }
    }
    run.figure("ties", ties);
    run.figure("most_samples", most);
}
