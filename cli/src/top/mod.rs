//! `top`: the tree at work.

mod plain;
mod screen;

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};

use crate::args::{Format, Global, TopArgs};
use crate::client::{DaemonClient, Trees};
use crate::view::Tree;

/// A live screen on a terminal, else one table after the other.
pub(crate) async fn top(global: &Global, args: &TopArgs) -> Result<()> {
    watch(DaemonClient::connect(&global.api).await?, global.output, args).await
}

/// The same of a daemon that was found otherwise.
pub(crate) async fn watch(mut daemon: DaemonClient, output: Format, args: &TopArgs) -> Result<()> {
    let mut looks = TopView { trees: daemon.watch(args.interval).await?, last: None };
    let live = output == Format::Table && args.tables().is_none() && io::stdout().is_terminal();
    if live { screen::show(&mut looks, args).await } else { plain::print(&mut looks, output, args).await }
}

/// One look after the other, each with the one before it.
struct TopView {
    trees: Trees,
    last: Option<Tree>,
}

impl TopView {
    /// The two latest looks; the first time it waits for two.
    async fn next(&mut self) -> Result<(Tree, Tree)> {
        let earlier = match self.last.take() {
            Some(tree) => tree,
            None => self.look().await?,
        };
        let tree = self.look().await?;
        self.last = Some(tree.clone());
        Ok((earlier, tree))
    }

    async fn look(&mut self) -> Result<Tree> {
        match self.trees.next().await? {
            Some(tree) => Ok(tree),
            None => bail!("the daemon has ended"),
        }
    }
}
