//! The table of `classes`.

use super::amount::{rate, total};
use super::pools::name;
use super::table::Table;
use crate::view::Class;

/// One line a class, children indented below their parents.
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
        let indent = "  ".repeat(depth(class, classes));
        table.row([
            class.pool.clone(),
            format!("{indent}{}", name(&class.name, class.closed)),
            rate(class.shape.rate),
            rate(class.promised),
            rate(class.shape.ceil),
            class.prio.to_string(),
            class.weight.to_string(),
            class.max_vms.map_or_else(|| class.vms.to_string(), |most| format!("{}/{most}", class.members)),
            class.waiting.to_string(),
            total(class.counters.bytes),
            total(class.counters.borrowed),
        ]);
    }
    table.or("No classes.")
}

/// How many classes stand above `class`.
pub(super) fn depth(class: &Class, classes: &[Class]) -> usize {
    let parent = |class: &Class| {
        let name = class.parent.as_deref()?;
        classes.iter().find(|other| other.pool == class.pool && other.name == name)
    };
    // A tree has no cycle; should an answer ever hold one, its length bounds the walk.
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
