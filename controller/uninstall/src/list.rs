//! Lists of any length.

use std::fmt::Debug;

use kube::Api;
use kube::api::ListParams;

use crate::error::{UninstallError, api_call};

/// Objects per request.
const PAGE_SIZE: u32 = 500;

/// What `keep` makes of all objects, page by page, so that a large cluster takes little memory.
pub(crate) async fn list<K, T>(
    api: &Api<K>,
    what: &str,
    keep: impl Fn(K) -> Option<T>,
) -> Result<Vec<T>, UninstallError>
where
    K: Clone + Debug + serde::de::DeserializeOwned,
{
    let (mut params, mut all) = (ListParams::default().limit(PAGE_SIZE), Vec::new());
    loop {
        let page = api.list(&params).await.map_err(api_call(format!("list {what}")))?;
        all.extend(page.items.into_iter().filter_map(&keep));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
