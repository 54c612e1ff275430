//! The `docket` command: a thin shell over the library. Data goes to stdout, remarks and logs to stderr.

mod add;
mod args;
mod clock;
mod demo;
mod doctor;
mod end;
mod log;
mod migrate;
mod move_to;
mod operate;
mod output;
mod place;
mod read;
mod shapes;
mod smoke;
mod stored;
mod usage;
mod worker;

use std::process::ExitCode;

use args::{Args, ClockStep, Verb};
use end::{End, Outcome};

fn main() -> ExitCode {
    let args = match usage::parse() {
        Ok(args) => args,
        Err(end) => return end,
    };
    log::start(logged_by_default(&args.verb));
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return End::failed(format!("could not start the runtime: {error}")).report(),
    };
    let end = runtime.block_on(run(args));
    // A handler that blocks its thread must not hold up a worker that was told to leave.
    runtime.shutdown_background();
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => end.report(),
    }
}

async fn run(args: Args) -> Outcome {
    let place = &args.place;
    match args.verb {
        Verb::Demo => demo::run().await,
        Verb::Worker(args) => worker::worker(place, args).await,
        Verb::Add(args) => add::add(place, args).await,
        Verb::Show { key, format } => read::show(place, &key, format).await,
        Verb::Ls(args) => read::list(place, args).await,
        Verb::Stats(format) => read::stats(place, format).await,
        Verb::Workers(format) => read::workers(place, format).await,
        Verb::Cancel { key } => operate::cancel(place, &key).await,
        Verb::Requeue { keys } => operate::requeue(place, &keys).await,
        Verb::Move(args) => move_to::move_to(place, args).await,
        Verb::Clear { yes } => operate::clear(place, yes).await,
        Verb::Doctor(format) => doctor::doctor(place, format).await,
        Verb::Clock { step: None, format } => clock::show(place, format).await,
        Verb::Clock { step: Some(ClockStep::Settle), .. } => clock::settle(place).await,
        Verb::Migrate(step) => migrate::migrate(place, step).await,
    }
}

/// The default log level: everything of a worker, only errors of the demo, warnings of the other
/// verbs.
fn logged_by_default(verb: &Verb) -> &'static str {
    match verb {
        Verb::Worker(_) => "info",
        // It shows its retries itself, in bars that a log line would break.
        Verb::Demo => "error",
        _ => "warn",
    }
}
