//! Counting over many samples at once, in lanes of `u8` that one vector instruction adds.

/// Samples in a window of the counting tests.
pub(in crate::health) const WINDOW: usize = 4096;
/// The same as a count.
pub(super) const OF: u32 = 4096;
/// Windows in a long window, which detects less bias.
pub(super) const LONG: u32 = 16;
/// How many ones a lane of `u8` counters can count.
const LANE: usize = 128;

/// Runs `work` with the widest instructions that this processor has. Only what is inlined into it gets them.
#[inline]
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "instructions that not every processor has"))]
pub(super) fn with_fastest_instructions<T, R>(state: &mut T, work: impl FnOnce(&mut T) -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,popcnt,bmi1")]
        fn with_avx2<T, R>(state: &mut T, work: impl FnOnce(&mut T) -> R) -> R {
            work(state)
        }
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("bmi1")
        {
            // SAFETY: the processor has these instructions, as CPUID says.
            return unsafe { with_avx2(state, work) };
        }
    }
    work(state)
}

/// The sum of at most [`LANE`] zeros and ones. It cannot wrap; a sum that is checked for it is not vectorised.
#[inline(always)]
fn count(flags: impl Iterator<Item = u8>) -> u32 {
    flags.fold(0, u8::wrapping_add).into()
}

/// How many samples equal those in the other slice.
#[inline(always)]
pub(super) fn equal(samples: &[u8], others: &[u8]) -> u32 {
    let mut total = 0;
    for (samples, others) in samples.chunks(LANE).zip(others.chunks(LANE)) {
        total += count(samples.iter().zip(others).map(|(one, other)| u8::from(one == other)));
    }
    total
}

/// Ones of each bit, least significant first.
#[inline(always)]
pub(super) fn ones(samples: &[u8]) -> [u32; 8] {
    let mut totals = [0; 8];
    for chunk in samples.chunks(LANE) {
        add_ones(chunk, &mut totals);
    }
    totals
}

/// For each bit, in how many samples it equals that in the other slice.
#[inline(always)]
pub(super) fn equal_bits(samples: &[u8], others: &[u8]) -> [u32; 8] {
    let mut totals = [0; 8];
    let mut same = [0; LANE];
    for (samples, others) in samples.chunks_exact(LANE).zip(others.chunks_exact(LANE)) {
        for (same, (one, other)) in same.iter_mut().zip(samples.iter().zip(others)) {
            *same = !(one ^ other);
        }
        add_ones(&same, &mut totals);
    }
    totals
}

#[inline(always)]
fn add_ones(chunk: &[u8], totals: &mut [u32; 8]) {
    for (bit, total) in totals.iter_mut().enumerate() {
        *total += count(chunk.iter().map(|sample| sample >> bit & 1));
    }
}

/// How often each value comes, counted in four tables so that equal neighbours do not wait for each other.
#[inline(always)]
pub(super) fn histogram(samples: &[u8]) -> [u32; 256] {
    let mut tables = [[0u32; 256]; 4];
    let (quads, rest) = samples.as_chunks::<4>();
    for quad in quads {
        for (table, value) in tables.iter_mut().zip(quad) {
            table[usize::from(*value)] += 1;
        }
    }
    for value in rest {
        tables[0][usize::from(*value)] += 1;
    }
    std::array::from_fn(|value| tables.iter().map(|table| table[value]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_plain_loops() {
        let mut rng = 1u32;
        let mut samples = || -> Vec<u8> {
            let mut next = || {
                rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                rng.to_be_bytes()[0]
            };
            (0..1024).map(|_| next()).collect()
        };
        let (one, other) = (samples(), samples());
        let plain = |test: &dyn Fn(usize) -> bool| (0..1024).map(|at| u32::from(test(at))).sum::<u32>();
        assert_eq!(equal(&one, &other), plain(&|at| one[at] == other[at]));
        for bit in 0..8 {
            assert_eq!(ones(&one)[bit], plain(&|at| one[at] >> bit & 1 == 1));
            assert_eq!(equal_bits(&one, &other)[bit], plain(&|at| (one[at] ^ other[at]) >> bit & 1 == 0));
        }
        for value in 0..=255u8 {
            assert_eq!(histogram(&one)[usize::from(value)], plain(&|at| one[at] == value));
        }
    }
}
