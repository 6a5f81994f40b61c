//! `top` for a pipe, a log or a program.

use anyhow::Result;
use serde::Serialize;

use super::TopView;
use crate::args::{Format, TopArgs};
use crate::view::Span;
use crate::{output, render};

/// Prints as many tables as are asked for.
pub(super) async fn print(looks: &mut TopView, format: Format, args: &TopArgs) -> Result<()> {
    let mut printed = 0;
    while args.tables().is_none_or(|most| printed < most) {
        let (earlier, tree) = looks.next().await?;
        let rows = render::top(&earlier, &tree, args.vms);
        match format {
            Format::Json => {
                let seconds = Span::between(earlier.now, tree.now);
                output::json_line(&Document { seconds, rows: &rows })?;
            }
            Format::Table if printed == 0 => output::text(&render::top_table(&rows))?,
            Format::Table => output::text(&format!("\n{}", render::top_table(&rows)))?,
        }
        printed += 1;
    }
    Ok(())
}

/// What `-o json` prints on each line.
#[derive(Serialize)]
struct Document<'a> {
    /// The time between the two looks.
    seconds: Span,
    rows: &'a [render::TopRow],
}
