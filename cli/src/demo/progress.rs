//! The progress: a bar per task on a terminal, else a line per change.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use docket::{Docket, TaskKey, TaskState};
use docket_tasks::{Catalogue as _, MemoryCatalogue};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::EXPORT;
use crate::end::End;
use crate::output;

/// Watches the tasks of the demo.
pub(super) struct Progress {
    catalogue: Arc<MemoryCatalogue>,
    watched: Vec<Watched>,
    /// `None` where there is no terminal to draw on.
    bars: Option<MultiProgress>,
}

struct Watched {
    key: TaskKey,
    bar: ProgressBar,
    said: String,
}

impl Progress {
    pub(super) fn new(catalogue: &Arc<MemoryCatalogue>, keys: Vec<TaskKey>) -> Self {
        let bars = io::stderr().is_terminal().then(MultiProgress::new);
        let width = keys.iter().map(|key| key.as_str().len()).max().unwrap_or_default();
        let watch = |key: TaskKey| {
            let bar = bars.as_ref().map_or_else(ProgressBar::hidden, |bars| bars.add(ProgressBar::new(100)));
            bar.set_style(style());
            bar.set_prefix(format!("{:width$}", key.as_str()));
            Watched { key, bar, said: String::new() }
        };
        let watched = keys.into_iter().map(watch).collect();
        Self { catalogue: catalogue.clone(), watched, bars }
    }

    /// Looks at every task and shows what is new.
    pub(super) async fn show(&mut self, docket: &Docket) -> Result<(), End> {
        let export = self.catalogue.job(EXPORT).await?;
        for watched in &mut self.watched {
            let Some(task) = docket.store().get(&watched.key).await? else { continue };
            let job = export.as_ref().filter(|_| watched.key.as_str() == format!("export:{EXPORT}"));
            let percent = match (task.state, job) {
                (state, _) if state.is_finished() => 100,
                (_, Some(job)) => job.progress_pct.into(),
                _ => 0,
            };
            let said = match (task.state, job, &task.error) {
                (TaskState::Running, Some(job), _) => job.message.clone(),
                (TaskState::Scheduled, _, Some(error)) => format!("will be tried again: {error}"),
                (state, _, _) => state.to_string(),
            };
            watched.bar.set_position(percent);
            if watched.said != said {
                watched.bar.set_message(said.clone());
                if self.bars.is_none() {
                    output::line(&format!("{}  {percent:>3} %  {said}", watched.key))?;
                }
                watched.said = said;
            }
        }
        Ok(())
    }

    /// Leaves the bars where they are; gives the tasks in their order.
    pub(super) fn finish(self) -> Vec<TaskKey> {
        self.watched
            .into_iter()
            .map(|watched| {
                watched.bar.abandon();
                watched.key
            })
            .collect()
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  {bar:24} {pos:>3} %  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
