//! The table at the end.

/// One VM over the whole time.
pub(crate) struct Row {
    pub(crate) vm: &'static str,
    pub(crate) class: &'static str,
    /// Of its class, as the manifest says it.
    pub(crate) rate: String,
    /// Likewise.
    pub(crate) ceil: String,
    /// By the daemon, to this VM.
    pub(crate) served: u64,
    /// By the guest, as it says itself.
    pub(crate) read: u64,
    /// In the guest while all of them flooded, in bytes a second.
    pub(crate) pace: f64,
}

/// Headers, then the rows; numbers stand to the right.
pub(crate) fn render(rows: &[Row]) -> String {
    let sum: f64 = rows.iter().map(|row| row.pace).sum();
    let mut lines =
        vec![["VM", "CLASS", "RATE", "CEIL", "SERVED", "READ BY GUEST", "PACE", "SHARE"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            row.vm.to_owned(),
            row.class.to_owned(),
            row.rate.clone(),
            row.ceil.clone(),
            format!("{} B", row.served),
            format!("{} B", row.read),
            format!("{:.1} KiB/s", row.pace / 1024.0),
            format!("{:.0} %", 100.0 * row.pace / sum),
        ]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    lines.iter().map(|line| aligned(line, &widths)).collect()
}

fn aligned(line: &[String; 8], widths: &[usize; 8]) -> String {
    let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, &width))| match column {
        0 | 1 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    format!("  {}\n", cells.collect::<Vec<_>>().join("   "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_shares_add_up() {
        let row = |vm, class, served, pace| Row {
            vm,
            class,
            rate: "16Ki/s".to_owned(),
            ceil: "-".to_owned(),
            served,
            read: served - 64,
            pace,
        };
        let text = render(&[
            row("web-1", "default/gold", 296_000, 25_600.0),
            row("b", "default/bronze", 9_000, 7_168.0),
        ]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        assert!(lines[1].ends_with("78 %") && lines[2].ends_with("22 %"), "{text}");
    }
}
