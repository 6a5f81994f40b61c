//! The fields of manifests, as their schema describes them: for `explain`, `docs/manifests.md` and entropool.yaml(5).

mod explain;
mod markdown;
mod roff;

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) use explain::{explain, is_kind};
pub(crate) use roff::{NAME as MANUAL, manual_page};

/// A kind of object.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    group: String,
    version: String,
    /// `EntropyPool`, and the names that kubectl takes for it: `entropypools`, `entropypool`, `epool`.
    name: String,
    aliases: Vec<String>,
    /// The object itself, with the fields `spec` and `status`.
    root: Field,
}

/// A field of an object, with the fields below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    name: String,
    /// As kubectl spells it: `string`, `[]Object`, `map[string]string`.
    kind: String,
    required: bool,
    /// As JSON.
    default: Option<String>,
    allowed: Vec<String>,
    description: String,
    /// The sentences of the rules that the schema checks here.
    rules: Vec<String>,
    /// Of the object, or of each object of a list.
    fields: Vec<Self>,
}

/// Both kinds.
pub(crate) fn kinds() -> Vec<Kind> {
    let crd = |crd| serde_json::to_value(crd).expect("a definition has a JSON form");
    api::crds().into_iter().map(|definition| Kind::of(&crd(definition))).collect()
}

impl Kind {
    fn of(crd: &Value) -> Self {
        let (spec, names) = (&crd["spec"], &crd["spec"]["names"]);
        let version = &spec["versions"][0];
        let short = names["shortNames"].as_array().into_iter().flatten();
        let aliases = [&names["plural"], &names["singular"]].into_iter().chain(short).map(text).collect();
        Self {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            name: text(&names["kind"]),
            aliases,
            root: Field::of("", &version["schema"]["openAPIV3Schema"], false),
        }
    }

    fn spec(&self) -> Option<&Field> {
        self.root.fields.iter().find(|field| field.name == "spec")
    }
}

impl Field {
    fn of(name: &str, schema: &Value, required: bool) -> Self {
        let (items, description) = (&schema["items"], text(&schema["description"]));
        let below = if items.is_null() { schema } else { items };
        let is_required = |name: &String| list(&below["required"]).contains(name);
        let properties = below["properties"].as_object().into_iter().flatten();
        let fields = properties.map(|(name, field)| Self::of(name, field, is_required(name))).collect();
        let rule = |rule: &Value| rule["message"].as_str().map(str::to_owned);
        let rules = [schema, items].into_iter().flat_map(|part| part["x-kubernetes-validations"].as_array());
        Self {
            name: name.to_owned(),
            kind: kind(schema),
            required,
            default: (!schema["default"].is_null()).then(|| schema["default"].to_string()),
            allowed: list(if items.is_null() { &schema["enum"] } else { &items["enum"] }),
            description,
            rules: rules.flatten().filter_map(rule).collect::<BTreeSet<_>>().into_iter().collect(),
            fields,
        }
    }

    /// The field at a path such as `sources.device`.
    fn at<'a>(&'a self, path: &[&str]) -> Result<&'a Self, String> {
        let Some((first, rest)) = path.split_first() else { return Ok(self) };
        let found = self.fields.iter().find(|field| field.name == *first);
        found
            .ok_or_else(|| {
                let known: Vec<_> = self.fields.iter().map(|field| &*field.name).collect();
                let has = if known.is_empty() { "no fields".to_owned() } else { known.join(", ") };
                format!("there is no field {first} here; there is {has}")
            })?
            .at(rest)
    }
}

fn kind(schema: &Value) -> String {
    let own = schema["type"].as_str().unwrap_or("Object");
    match own {
        "array" => format!("[]{}", kind(&schema["items"])),
        "object" if !schema["additionalProperties"].is_null() => {
            format!("map[string]{}", kind(&schema["additionalProperties"]))
        }
        "object" => "Object".to_owned(),
        own => own.to_owned(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}
