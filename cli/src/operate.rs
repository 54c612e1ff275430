//! `docket cancel`, `docket requeue`, `docket clear`.

use std::io::{self, BufRead as _, IsTerminal as _};

use docket::{CancelAnswer, Docket, Existing, RequeueAnswer, TaskKey};

use crate::args::Place;
use crate::end::{End, Outcome};
use crate::output;
use crate::place::Accept;

/// Cancels one task, and prints the result.
pub(crate) async fn cancel(place: &Place, key: &TaskKey) -> Outcome {
    let docket = place.open_shared("cancel", Accept::Any).await?;
    match docket.client().cancel(key).await? {
        CancelAnswer::Cancelled => output::line("cancelled")?,
        CancelAnswer::Cancelling => {
            output::line("cancelling")?;
            output::remark("it is running; its run was asked to stop");
        }
        CancelAnswer::Finished(state) if state.as_str() == "cancelled" => output::line("cancelled")?,
        CancelAnswer::Finished(state) => {
            return Err(End::failed(format!("{key} is already {state}; nothing was changed")));
        }
        CancelAnswer::NotFound => return Err(no_such_task(key)),
        other => return Err(End::failed(format!("the store answered {other:?}"))),
    }
    Ok(())
}

/// Requeues each task, and prints the keys of the requeued ones. A task that cannot be requeued
/// does not stop the others; a store that is down does.
pub(crate) async fn requeue(place: &Place, keys: &[TaskKey]) -> Outcome {
    let docket = place.open_shared("requeue", Accept::Any).await?;
    let mut failed: Option<End> = None;
    for key in keys {
        match requeue_one(&docket, key).await {
            Ok(()) => output::line(key.as_str())?,
            Err(end) if end.is_unreachable() => return Err(end),
            Err(end) => {
                failed = Some(match failed {
                    Some(earlier) => earlier.and(end),
                    None => end,
                });
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn requeue_one(docket: &Docket, key: &TaskKey) -> Outcome {
    // The fence of the current death: a repetition of this call never requeues a later one.
    let view = docket.store().get(key).await?.ok_or_else(|| no_such_task(key))?;
    match docket.client().requeue(key, view.fence).await? {
        RequeueAnswer::Requeued => Ok(()),
        RequeueAnswer::Exists(Existing::In(state)) => {
            Err(End::failed(format!("{key} is {state}, not dead; nothing was changed")))
        }
        RequeueAnswer::NotFound => Err(no_such_task(key)),
        _ => Err(End::failed(format!("{key} is being cancelled, not dead; nothing was changed"))),
    }
}

/// Deletes everything, after asking, and prints how many tasks there were.
pub(crate) async fn clear(place: &Place, yes: bool) -> Outcome {
    if !yes && !io::stdin().is_terminal() {
        return Err(End::usage("`docket clear` deletes every task of the docket; confirm with --yes"));
    }
    let docket = place.open_shared("clear", Accept::Any).await?;
    let name = docket.store().capabilities().docket;
    if !yes && !confirmed(name.as_str())? {
        return Err(End::failed("nothing was cleared"));
    }
    let cleared = docket.store().clear().await?;
    output::line(&cleared.to_string())?;
    Ok(())
}

fn confirmed(docket: &str) -> io::Result<bool> {
    output::remark(&format!("this deletes every task of the docket {docket}; type its name to continue:"));
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    Ok(typed.trim() == docket)
}

fn no_such_task(key: &TaskKey) -> End {
    End::not_found(format!("there is no task {key}"))
}
