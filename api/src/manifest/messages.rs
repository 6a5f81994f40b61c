//! The sentences for what deviates from a schema.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::suggest::nearest;
use super::tree::YamlValue;
use crate::quantity;
use crate::schema::pattern_sentence;

/// A value of another type than the schema's.
pub(super) fn wrong_type(schema: &JSONSchemaProps, value: &YamlValue) -> String {
    if let (YamlValue::Int(number), Some(pattern)) = (value, &schema.pattern)
        && let Some(Err(refusal)) = quantity::judge(pattern, &number.to_string())
    {
        return refusal.to_string();
    }
    let is = match value {
        YamlValue::Null => "nothing".to_owned(),
        YamlValue::Bool(value) => format!("the truth value {value}"),
        YamlValue::Int(number) => format!("the number {number}"),
        YamlValue::Float(number) => format!("the number {number}"),
        YamlValue::Text(text) => format!("the text {:?}", clipped(text)),
        YamlValue::List(_) => "a list".to_owned(),
        YamlValue::Map(_) => "a block of fields".to_owned(),
    };
    let wanted = match schema.type_.as_deref() {
        Some("object") => "a block of fields".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => match (schema.minimum, schema.maximum) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            _ => "a whole number".to_owned(),
        },
        _ => "a text".to_owned(),
    };
    let hint = match (schema.type_.as_deref(), value) {
        (Some("string"), YamlValue::Int(number)) => format!("; write it in quotes, \"{number}\""),
        (Some("string"), YamlValue::Float(number)) => format!("; write it in quotes, \"{number}\""),
        (Some("string"), YamlValue::Bool(_)) => "; write it in quotes".to_owned(),
        _ => String::new(),
    };
    format!("{wanted} belongs here, not {is}{hint}")
}

/// A field that the schema does not have.
pub(super) fn unknown_field(key: &str, schema: &JSONSchemaProps) -> String {
    // Fields without a type are a cluster's to write, not a person's.
    let typed = schema.properties.iter().flatten().filter(|(_, property)| property.type_.is_some());
    let known: Vec<&str> = typed.map(|(name, _)| name.as_str()).collect();
    if known.is_empty() {
        return "there is no such field; nothing is to be written here".to_owned();
    }
    match nearest(key, known.iter().copied()) {
        Some(meant) => format!("there is no such field; did you mean {meant}?"),
        None => format!("there is no such field; there are {}", known.join(", ")),
    }
}

/// A field that is needed and not there.
pub(super) fn missing(property: &JSONSchemaProps) -> String {
    let meaning =
        property.description.as_deref().and_then(|text| text.split(". ").next()).unwrap_or_default();
    match meaning.trim_end_matches('.') {
        "" => "it is needed and missing".to_owned(),
        meaning => format!("it is needed and missing: {}", lower_first(meaning)),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A text that is none of the words, too long, or not of the pattern.
pub(super) fn bad_text(
    schema: &JSONSchemaProps,
    text: &str,
    matches: impl Fn(&str, &str) -> bool,
) -> Option<String> {
    if let Some(words) = &schema.enum_ {
        let words: Vec<&str> = words.iter().filter_map(|word| word.0.as_str()).collect();
        return (!words.contains(&text)).then(|| none_of(text, &words));
    }
    if let Some(message) = length("character", text.chars().count(), schema.min_length, schema.max_length) {
        return Some(message);
    }
    let pattern = schema.pattern.as_deref().filter(|pattern| !matches(pattern, text))?;
    let asks = pattern_sentence(pattern).map_or_else(|| format!("it must match {pattern}"), str::to_owned);
    Some(format!("{:?} does not fit: {asks}", clipped(text)))
}

fn none_of(text: &str, words: &[&str]) -> String {
    let written = clipped(text);
    match (nearest(text, words.iter().copied()), words) {
        (Some(meant), _) => format!("{written:?} is not known here; did you mean {meant}?"),
        (None, [only]) => format!("{written:?} is not known here; write {only}"),
        (None, _) => format!("{written:?} is not known here; write one of {}", words.join(", ")),
    }
}

/// More or fewer than there may be.
pub(super) fn length(what: &str, count: usize, least: Option<i64>, most: Option<i64>) -> Option<String> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    match (least, most) {
        (Some(least), _) if count < least && count == 0 => {
            Some(format!("it is empty: write at least {least} {what}{}", plural(least)))
        }
        (Some(least), _) if count < least => {
            Some(format!("{count} {what}{} are too few: at least {least}", plural(count)))
        }
        (_, Some(most)) if count > most => Some(format!("{count} {what}s are too many: at most {most}")),
        _ => None,
    }
}

/// More fields than there may be.
pub(super) fn too_many(most: Option<i64>, count: usize) -> String {
    format!("{count} entries are too many: at most {}", most.unwrap_or_default())
}

const fn plural(count: i64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A number outside its bounds.
pub(super) fn out_of_range(schema: &JSONSchemaProps, number: i64) -> Option<String> {
    // Bounds are small whole numbers, which doubles hold exactly; so is every number near enough to matter.
    #[expect(clippy::cast_precision_loss, reason = "compared with small bounds alone")]
    let value = number as f64;
    match (schema.minimum, schema.maximum) {
        (Some(least), Some(most)) if value < least || value > most => {
            Some(format!("{number} is out of bounds: write a whole number from {least} to {most}"))
        }
        (Some(least), None) if value < least => Some(format!("{number} is too low: write at least {least}")),
        (None, Some(most)) if value > most => Some(format!("{number} is too high: write at most {most}")),
        _ => None,
    }
}

/// A value as a person would write it.
pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What was written, if it is short enough to be repeated.
fn clipped(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(79).chain(['…']).collect()
}
