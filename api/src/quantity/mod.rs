//! Sizes, rates and min-entropies: strings in a manifest, exact integers inside. Each type displays what was written
//! and compares by value: `64Ki/s` equals `65536/s`, and neither is ever rewritten into the other.

mod amount;
mod error;
mod min_entropy;
mod period;
mod rate;
mod size;

pub use error::QuantityError;
pub use min_entropy::MinEntropy;
pub use rate::Rate;
pub use size::Size;

/// Implements what all quantities have in common: a text beside a value, and a schema of type string.
macro_rules! string_quantity {
    ($type:ident, $value:ty, $parse:expr, $schema:expr) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.value == other.value
            }
        }

        impl Eq for $type {}

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.value.cmp(&other.value)
            }
        }

        impl std::hash::Hash for $type {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.value.hash(state);
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::quantity::QuantityError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let value: $value = $parse(text)?;
                Ok(Self { value, text: text.into() })
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
use string_quantity;

/// Parses `text` as the quantity whose schema has this pattern; `None` if the pattern is not that of a quantity.
pub(crate) fn check(pattern: &str, text: &str) -> Option<Result<(), QuantityError>> {
    if pattern == rate::pattern() {
        Some(text.parse::<Rate>().map(drop))
    } else if pattern == size::pattern() {
        Some(text.parse::<Size>().map(drop))
    } else if pattern == min_entropy::PATTERN {
        Some(text.parse::<MinEntropy>().map(drop))
    } else {
        None
    }
}
