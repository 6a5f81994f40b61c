//! The state that a checkpoint holds.

use std::collections::BTreeMap;

use api::{Accepted, EntropyClassSpec, EntropyPoolSpec};
use serde::{Deserialize, Serialize};

use crate::attachments::{Attachment, ServedTotals};

/// Everything that a start needs from the previous process. Equal states are equal bytes on disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointState {
    /// On a host: what each object's `status.accepted` holds in a cluster.
    pub accepted: AcceptedSpecs,
    /// On a node: the configuration that was applied last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<LastGood>,
    /// Deleted pools and classes that are kept for the VMs that they still have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphans: Option<LastGood>,
    /// VMs that were attached through the API, by id.
    pub vms: BTreeMap<String, Attachment>,
    pub served: ServedTotals,
}

impl CheckpointState {
    /// Whether the two differ at most in what was served.
    pub(super) fn equals_but_for_totals(&self, other: &Self) -> bool {
        self.accepted == other.accepted
            && self.last_good == other.last_good
            && self.orphans == other.orphans
            && self.vms == other.vms
    }
}

/// The last accepted spec of every object, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AcceptedSpecs {
    pub pools: BTreeMap<String, Accepted<EntropyPoolSpec>>,
    pub classes: BTreeMap<String, Accepted<EntropyClassSpec>>,
}

/// A node's configuration as its sender encoded it, opaque to the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGood {
    /// The version of the encoding. A reader that does not know it asks for a new configuration.
    pub encoding: u16,
    #[serde(with = "hex")]
    pub bytes: Vec<u8>,
}

/// Bytes as hexadecimal digits, for JSON.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let text: String = digits.map(|digit| DIGITS[usize::from(digit)]).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom("expected pairs of hexadecimal digits");
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|pair| byte(pair).ok_or_else(wrong)).collect()
    }

    fn byte(pair: &[u8]) -> Option<u8> {
        let &[high, low] = pair else { return None };
        Some(digit(high)? << 4 | digit(low)?)
    }

    fn digit(digit: u8) -> Option<u8> {
        let value = char::from(digit).to_digit(16)?;
        u8::try_from(value).ok()
    }
}
