//! Columns, aligned.

/// Which side a column's cells stand on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table with its header.
pub(crate) struct Table {
    sides: Vec<Align>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: &str = "   ";

impl Table {
    /// An empty table; a header that begins with `>` has numbers below it.
    pub(crate) fn new(headers: &[&str]) -> Self {
        let side = |header: &&str| if header.starts_with('>') { Align::Right } else { Align::Left };
        let names = headers.iter().map(|header| header.trim_start_matches('>').to_owned());
        Self { sides: headers.iter().map(side).collect(), rows: vec![names.collect()] }
    }

    /// One more line.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.sides.len(), "a cell for each column");
        self.rows.push(cells.into());
    }

    /// Tables of the same columns as one, in which a first column says which of them a row is from.
    pub(crate) fn joined(name: &str, tables: impl IntoIterator<Item = (String, Self)>) -> Self {
        let mut joined = Self::new(&[name]);
        for (owner, table) in tables {
            let mut rows = table.rows.into_iter();
            let header = rows.next().unwrap_or_default();
            if joined.sides.len() == 1 {
                joined.sides.extend(&table.sides);
                joined.rows[0].extend(header);
            }
            joined.rows.extend(rows.map(|row| [vec![owner.clone()], row].concat()));
        }
        joined
    }

    /// Whether there is a header only.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The table as lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let widths: Vec<usize> = (0..self.sides.len()).map(|column| self.width(column)).collect();
        self.rows.iter().map(move |row| {
            let cells = row.iter().zip(&self.sides).zip(&widths);
            let padded: Vec<String> = cells.map(|((cell, side), width)| pad(cell, *side, *width)).collect();
            padded.join(GAP).trim_end().to_owned()
        })
    }

    /// The table as text, or `instead` where it has no rows.
    pub(crate) fn or(&self, instead: &str) -> String {
        if self.is_empty() { format!("{instead}\n") } else { self.lines().map(|line| line + "\n").collect() }
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    }
}

fn pad(cell: &str, side: Align, width: usize) -> String {
    match side {
        Align::Left => format!("{cell:<width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 2]]) -> Table {
        let mut table = Table::new(&["NAME", ">VMS"]);
        for row in rows {
            table.row(row.map(str::to_owned));
        }
        table
    }

    #[test]
    fn tables_are_joined_by_a_column_that_says_whose_a_row_is() {
        let tables =
            [("n1", table(&[["a", "1"], ["b", "20"]])), ("n2", table(&[])), ("n3", table(&[["c", "3"]]))];
        let joined = Table::joined("NODE", tables.map(|(node, table)| (node.to_owned(), table)));
        assert_eq!(
            joined.or("none"),
            "NODE   NAME   VMS\nn1     a        1\nn1     b       20\nn3     c        3\n"
        );
    }

    #[test]
    fn no_tables_are_joined_to_an_empty_one() {
        assert_eq!(Table::joined("NODE", []).or("none"), "none\n");
    }
}
