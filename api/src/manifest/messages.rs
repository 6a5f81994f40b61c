//! The messages for deviations from a schema.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::tree::YamlValue;
use crate::quantity;
use crate::schema::describe_pattern;

pub(super) fn wrong_type(schema: &JSONSchemaProps, value: &YamlValue) -> String {
    if let (YamlValue::Int(number), Some(pattern)) = (value, &schema.pattern)
        && let Some(Err(error)) = quantity::check(pattern, &number.to_string())
    {
        return error.to_string();
    }
    let found = match value {
        YamlValue::Null => "nothing".to_owned(),
        YamlValue::Bool(value) => format!("the boolean {value}"),
        YamlValue::Int(number) => format!("the number {number}"),
        YamlValue::Float(number) => format!("the number {number}"),
        YamlValue::Text(text) => format!("the string {:?}", clipped(text)),
        YamlValue::List(_) => "a list".to_owned(),
        YamlValue::Map(_) => "an object".to_owned(),
    };
    let expected = match schema.type_.as_deref() {
        Some("object") => "an object".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => match (schema.minimum, schema.maximum) {
            (Some(min), Some(max)) => format!("an integer from {min} to {max}"),
            _ => "an integer".to_owned(),
        },
        _ => "a string".to_owned(),
    };
    let hint = match (schema.type_.as_deref(), value) {
        (Some("string"), YamlValue::Int(number)) => format!(": write \"{number}\", in quotes"),
        (Some("string"), YamlValue::Float(number)) => format!(": write \"{number}\", in quotes"),
        (Some("string"), YamlValue::Bool(value)) => format!(": write \"{value}\", in quotes"),
        _ => String::new(),
    };
    format!("expected {expected}, found {found}{hint}")
}

pub(super) fn unknown_field(key: &str, schema: &JSONSchemaProps) -> String {
    // Fields without a type are written by the cluster.
    let typed = schema.properties.iter().flatten().filter(|(_, property)| property.type_.is_some());
    let known: Vec<&str> = typed.map(|(name, _)| name.as_str()).collect();
    if known.is_empty() {
        return "unknown field; no fields are allowed here".to_owned();
    }
    match nearest(key, known.iter().copied()) {
        Some(meant) => format!("unknown field; did you mean {meant}?"),
        None => format!("unknown field; known fields are {}", known.join(", ")),
    }
}

/// The message for a required field that is missing, with the first sentence of its description.
pub(super) fn missing(property: &JSONSchemaProps) -> String {
    let meaning =
        property.description.as_deref().and_then(|text| text.split(". ").next()).unwrap_or_default();
    match meaning.trim_end_matches('.') {
        "" => "required".to_owned(),
        meaning => format!("required: {}", lower_first(meaning)),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Checks a string against the enum, the length and the pattern of its schema.
pub(super) fn invalid_string(
    schema: &JSONSchemaProps,
    text: &str,
    matches: impl Fn(&str, &str) -> bool,
) -> Option<String> {
    if let Some(values) = &schema.enum_ {
        let values: Vec<&str> = values.iter().filter_map(|value| value.0.as_str()).collect();
        return (!values.contains(&text)).then(|| unsupported_value(text, &values));
    }
    if let Some(message) = length("character", text.chars().count(), schema.min_length, schema.max_length) {
        return Some(message);
    }
    let pattern = schema.pattern.as_deref().filter(|pattern| !matches(pattern, text))?;
    let expected =
        describe_pattern(pattern).map_or_else(|| format!("it must match {pattern}"), str::to_owned);
    Some(format!("{:?} is invalid: {expected}", clipped(text)))
}

fn unsupported_value(text: &str, values: &[&str]) -> String {
    let text = clipped(text);
    match (nearest(&text, values.iter().copied()), values) {
        (Some(meant), _) => format!("unsupported value {text:?}; did you mean {meant}?"),
        (None, [only]) => format!("unsupported value {text:?}; the only supported value is {only}"),
        (None, _) => format!("unsupported value {text:?}; supported values are {}", values.join(", ")),
    }
}

/// The message for too many or too few characters or items.
pub(super) fn length(unit: &str, count: usize, min: Option<i64>, max: Option<i64>) -> Option<String> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    match (min, max) {
        (Some(min), _) if count < min && count == 0 => {
            Some(format!("empty: write at least {min} {unit}{}", plural(min)))
        }
        (Some(min), _) if count < min => {
            Some(format!("{count} {unit}{}: at least {min} are required", plural(count)))
        }
        (_, Some(max)) if count > max => {
            Some(format!("{count} {unit}{}: at most {max} are allowed", plural(count)))
        }
        _ => None,
    }
}

pub(super) fn too_many_properties(max: Option<i64>, count: usize) -> String {
    format!("{count} entries: at most {} are allowed", max.unwrap_or_default())
}

const fn plural(count: i64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

pub(super) fn out_of_range(schema: &JSONSchemaProps, number: i64) -> Option<String> {
    // Bounds are small integers, which doubles represent exactly, as they do all numbers near them.
    #[expect(clippy::cast_precision_loss, reason = "compared with small bounds only")]
    let value = number as f64;
    match (schema.minimum, schema.maximum) {
        (Some(min), Some(max)) if value < min || value > max => {
            Some(format!("{number} is out of range: write an integer from {min} to {max}"))
        }
        (Some(min), None) if value < min => Some(format!("{number} is too small: the minimum is {min}")),
        (None, Some(max)) if value > max => Some(format!("{number} is too large: the maximum is {max}")),
        _ => None,
    }
}

/// A value as it is written in a manifest.
pub(super) fn display(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn clipped(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(79).chain(['…']).collect()
}

/// The word that was probably meant, if any is similar; the first one if several are.
pub(super) fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    // Up to a third of the letters may differ.
    let allowed = text.chars().count().clamp(3, 12) / 3;
    words
        .into_iter()
        .map(|word| (distance(&text, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The number of letters to insert, delete, replace or transpose to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(64).collect();
    let other: Vec<char> = other.chars().take(64).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 0..one.len() {
        let mut row = vec![i + 1];
        for j in 0..other.len() {
            let changed = rows[i][j] + usize::from(one[i] != other[j]);
            let mut least = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i] == other[j - 1] && one[i - 1] == other[j] {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}
