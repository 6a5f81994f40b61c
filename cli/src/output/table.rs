//! A table with aligned columns.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

pub(crate) struct Table {
    alignments: Vec<Align>,
    /// The header is the first row.
    rows: Vec<Vec<String>>,
}

const GAP: &str = "   ";

impl Table {
    /// An empty table; a column whose header begins with `>` has numbers and is aligned to the right.
    pub(crate) fn new(headers: &[&str]) -> Self {
        let alignment = |header: &&str| if header.starts_with('>') { Align::Right } else { Align::Left };
        let names = headers.iter().map(|header| header.trim_start_matches('>').to_owned());
        Self { alignments: headers.iter().map(alignment).collect(), rows: vec![names.collect()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.alignments.len(), "a cell for each column");
        self.rows.push(cells.into());
    }

    /// One table of several with the same columns; a new first column has the name of the table that a row is from.
    pub(crate) fn joined(name: &str, tables: impl IntoIterator<Item = (String, Self)>) -> Self {
        let mut joined = Self::new(&[name]);
        for (owner, table) in tables {
            let mut rows = table.rows.into_iter();
            let header = rows.next().unwrap_or_default();
            if joined.alignments.len() == 1 {
                joined.alignments.extend(&table.alignments);
                joined.rows[0].extend(header);
            }
            joined.rows.extend(rows.map(|row| [vec![owner.clone()], row].concat()));
        }
        joined
    }

    fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let widths: Vec<usize> = (0..self.alignments.len()).map(|column| self.width(column)).collect();
        self.rows.iter().map(move |row| {
            let cells = row.iter().zip(&self.alignments).zip(&widths);
            let padded: Vec<String> = cells.map(|((cell, align), width)| pad(cell, *align, *width)).collect();
            padded.join(GAP).trim_end().to_owned()
        })
    }

    /// The table as text, or the sentence `instead` if it has no rows.
    pub(crate) fn or(&self, instead: &str) -> String {
        if self.is_empty() { format!("{instead}\n") } else { self.lines().map(|line| line + "\n").collect() }
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    }
}

fn pad(cell: &str, align: Align, width: usize) -> String {
    match align {
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
    fn joined_tables_have_a_column_with_the_table_of_a_row() {
        let tables =
            [("n1", table(&[["a", "1"], ["b", "20"]])), ("n2", table(&[])), ("n3", table(&[["c", "3"]]))];
        let joined = Table::joined("NODE", tables.map(|(node, table)| (node.to_owned(), table)));
        assert_eq!(
            joined.or("none"),
            "NODE   NAME   VMS\nn1     a        1\nn1     b       20\nn3     c        3\n"
        );
    }

    #[test]
    fn joining_no_tables_gives_an_empty_one() {
        assert_eq!(Table::joined("NODE", []).or("none"), "none\n");
    }
}
