//! A table with aligned columns that fits 80 columns.

use super::layout::{Layout, Severity};
use super::wrap::{DEFAULT_WIDTH, lines_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    /// Numbers are aligned to the right.
    right: bool,
    /// Shown only with `-o wide`.
    wide: bool,
    /// Prose, in lines that fit.
    prose: bool,
}

#[derive(Clone, Debug)]
struct Cell {
    text: String,
    severity: Option<Severity>,
}

pub(crate) struct Table {
    columns: Vec<Column>,
    /// The header is the first row.
    rows: Vec<Vec<Cell>>,
}

/// Between two columns; the narrow one where the table is wider than the usual terminal.
const GAPS: [&str; 2] = ["   ", "  "];

impl Table {
    /// An empty table. Signs before a header say what its column is: `>` numbers, aligned to the right; `+` shown only with
    /// `-o wide`; `~` prose that is wrapped, in the last column.
    pub(crate) fn new(headers: &[&str]) -> Self {
        let signs =
            |header: &str| header.chars().take_while(|sign| ">+~".contains(*sign)).collect::<String>();
        let column = |header: &&str| {
            let signs = signs(header);
            Column { right: signs.contains('>'), wide: signs.contains('+'), prose: signs.contains('~') }
        };
        let names =
            headers.iter().map(|header| Cell::of(header.trim_start_matches(['>', '+', '~']).to_owned()));
        Self { columns: headers.iter().map(column).collect(), rows: vec![names.collect()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) -> &mut Self {
        debug_assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.into_iter().map(Cell::of).collect());
        self
    }

    /// Says how bad the last row's cell in a column is.
    pub(crate) fn mark(&mut self, header: &str, severity: Option<Severity>) -> &mut Self {
        if let (Some(column), Some(row)) = (self.column(header), self.rows.last_mut()) {
            row[column].severity = severity;
        }
        self
    }

    /// Shows a column only with `-o wide` if it has the same text in all rows.
    pub(crate) fn collapse(&mut self, header: &str) {
        let Some(column) = self.column(header) else { return };
        let mut texts = self.rows.iter().skip(1).map(|row| &row[column].text);
        let first = texts.next();
        if texts.all(|text| Some(text) == first) {
            self.columns[column].wide = true;
        }
    }

    fn column(&self, header: &str) -> Option<usize> {
        self.rows.first()?.iter().position(|cell| cell.text == header)
    }

    /// One table of several with the same columns; a new first column has the name of the table that a row is from.
    pub(crate) fn joined(name: &str, tables: impl IntoIterator<Item = (String, Self)>) -> Self {
        let mut joined = Self::new(&[name]);
        for (owner, table) in tables {
            let mut rows = table.rows.into_iter();
            let header = rows.next().unwrap_or_default();
            if joined.columns.len() == 1 {
                joined.columns.extend(&table.columns);
                joined.rows[0].extend(header);
            }
            joined.rows.extend(rows.map(|row| [vec![Cell::of(owner.clone())], row].concat()));
        }
        joined
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The lines of the table, the header first.
    pub(crate) fn lines(&self, layout: Layout) -> Vec<String> {
        let shown: Vec<usize> =
            (0..self.columns.len()).filter(|column| layout.wide || !self.columns[*column].wide).collect();
        let mut widths: Vec<usize> = shown.iter().map(|column| self.width(*column)).collect();
        let prose = shown.last().is_some_and(|last| self.columns[*last].prose && !layout.wide);
        let last = if prose { widths.pop().unwrap_or(0) } else { 0 };
        let gap =
            GAPS.iter().find(|gap| total(&widths, gap) + last.min(20) <= DEFAULT_WIDTH).unwrap_or(&GAPS[1]);
        let room = layout.width.saturating_sub(total(&widths, gap) + gap.len() * usize::from(prose)).max(20);
        if prose {
            widths.push(last.min(room));
        }
        self.rows
            .iter()
            .flat_map(|row| {
                let cells: Vec<_> =
                    shown.iter().map(|column| (&row[*column], self.columns[*column])).collect();
                render(&cells, &widths, gap, prose, layout)
            })
            .collect()
    }

    /// The table as text, or the sentence `instead` if it has no rows.
    pub(crate) fn or(&self, instead: &str, layout: Layout) -> String {
        if self.is_empty() {
            return format!("{instead}\n");
        }
        self.lines(layout).into_iter().map(|line| line + "\n").collect()
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().map(|row| row[column].text.chars().count()).max().unwrap_or(0)
    }
}

impl Cell {
    fn of(text: String) -> Self {
        Self { text, severity: None }
    }
}

fn total(widths: &[usize], gap: &str) -> usize {
    widths.iter().sum::<usize>() + gap.len() * widths.len().saturating_sub(1)
}

/// A row as one line, or several if its last cell is wrapped.
fn render(
    cells: &[(&Cell, Column)],
    widths: &[usize],
    gap: &str,
    prose: bool,
    layout: Layout,
) -> Vec<String> {
    let (first, rest) = match cells.last().filter(|_| prose) {
        Some((cell, _)) => {
            let mut lines = lines_of(&cell.text, widths.last().copied().unwrap_or(0)).into_iter();
            (lines.next(), lines.collect())
        }
        None => (None, Vec::new()),
    };
    let wrapped = cells.len() - 1;
    let text = |at: usize, cell: &Cell| match &first {
        Some(first) if at == wrapped => first.clone(),
        _ => cell.text.clone(),
    };
    let padded = cells.iter().zip(widths).enumerate().map(|(at, ((cell, column), width))| {
        let text = text(at, cell);
        let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
        let text = layout.painted(&text, cell.severity);
        if column.right { blanks + &text } else { text + &blanks }
    });
    let line = padded.collect::<Vec<_>>().join(gap).trim_end().to_owned();
    let indent = total(&widths[..widths.len() - 1], gap) + gap.len() * usize::from(widths.len() > 1);
    let rest = rest.into_iter().map(|line| format!("{:indent$}{line}", ""));
    [line].into_iter().chain(rest).collect()
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
            joined.or("none", Layout::PLAIN),
            "NODE   NAME   VMS\nn1     a        1\nn1     b       20\nn3     c        3\n"
        );
    }

    #[test]
    fn joining_no_tables_gives_an_empty_one() {
        assert_eq!(Table::joined("NODE", []).or("none", Layout::PLAIN), "none\n");
    }

    #[test]
    fn wide_columns_are_shown_on_request_and_a_column_of_one_text_likewise() {
        let mut table = Table::new(&["NAME", "NAMESPACE", "+>CEIL"]);
        table.row(["a", "x", "1"].map(str::to_owned));
        table.row(["b", "x", "2"].map(str::to_owned));
        assert_eq!(table.or("", Layout::PLAIN), "NAME   NAMESPACE\na      x\nb      x\n");
        table.collapse("NAMESPACE");
        assert_eq!(table.or("", Layout::PLAIN), "NAME\na\nb\n");
        let wide = Layout { wide: true, ..Layout::PLAIN };
        assert_eq!(
            table.or("", wide),
            "NAME   NAMESPACE   CEIL\na      x              1\nb      x              2\n"
        );
    }

    #[test]
    fn prose_is_wrapped_below_its_header() {
        let mut table = Table::new(&["CHECK", "~WHAT"]);
        table.row(["one", "a sentence that needs more than one line"].map(str::to_owned));
        let narrow = Layout { width: 30, ..Layout::PLAIN };
        let lines = "CHECK   WHAT\none     a sentence that needs\n        more than one line\n";
        assert_eq!(table.or("", narrow), lines);
    }

    #[test]
    fn a_wide_table_has_narrow_gaps() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["a".repeat(39), "b".repeat(39)]);
        assert!(table.or("", Layout::PLAIN).contains("a  b"));
    }

    #[test]
    fn a_bad_cell_is_coloured_where_colour_is_wanted() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["a", "failed"].map(str::to_owned)).mark("STATE", Some(Severity::Error));
        assert!(!table.or("", Layout::PLAIN).contains('\x1b'));
        let color = Layout { color: true, ..Layout::PLAIN };
        assert!(table.or("", color).contains("a      \x1b[31mfailed\x1b[0m"), "{}", table.or("", color));
    }
}
