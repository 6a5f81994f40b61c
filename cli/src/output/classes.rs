//! The table of `classes`.

use proto::local::Class;

use super::amount::{configured_rate, total};
use super::pools::name;
use super::table::Table;

/// One row per class, children indented below their parents.
pub(crate) fn classes(classes: &[Class]) -> String {
    let mut table = Table::new(&[
        "POOL",
        "CLASS",
        ">RATE",
        ">PROMISED",
        ">CEIL",
        ">PRIO",
        ">WEIGHT",
        ">VMS",
        ">WAITING",
        ">SERVED",
        ">BORROWED",
    ]);
    for class in classes {
        let shape = class.shape.unwrap_or_default();
        let counters = class.counters.unwrap_or_default();
        let indent = "  ".repeat(depth(class, classes));
        table.row([
            class.pool.clone(),
            format!("{indent}{}", name(&class.name, class.deleted)),
            configured_rate(shape.rate),
            configured_rate(class.promised),
            configured_rate(shape.ceil),
            class.prio.to_string(),
            class.weight.to_string(),
            class.max_vms.map_or_else(|| class.vms.to_string(), |most| format!("{}/{most}", class.members)),
            class.waiting.to_string(),
            total(counters.bytes),
            total(counters.borrowed),
        ]);
    }
    table.or("No classes.")
}

/// The number of classes above `class`.
pub(crate) fn depth(class: &Class, classes: &[Class]) -> usize {
    let parent = |class: &Class| {
        let name = class.parent.as_deref()?;
        classes.iter().find(|other| other.pool == class.pool && other.name == name)
    };
    // A tree has no cycle; the number of classes bounds the walk if a response has one.
    std::iter::successors(parent(class), |above| parent(above)).take(classes.len()).count()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn classes_are_a_tree() {
        insta::assert_snapshot!(classes(&samples::tree().classes));
    }
}
