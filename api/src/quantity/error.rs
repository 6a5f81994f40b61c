//! Why a quantity is refused, and what to write instead.

/// A quantity that cannot be taken. The text is a sentence for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Nothing was written.
    #[error("it is empty: {hint}")]
    Empty {
        /// What to write.
        hint: &'static str,
    },
    /// A space or another blank stands in it.
    #[error("{text:?} has a blank in it: write {without}")]
    Blank {
        /// What was written.
        text: String,
        /// The same without blanks.
        without: String,
    },
    /// It has a sign.
    #[error("{text:?} has a sign: write the digits alone")]
    Sign {
        /// What was written.
        text: String,
    },
    /// It has a decimal point, a comma or an exponent.
    #[error(
        "{text:?} is not a whole number of bytes: write a smaller unit instead of a fraction (1536, not 1.5Ki)"
    )]
    Fraction {
        /// What was written.
        text: String,
    },
    /// No digits where a number belongs.
    #[error("{text:?} does not start with a number: {hint}")]
    NoNumber {
        /// What was written.
        text: String,
        /// What to write.
        hint: &'static str,
    },
    /// A zero in front.
    #[error("{text:?} starts with a zero: leave it out")]
    LeadingZero {
        /// What was written.
        text: String,
    },
    /// Zero, which is said by leaving the field out.
    #[error("{text:?} is zero: leave {what} out instead")]
    Zero {
        /// What was written.
        text: String,
        /// What to leave out.
        what: &'static str,
    },
    /// `m`, which is milli to Kubernetes and mega to many people.
    #[error(
        "{text:?}: \"m\" is no unit of bytes: write {decimal} for millions or {binary} for 1,048,576s of bytes"
    )]
    Milli {
        /// What was written.
        text: String,
        /// The same with `M`.
        decimal: String,
        /// The same with `Mi`.
        binary: String,
    },
    /// `K`, which is 1000 to some and 1024 to others.
    #[error(
        "{text:?}: \"K\" could be 1000 or 1024: write {decimal} for thousands or {binary} for 1024s of bytes"
    )]
    BigK {
        /// What was written.
        text: String,
        /// The same with `k`.
        decimal: String,
        /// The same with `Ki`.
        binary: String,
    },
    /// Bits.
    #[error("{text:?} counts bits: write bytes, {instead}")]
    Bits {
        /// What was written.
        text: String,
        /// The same in bytes, or how to get there.
        instead: String,
    },
    /// A `B` for bytes.
    #[error("{text:?}: sizes are bytes anyway: leave the \"B\" out and write {instead}")]
    ByteSign {
        /// What was written.
        text: String,
        /// The same without it.
        instead: String,
    },
    /// Some other unit.
    #[error(
        "{text:?}: {unit:?} is no unit of bytes: write digits alone or followed by k, M, G, Ki, Mi or Gi"
    )]
    Unit {
        /// What was written.
        text: String,
        /// The part that is no unit.
        unit: String,
    },
    /// A rate without a period.
    #[error("{text:?} is a rate without a period: write how long it takes, as {text}/s or {text}/min")]
    NoPeriod {
        /// What was written.
        text: String,
    },
    /// `m` as a period.
    #[error("{text:?}: \"m\" is no period: write min for minutes or ms for milliseconds")]
    PeriodM {
        /// What was written.
        text: String,
    },
    /// Some other period.
    #[error("{text:?}: {period:?} is no period: write ms, s, min, h or d, or a whole number of them as 10s")]
    Period {
        /// What was written.
        text: String,
        /// The part that is no period.
        period: String,
    },
    /// A period that does not divide a day.
    #[error(
        "{text:?}: {period} does not divide a day, so the rate is no whole number of bytes a day: write {instead}"
    )]
    Uneven {
        /// What was written.
        text: String,
        /// The period.
        period: String,
        /// The nearest periods that do.
        instead: String,
    },
    /// More than can be counted or makes sense.
    #[error("{text:?} is too large: the most is {most}")]
    TooLarge {
        /// What was written.
        text: String,
        /// The largest value there is.
        most: &'static str,
    },
    /// A size after which something else follows.
    #[error("{text:?} is a rate, and a size belongs here: write {instead}")]
    RateForSize {
        /// What was written.
        text: String,
        /// Its size alone.
        instead: String,
    },
    /// Bits of min-entropy that are none.
    #[error(
        "{text:?} is no number of bits per byte: write a decimal string from \"0.1\" to \"8\" with at most one decimal"
    )]
    MinEntropy {
        /// What was written.
        text: String,
    },
}
