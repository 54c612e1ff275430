//! Reading arrived tasks back before the source lets go of them.

use std::sync::Arc;

use docket::{Parcel, Result, Store, TaskState, TaskView};
use tokio::task::JoinSet;

/// Reads under way at once.
const READERS: usize = 8;

/// Compares each parcel with the record of its key; returns those that differ, and how.
///
/// Workers may already have started, so only fields that their runs cannot have changed are
/// compared: all of them for a task that waits as it came, the identity for one that has gone on in
/// the same life, nothing for a later life.
pub(crate) async fn differences(store: &Arc<dyn Store>, parcels: &[Parcel]) -> Result<Vec<String>> {
    let mut readers = JoinSet::new();
    for part in parcels.chunks(parcels.len().div_ceil(READERS).max(1)) {
        let (store, part) = (Arc::clone(store), part.to_vec());
        readers.spawn(async move {
            let mut found = Vec::new();
            for parcel in &part {
                // A task that ran and was trimmed does not count as a difference: it had arrived.
                if let Some(view) = store.get(&parcel.key).await? {
                    found.extend(difference(parcel, &view).map(|what| format!("{}: {what} differs", parcel.key)));
                }
            }
            Ok(found)
        });
    }
    let mut all = Vec::new();
    while let Some(part) = readers.join_next().await {
        all.extend(part.expect("a reader does not panic")?);
    }
    Ok(all)
}

fn difference(parcel: &Parcel, view: &TaskView) -> Option<&'static str> {
    if view.added_at != parcel.added_at {
        return None;
    }
    let waits = matches!(view.state, TaskState::Scheduled | TaskState::Ready) && view.visible_at == parcel.visible_at;
    [
        ("its name", view.name != parcel.name),
        ("its queue", view.queue != parcel.queue),
        ("its interval", view.every != parcel.every),
        ("its args", waits && view.args != parcel.args),
        ("its count of attempts", waits && view.attempts != parcel.attempts),
        ("its count of crashes", waits && view.crashes != parcel.crashes),
        ("its count of failures", waits && view.failures != parcel.failures),
    ]
    .into_iter()
    .find_map(|(what, differs)| differs.then_some(what))
}
