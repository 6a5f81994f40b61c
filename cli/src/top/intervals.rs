//! Pairs of trees, one interval apart.

use anyhow::{Context, Result};
use proto::local::Tree;
use tonic::Streaming;

use crate::client::ClientError;

/// Two trees, one interval apart.
pub(super) struct Interval {
    pub(super) earlier: Tree,
    pub(super) later: Tree,
}

impl Interval {
    pub(super) fn nanoseconds(&self) -> u64 {
        self.later.now.saturating_sub(self.earlier.now)
    }
}

/// One interval after the other.
pub(super) struct Intervals {
    trees: Streaming<Tree>,
    last: Option<Tree>,
}

impl Intervals {
    pub(super) fn new(trees: Streaming<Tree>) -> Self {
        Self { trees, last: None }
    }

    /// The first one takes two trees.
    pub(super) async fn next(&mut self) -> Result<Interval> {
        let earlier = match self.last.take() {
            Some(tree) => tree,
            None => self.tree().await?,
        };
        let later = self.tree().await?;
        self.last = Some(later.clone());
        Ok(Interval { earlier, later })
    }

    async fn tree(&mut self) -> Result<Tree> {
        let tree = self.trees.message().await.map_err(ClientError::from)?;
        tree.context("the daemon stopped")
    }
}
