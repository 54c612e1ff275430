//! One list record on a PDS, made to match the service.
//!
//! A user may have put an album into an order of their own, which only the record holds: existing
//! entries keep their position, new ones are appended. Only a difference is written, and only over
//! the state that was read; a concurrent write is read again. The record's key is known before the
//! record exists, from the list's creation time, so a run that dies after the write finds its own
//! record.

use docket_core::{Error, ErrorKind, Timestamp};
use serde_json::{Value, json};

use crate::pds::{Pds, time};
use crate::{AtUri, KeptRecord, ListId, Lists, PdsError, StrongRef, Swap, Tid, TrackList};

/// Tracks in one list, as the lexicon says.
pub(crate) const ITEMS_MAX: usize = 500;
/// How often one run retries because of a concurrent write.
const ROUNDS_MAX: usize = 3;
/// Lists of likes have one key in every repository: before the first album was made.
const LIKED_SINCE: Timestamp = Timestamp::from_micros(1_704_067_200_000_000);

/// The result for a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Listed {
    Written(StrongRef),
    Unchanged(StrongRef),
    /// It has no tracks with a record, and no record of its own.
    Empty,
}

/// Makes the record of `list` match the service; `now` is the time of the change, if there is one.
pub(crate) async fn sync_list(
    pds: &Pds,
    lists: &(impl Lists + ?Sized),
    list: &TrackList,
    now: Timestamp,
) -> Result<Listed, PdsError> {
    if list.tracks.len() > ITEMS_MAX {
        let why = format!("it has {} tracks, a list holds {ITEMS_MAX}", list.tracks.len());
        return Err(Error::invalid(format!("list {:?}", list.name), why).into());
    }
    let uri = address(pds, list)?;
    for _ in 0..ROUNDS_MAX {
        let kept = pds.atproto.get_record(&uri).await?;
        if kept.is_none() && list.tracks.is_empty() {
            return Ok(Listed::Empty);
        }
        let wanted = content(pds, list, kept.as_ref(), now);
        let (listed, written) = match kept {
            Some(kept) if is_same(&kept.value, &wanted) => {
                let found = StrongRef { uri: uri.clone(), cid: kept.cid };
                (Listed::Unchanged(found.clone()), found)
            }
            kept => {
                let swap = kept.as_ref().map_or(Swap::Absent, |kept| Swap::At(&kept.cid));
                match pds.atproto.put_record(&uri, &wanted, swap).await {
                    Ok(written) => (Listed::Written(written.clone()), written),
                    Err(PdsError::InvalidSwap(_)) => continue,
                    Err(error) => return Err(error),
                }
            }
        };
        lists.record_list(&list.id, &written).await?;
        return Ok(listed);
    }
    let why = format!("others wrote it {ROUNDS_MAX} times in the meantime");
    Err(Error::new(ErrorKind::Unavailable, "write a list", why).into())
}

/// Where the record is, or will be.
fn address(pds: &Pds, list: &TrackList) -> docket_core::Result<AtUri> {
    match &list.record {
        Some(uri) if uri.did() != list.did => {
            let why = format!("its record {uri} is not in the repository of {}", list.did);
            Err(Error::invalid(format!("list {:?}", list.name), why))
        }
        Some(uri) => Ok(uri.clone()),
        None => AtUri::new(&list.did, &pds.names.list(), Tid::at(list.created_at.unwrap_or(LIKED_SINCE))),
    }
}

fn content(pds: &Pds, list: &TrackList, kept: Option<&KeptRecord>, now: Timestamp) -> Value {
    let (kind, keeps_order) = match list.id {
        ListId::Album(_) => ("album", true),
        ListId::Liked(_) => ("liked", false),
    };
    let known = kept.filter(|_| keeps_order).map(|kept| items(&kept.value)).unwrap_or_default();
    let created_at = kept.and_then(|kept| kept.value["createdAt"].as_str().map(str::to_owned));
    let created_at = created_at.unwrap_or_else(|| time(list.created_at.unwrap_or(now)));
    let items: Vec<Value> = in_order(&list.tracks, &known).iter().map(|track| json!({ "subject": track })).collect();
    let mut content = json!({
        "$type": pds.names.list(), "items": items, "name": list.name, "listType": kind, "createdAt": created_at,
    });
    if kept.is_some() {
        content["updatedAt"] = time(now).into();
    }
    content
}

/// The tracks of a record, in its order; unreadable entries are skipped.
fn items(record: &Value) -> Vec<String> {
    let items = record["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item["subject"]["uri"].as_str().map(str::to_owned)).collect()
}

/// The tracks of the record, in its order, then the others in theirs.
fn in_order(tracks: &[StrongRef], known: &[String]) -> Vec<StrongRef> {
    let place = |track: &StrongRef| {
        let uri = track.uri.to_string();
        known.iter().position(|known| *known == uri).unwrap_or(known.len())
    };
    let mut tracks = tracks.to_vec();
    tracks.sort_by_cached_key(place);
    tracks
}

/// Whether a record says the same, whenever it was changed.
fn is_same(kept: &Value, wanted: &Value) -> bool {
    ["$type", "items", "name", "listType", "createdAt"].iter().all(|field| kept[field] == wanted[field])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(rkey: &str, cid: &str) -> StrongRef {
        let uri = format!("at://did:plc:ada/fm.plyr.track/{rkey}").parse().unwrap();
        StrongRef { uri, cid: cid.to_owned() }
    }

    #[test]
    fn what_is_there_keeps_its_place_what_is_new_comes_last_and_what_is_gone_goes() {
        let tracks = [track("a", "1"), track("b", "2"), track("c", "3"), track("d", "4")];
        let known: Vec<String> = ["c", "gone", "a"].iter().map(|rkey| track(rkey, "0").uri.to_string()).collect();
        let ordered = in_order(&tracks, &known);
        assert_eq!(ordered, [track("c", "3"), track("a", "1"), track("b", "2"), track("d", "4")]);
    }

    #[test]
    fn a_record_of_another_shape_has_no_order() {
        for record in [json!({}), json!({ "items": "x" }), json!({ "items": [1, { "subject": {} }] })] {
            assert_eq!(items(&record), Vec::<String>::new());
        }
    }

    #[test]
    fn only_the_time_of_change_may_differ() {
        let record = json!({ "$type": "t", "items": [], "name": "n", "listType": "album", "createdAt": "x" });
        let mut later = record.clone();
        later["updatedAt"] = "y".into();
        assert!(is_same(&record, &later));
        later["name"] = "m".into();
        assert!(!is_same(&record, &later));
    }
}
