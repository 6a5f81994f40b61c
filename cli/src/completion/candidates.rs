//! What may follow on the command line. If the daemon or libvirt does not answer, nothing is offered.

use std::env;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use proto::local::{Class, ListVmsRequest, Vm};

use crate::args::DefaultPaths;
use crate::client::{ClientError, DaemonClient};
use crate::commands::block_on;
use crate::libvirt::domain_names;

/// Nobody waits longer for a completion.
const TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) fn vms() -> Vec<CompletionCandidate> {
    let place = |vm: &Vm| format!("{}/{}", vm.pool, vm.class);
    attached().into_iter().map(|vm| candidate(vm.name.clone(), place(&vm))).collect()
}

/// A VM, or a kind.
pub(crate) fn explained() -> Vec<CompletionCandidate> {
    let kinds = ["EntropyPool", "EntropyClass"]
        .map(|kind| candidate(kind.to_owned(), "fields of manifests".to_owned()));
    vms().into_iter().chain(kinds).collect()
}

pub(crate) fn pools() -> Vec<CompletionCandidate> {
    let pools = ask(async |mut daemon| Ok(daemon.pools().await?.pools));
    pools.into_iter().map(|pool| CompletionCandidate::new(pool.name)).collect()
}

/// The classes of the pool that is named on the command line, or of the pool of a VM that is; else all.
pub(crate) fn classes() -> Vec<CompletionCandidate> {
    let words: Vec<_> = words().collect();
    let is_named = |name: &str| words.iter().any(|word| word == name);
    let named = attached().into_iter().find(|vm| is_named(&vm.name)).map(|vm| vm.pool);
    let named = named.or_else(|| value_of(&words, "--pool"));
    let of_pool = |class: &Class| named.as_ref().is_none_or(|pool| *pool == class.pool);
    all_classes().into_iter().filter(of_pool).map(|class| candidate(class.name, class.pool)).collect()
}

/// `POOL/CLASS`, and `POOL` for its default class.
pub(crate) fn pool_class() -> Vec<CompletionCandidate> {
    let classes = all_classes().into_iter().map(|class| format!("{}/{}", class.pool, class.name));
    pools().into_iter().chain(classes.map(CompletionCandidate::new)).collect()
}

/// `NAME=POOL/CLASS`, once there is a name.
pub(crate) fn vm_spec(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some((name, _)) = current.to_str().and_then(|text| text.split_once('=')) else { return Vec::new() };
    let spec = |place: &CompletionCandidate| {
        CompletionCandidate::new(
            [OsStr::new(name), OsStr::new("="), place.get_value()].iter().copied().collect::<OsString>(),
        )
    };
    let specs = pool_class().iter().map(spec).collect::<Vec<_>>();
    let fits = |spec: &CompletionCandidate| {
        spec.get_value().as_encoded_bytes().starts_with(current.as_encoded_bytes())
    };
    specs.into_iter().filter(fits).collect()
}

/// Names of sources, without the kernel's, which are not tested.
pub(crate) fn sources() -> Vec<CompletionCandidate> {
    let sources = ask(async |mut daemon| Ok(daemon.sources().await?.sources));
    let tested = sources.into_iter().filter(|source| source.stats.is_some());
    tested.map(|source| candidate(source.name, source.pool)).collect()
}

pub(crate) fn domains() -> Vec<CompletionCandidate> {
    let words: Vec<_> = words().collect();
    domain_names(value_of(&words, "--connect").as_deref()).into_iter().map(CompletionCandidate::new).collect()
}

fn candidate(value: String, help: String) -> CompletionCandidate {
    CompletionCandidate::new(value).help(Some(help.into()))
}

fn attached() -> Vec<Vm> {
    ask(async |mut daemon| Ok(daemon.vms(ListVmsRequest::default()).await?.vms))
}

fn all_classes() -> Vec<Class> {
    ask(async |mut daemon| Ok(daemon.classes(None).await?.classes))
}

fn ask<T>(question: impl AsyncFnOnce(DaemonClient) -> Result<Vec<T>, ClientError>) -> Vec<T> {
    let api = value_of(&words().collect::<Vec<_>>(), "--api")
        .map(PathBuf::from)
        .or_else(|| env::var_os("ENTROPOOL_API").map(PathBuf::from));
    let api = api.unwrap_or_else(|| DefaultPaths::here().api.clone());
    let answer = async { question(DaemonClient::connect(&api).await?).await };
    block_on(async { Ok(within(answer).await) }).unwrap_or_default()
}

async fn within<T>(answer: impl Future<Output = Result<Vec<T>, ClientError>>) -> Vec<T> {
    tokio::time::timeout(TIMEOUT, answer).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// The command line that is being completed.
fn words() -> impl Iterator<Item = String> {
    env::args().skip_while(|word| word != "--").skip(1)
}

/// `--flag VALUE` and `--flag=VALUE`.
fn value_of(words: &[String], flag: &str) -> Option<String> {
    let joined = |word: &String| word.strip_prefix(flag)?.strip_prefix('=').map(str::to_owned);
    let apart = |pair: &[String]| (pair[0] == flag).then(|| pair[1].clone());
    words.windows(2).find_map(apart).or_else(|| words.iter().find_map(joined))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_of_the_completed_line_is_found_in_both_spellings() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for line in ["entropool --api /a vms", "entropool vms --api=/a"] {
            assert_eq!(value_of(&words(line), "--api").as_deref(), Some("/a"), "{line}");
        }
        assert_eq!(value_of(&words("entropool vms --api"), "--api"), None);
    }

    #[test]
    fn a_name_alone_is_not_completed() {
        assert!(vm_spec(OsStr::new("web")).is_empty());
    }
}
