//! Why a quantity is rejected, and what to write instead.

/// Why a quantity is rejected: a message for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("empty: {hint}")]
    Empty { hint: &'static str },
    #[error("{text:?} contains white space: write {without}")]
    WhiteSpace { text: String, without: String },
    #[error("{text:?} has a sign: write digits only")]
    Sign { text: String },
    /// It has a decimal point, a comma or an exponent.
    #[error("{text:?} is not a whole number of bytes: use a smaller unit (1536 instead of 1.5Ki)")]
    Fraction { text: String },
    #[error("{text:?} does not start with a number: {hint}")]
    NoNumber { text: String, hint: &'static str },
    #[error("{text:?} has a leading zero: remove it")]
    LeadingZero { text: String },
    #[error("{text:?} is zero: omit the field instead")]
    Zero { text: String },
    /// `m`, which is milli to Kubernetes and mega to many people.
    #[error(
        "{text:?}: \"m\" is not a unit of bytes: write {decimal} for multiples of 1,000,000 bytes or {binary} for \
         multiples of 1,048,576 bytes"
    )]
    Milli { text: String, decimal: String, binary: String },
    /// `K`, which is 1000 to some and 1024 to others.
    #[error(
        "{text:?}: \"K\" is ambiguous: write {decimal} for multiples of 1000 bytes or {binary} for multiples of 1024 \
         bytes"
    )]
    UpperK { text: String, decimal: String, binary: String },
    #[error("{text:?} is in bits: write it in bytes, {instead}")]
    Bits { text: String, instead: String },
    /// `B`, as in `KiB`.
    #[error("{text:?}: quantities are always in bytes: omit the \"B\" and write {instead}")]
    ByteSuffix { text: String, instead: String },
    #[error(
        "{text:?}: {unit:?} is not a unit of bytes: write digits, alone or followed by k, M, G, Ki, Mi or Gi"
    )]
    Unit { text: String, unit: String },
    #[error("{text:?} is a rate without a period: write {text}/s or {text}/min, for example")]
    NoPeriod { text: String },
    #[error("{text:?}: \"m\" is not a period: write min for minutes or ms for milliseconds")]
    PeriodM { text: String },
    #[error(
        "{text:?}: {period:?} is not a period: write ms, s, min, h or d, or a whole number of them, such as 10s"
    )]
    Period { text: String, period: String },
    #[error(
        "{text:?}: {period} does not divide a day, and rates are whole numbers of bytes per day: write {instead}"
    )]
    Uneven { text: String, period: String, instead: String },
    #[error("{text:?} is too large: the maximum is {max}")]
    TooLarge { text: String, max: &'static str },
    #[error("{text:?} is a rate, and a size is required: write {instead}")]
    RateForSize { text: String, instead: String },
    #[error(
        "{text:?} is not a number of bits per byte: write a decimal string from \"0.001\" to \"8\" with at most \
         three decimal places"
    )]
    MinEntropy { text: String },
}
