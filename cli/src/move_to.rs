//! `docket move`: the unfinished tasks of a docket, to another store.

mod address;
mod cancels;
mod mover;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use docket::{Destination, ListFilter, Store, display_duration, limits};

use crate::args::{MoveArgs, Place};
use crate::end::{End, Outcome};
use crate::output;
use crate::place::Accept;
use mover::Mover;

/// A larger difference of the clocks makes tasks run early or late by as much.
const SKEW_MAX: Duration = Duration::from_secs(1);

/// Moves everything unfinished, until nothing is left at the source.
pub(crate) async fn move_to(place: &Place, args: MoveArgs) -> Outcome {
    let from = Place { url: Some(args.from), docket: place.docket.clone() };
    let to = Place { url: Some(args.to), docket: args.to_docket.or_else(|| place.docket.clone()) };
    // Before anything waits for the source.
    to.connect(Accept::Safe).check().await?;
    let (source, destination) = (open(&from, Accept::Any).await?, open(&to, Accept::Safe).await?);
    let (here, there) = (name_of(&from, &source)?, name_of(&to, &destination)?);
    if here == there {
        return Err(End::usage(format!("both sides are {here}; there is nothing to move")));
    }
    warn_of_skew(&source, &destination).await?;
    let mut mover = Mover::new(source, destination, there);
    if args.abandon {
        mover.abandon().await?;
    } else {
        mover.run().await?;
    }
    output::line(&mover.summary())?;
    Ok(())
}

/// One side. The destination accepts whatever the source could hold: the payload limit is for
/// adders.
async fn open(place: &Place, accept: Accept) -> Result<Arc<dyn Store>, End> {
    let docket = place.connect(accept).max_payload_bytes(limits::BATCH_BYTES_MAX).await?;
    if docket.store().capabilities().shared {
        return Ok(docket.store().clone());
    }
    Err(End::usage(
        "`docket move` needs a store that processes share on both sides, and a memory docket lives inside one process: \
         give redis:// or postgres:// URLs",
    ))
}

fn name_of(place: &Place, store: &Arc<dyn Store>) -> Result<Destination, End> {
    let name = store.capabilities().docket;
    Ok(Destination::new(address::readable(place.url.as_deref().unwrap_or_default(), &name))?)
}

/// Times move unchanged, so each store's clock decides when they have come.
async fn warn_of_skew(source: &Arc<dyn Store>, destination: &Arc<dyn Store>) -> Outcome {
    let none = ListFilter::default();
    let here = source.list(&none, None, 1).await?.now;
    let there = destination.list(&none, None, 1).await?.now;
    for (ahead, behind, what) in [(there, here, "earlier"), (here, there, "later")] {
        let skew = ahead.since(behind);
        if skew > SKEW_MAX {
            let skew = display_duration(Duration::from_secs(skew.as_secs()));
            output::remark(&format!("the clocks of the two stores differ: moved tasks will run about {skew} {what}"));
        }
    }
    Ok(())
}
