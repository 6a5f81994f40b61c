//! `run`, to come.
use crate::args::RunArgs;
use anyhow::Result;
pub(crate) fn run(args: &RunArgs) -> Result<()> {
    anyhow::bail!("{args:?}")
}
