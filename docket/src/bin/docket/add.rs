//! `docket add`.

use std::time::Duration;

use docket::{AddAnswer, AddId, Client, Existing, Key, NewTask, Overrides, Queue};
use tokio::time::timeout;

use crate::args::{AddArgs, Place};
use crate::end::{End, Outcome};
use crate::output;
use crate::place::Accept;

/// How long it may take in all: whoever waits for it is told, whatever the store does.
const WHOLE: Duration = Duration::from_secs(9);

/// Adds the task, and prints its key.
pub(crate) async fn add(place: &Place, args: AddArgs) -> Outcome {
    // Made here, so that a caller who gets no answer can repeat it under the same key.
    let key = args.key.clone().unwrap_or_else(Key::unique);
    match timeout(WHOLE, send(place, args, key.clone())).await {
        Ok(end) => end,
        Err(_) => Err(End::unreachable(format!(
            "no answer within {}s; whether the task was added is unknown. The same command with --key {key} is safe",
            WHOLE.as_secs()
        ))),
    }
}

async fn send(place: &Place, args: AddArgs, key: Key) -> Outcome {
    let docket = place.open_shared("add", Accept::Safe).await?;
    let run_at = args.run_at();
    let queue = match args.queue {
        Some(queue) => queue,
        None => queue_of(docket.client(), &args.name).await?,
    };
    let task = NewTask {
        key,
        add_id: AddId::unique(),
        name: args.name,
        queue,
        args: args.args,
        run_at,
        every: None,
        overrides: Overrides::default(),
    };
    let answers = docket.client().add_all(std::slice::from_ref(&task)).await?;
    let answer = answers.into_iter().next().ok_or_else(|| End::failed("the store gave no answer for the only task"))?;
    output::line(task.key.as_str())?;
    match answer? {
        AddAnswer::Exists(Existing::In(state)) => {
            output::remark(&format!("the key exists already and is {state}; nothing was added"));
        }
        AddAnswer::Exists(Existing::Cancelling) => {
            output::remark("the key exists already and is being cancelled; nothing was added");
        }
        _ => {}
    }
    Ok(())
}

/// Where live workers expect the name; the default queue if none says so.
async fn queue_of(client: &Client, name: &docket::Name) -> Result<Queue, End> {
    Ok(client.queue_of(name).await?.unwrap_or_else(|| {
        output::remark(&format!("no live worker says in which queue it expects {name}; adding it to default"));
        Queue::default()
    }))
}
