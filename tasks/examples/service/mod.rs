//! The service, from its options to its end.

mod app;
mod data;
mod options;
mod outside;
mod probes;
mod refusal;
mod routes;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use docket::{Connect, Docket, Error, Registry, Result, Settings, Worker};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use app::App;
use data::Data;
use options::{Options, Place};
use probes::Probes;

/// How long requests may take to end once the service goes down: as long as a worker's tasks by default.
const GRACE: Duration = Duration::from_secs(3);

/// Runs the service until a signal ends it.
pub(crate) async fn main(args: impl Iterator<Item = String>) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.chain(), "the service ended");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: impl Iterator<Item = String>) -> Result<()> {
    let options = Options::read(args)?;
    let docket = Connect::from_vars(docket_var).await?;
    options.check(&docket)?;
    let data = Data::from_env().await?;
    let services = Arc::new(outside::services(&data)?);
    let down = CancellationToken::new();

    let worker = match options.worker {
        Place::None => None,
        Place::InProcess | Place::Only => Some(worker(&docket, services.clone())?),
    };
    let probes = Probes::new(docket.clone(), worker.as_ref().map(Worker::health), down.clone());
    let router = match options.worker {
        Place::Only => probes.router(),
        Place::InProcess | Place::None => {
            probes.router().merge(routes::router(App { docket, data, services, down: down.clone() }))
        }
    };
    let failed = |error| Error::config("listen", format!("{}", options.listen)).with_source(error);
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    tracing::info!(address = %options.listen, worker = ?options.worker, "serving");
    tokio::spawn(go_down_on_signal(down.clone()));
    match worker {
        None => serve(listener, router, down).await,
        Some(worker) => both(worker, serve(listener, router, down.clone()), down).await,
    }
}

/// A variable of the docket, whose name is `plyr` unless `DOCKET_NAME` says another.
fn docket_var(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    value.or_else(|| (name == "DOCKET_NAME").then(|| "plyr".to_owned()))
}

fn worker(docket: &Docket, services: Arc<docket_tasks::Services>) -> Result<Worker> {
    let mut registry = Registry::new();
    docket_tasks::register(&mut registry)?;
    docket_tasks::register_pds(&mut registry)?;
    docket.worker().registry(registry).settings(Settings::from_env()?).state(services).build()
}

/// Whichever ends first, by itself or by a signal (each handles them), ends the other; both are
/// waited for.
async fn both(worker: Worker, serving: impl Future<Output = Result<()>>, down: CancellationToken) -> Result<()> {
    let stop = worker.stop_handle();
    let working = async {
        let ended = worker.run().await;
        down.cancel();
        ended
    };
    let serving = async {
        let ended = serving.await;
        stop.stop();
        ended
    };
    let (of_worker, of_routes) = tokio::join!(working, serving);
    of_worker.and(of_routes)
}

/// Takes no new requests once the service goes down, and ends those under way.
async fn serve(listener: TcpListener, router: Router, down: CancellationToken) -> Result<()> {
    let ending = down.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { ending.cancelled().await });
    let too_late = async {
        down.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving => served.map_err(|error| Error::config("serve", "the listener failed").with_source(error)),
        () = too_late => {
            tracing::warn!("requests that did not end in time are dropped");
            Ok(())
        }
    }
}

async fn go_down_on_signal(down: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    // Where the platform refuses a handler, the signal ends the process by itself.
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    down.cancel();
}
