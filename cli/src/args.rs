//! The command line: verbs, arguments, and the checks that need no store.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand};
use docket::{Payload, Queue, RunAt, TaskKey, TaskName, TaskState, Timestamp, parse_duration};

/// Durable background work: add tasks, run them, look after them.
///
/// Exit codes: 0 ok, 1 failed, 2 usage, 3 store unreachable, 4 not found.
#[derive(Parser, Debug)]
#[command(name = "docket", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Which docket in which store.
#[derive(ClapArgs)]
pub(crate) struct Place {
    /// The store: postgres://, redis://, rediss://, valkey://, unix:// or memory://
    #[arg(long, global = true, env = "DOCKET_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The docket's name: tasks of different dockets never meet [default: default]
    #[arg(long, global = true, env = "DOCKET_NAME", hide_env_values = true, value_name = "NAME")]
    pub(crate) docket: Option<String>,
}

impl std::fmt::Debug for Place {
    /// Without the URL, which may carry a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("docket", &self.docket).finish_non_exhaustive()
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// See it work: an export and some scans on audio it makes itself, everything in one process
    ///
    /// Needs no store, and uses none: --url and --docket change nothing here.
    Demo,
    /// Run a worker for smoke tests, with three task types: trace, fail and sleep
    ///
    /// Their args: trace {"message": "…"} · fail {"message": "…"} (three attempts, then dead) ·
    /// sleep {"seconds": 1.5}. A service runs its own tasks in the workers that it starts itself.
    /// Settings are read from the environment. A first SIGINT or SIGTERM lets running tasks end
    /// within the grace period, a second leaves at once.
    Worker(WorkerArgs),
    /// Add a task and print its key
    ///
    /// If the store is down, it waits for the patience (5s) to open it, and as long to add, and
    /// ends with 3.
    Add(AddArgs),
    /// Show one task
    Show {
        /// The task's key
        key: TaskKey,
        #[command(flatten)]
        format: Format,
    },
    /// List tasks
    Ls(ListArgs),
    /// Count tasks by queue, name and state
    Stats(Format),
    /// List the live workers
    Workers(Format),
    /// Cancel a task: at once if it is not running, else its run is asked to stop
    Cancel {
        /// The task's key
        key: TaskKey,
    },
    /// Start dead tasks again
    ///
    /// Prints the keys of the requeued tasks. Exit code 1 if any could not be requeued, 4 if all of
    /// those do not exist.
    Requeue {
        /// The tasks' keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<TaskKey>,
    },
    /// Move every unfinished task to another store, while both are at work
    ///
    /// Keys, times, counts and errors go along. Stopped or killed anywhere, the same command again completes it. It ends
    /// with 0 once everything was compared and nothing unfinished is left; it waits for tasks that run. See "Moving to
    /// another store" in docs/operations.md.
    Move(MoveArgs),
    /// Delete everything of this docket
    Clear {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Check the store: which settings can lose tasks (exit code 1 if any can)
    Doctor(Format),
    /// Show the docket's time relative to the store's clock, or settle it
    ///
    /// If the store's clock is set back, the docket's time goes on and is ahead of it from then on:
    /// the offset.
    Clock {
        #[command(subcommand)]
        step: Option<ClockStep>,
        #[command(flatten)]
        format: Format,
    },
    /// Migrate the schema of a Postgres, or see what that takes
    #[command(subcommand)]
    Migrate(Migrate),
}

#[derive(Subcommand, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClockStep {
    /// Reset the offset to zero and print its value before: the store's clock is right again
    ///
    /// Refused while a task is leased. The docket's time goes on, and no task becomes earlier or
    /// later.
    Settle,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Migrate {
    /// Migrate it, all or nothing, and print both versions
    Up,
    /// Print its version and the version that this build needs (exit code 1 if they differ)
    Status(Format),
    /// Print the statements that migrate it, for psql
    Sql {
        /// The version to start from, without asking a server [default: the server's answer]
        #[arg(long, value_name = "N")]
        from: Option<i64>,
    },
}

#[derive(ClapArgs, Debug)]
pub(crate) struct WorkerArgs {
    /// Queues to serve, in order of precedence [default: as the environment says, or those of its tasks]
    #[arg(long, value_delimiter = ',', value_name = "A,B", value_parser = queue)]
    pub(crate) queues: Vec<Queue>,
    /// Tasks to run at once [default: as the environment says, or 10]
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<usize>,
    /// End when nothing is ready, running or due within a minute
    #[arg(long)]
    pub(crate) until_finished: bool,
}

#[derive(ClapArgs)]
pub(crate) struct MoveArgs {
    /// The store to move from
    #[arg(long, env = "DOCKET_MOVE_FROM", hide_env_values = true, value_name = "URL")]
    pub(crate) from: String,
    /// The store to move to
    #[arg(long, env = "DOCKET_MOVE_TO", hide_env_values = true, value_name = "URL")]
    pub(crate) to: String,
    /// The docket's name over there [default: the same]
    #[arg(long, value_name = "NAME")]
    pub(crate) to_docket: Option<String>,
    /// Put back the tasks of an unfinished move, except those that have arrived
    #[arg(long)]
    pub(crate) abandon: bool,
}

impl std::fmt::Debug for MoveArgs {
    /// Without the URLs, which may carry passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MoveArgs")
            .field("to_docket", &self.to_docket)
            .field("abandon", &self.abandon)
            .finish_non_exhaustive()
    }
}

#[derive(ClapArgs, Debug)]
pub(crate) struct AddArgs {
    /// The task type
    pub(crate) name: TaskName,
    /// Its arguments as JSON
    #[arg(value_name = "ARGS-JSON", value_parser = json, default_value = "{}")]
    pub(crate) args: Payload,
    /// Its identity: adding it again is then harmless [default: a new one]
    #[arg(long)]
    pub(crate) key: Option<TaskKey>,
    /// Not before this long from now, e.g. 10s, 5m, 1h30m
    #[arg(long = "in", value_name = "DURATION", value_parser = parse_duration, conflicts_with = "at", allow_hyphen_values = true)]
    pub(crate) delay: Option<Duration>,
    /// Not before this time, e.g. 2030-01-31T12:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,
    /// The queue [default: the one in which live workers expect the name]
    #[arg(long)]
    pub(crate) queue: Option<Queue>,
}

impl AddArgs {
    pub(crate) fn run_at(&self) -> RunAt {
        match (self.delay, self.at) {
            (Some(delay), _) => RunAt::In(delay),
            (None, Some(moment)) => RunAt::At(moment),
            (None, None) => RunAt::Now,
        }
    }
}

#[derive(ClapArgs, Debug)]
pub(crate) struct ListArgs {
    /// Only those in this state
    #[arg(long, value_parser = states())]
    pub(crate) state: Option<TaskState>,
    /// Only those of this task type
    #[arg(long)]
    pub(crate) name: Option<TaskName>,
    /// The most tasks to list
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(ClapArgs, Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn states() -> impl TypedValueParser<Value = TaskState> {
    PossibleValuesParser::new(TaskState::ALL.map(TaskState::as_str))
        .try_map(|text| TaskState::ALL.into_iter().find(|state| state.as_str() == text).ok_or("unknown state"))
}

/// As in the environment variable, spaces after commas are allowed.
fn queue(text: &str) -> docket::Result<Queue> {
    Queue::new(text.trim())
}

/// Checked with the limits of a worker's reader on nesting and numbers, and sent as written, so
/// that no number loses a digit.
fn json(text: &str) -> Result<Payload, String> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Ok(Payload::new(text.trim().as_bytes().to_vec())),
        Err(error) => Err(format!("invalid JSON: {error}")),
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let moment: jiff::Timestamp =
        text.parse().map_err(|_| "invalid time: expected a form like 2030-01-31T12:00:00Z".to_owned())?;
    Ok(Timestamp::from_micros(moment.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (line, said) in [
            ("docket add greet {\"a\":}", "invalid JSON: expected value at line 1 column 6"),
            ("docket add greet 1e999", "invalid JSON: number out of range"),
            ("docket add greet {} --in soon", "invalid duration \"soon\""),
            ("docket add greet {} --in -5s", "it is negative"),
            ("docket add greet {} --at tomorrow", "invalid time"),
            ("docket add greet {} --in 5s --at 2030-01-31T12:00:00Z", "cannot be used with"),
            ("docket add a,b", "letters, digits"),
            ("docket ls --state lost", "scheduled, ready, running, moving, completed, dead, cancelled"),
            ("docket requeue", "KEY"),
            ("docket worker --queues a,,b", "invalid queue name"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn args_are_sent_as_they_were_written() {
        let Verb::Add(add) = parse("docket add greet {\"n\":12345678901234567890123}").unwrap().verb else { panic!() };
        assert_eq!(add.args.as_bytes(), b"{\"n\":12345678901234567890123}");
        let Verb::Add(add) = parse("docket add greet").unwrap().verb else { panic!() };
        assert_eq!(add.args.as_bytes(), b"{}");
    }

    #[test]
    fn args_that_no_worker_can_read_are_refused() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json(&nested(127)).is_ok());
        assert!(json(&nested(128)).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn the_help_names_every_store() {
        let help = Args::command().render_long_help().to_string();
        for scheme in ["postgres://", "redis://", "rediss://", "valkey://", "unix://", "memory://"] {
            assert!(help.contains(scheme), "{scheme}: {help}");
        }
    }

    #[test]
    fn a_moment_with_an_offset_is_the_same_moment() {
        assert_eq!(moment("2030-01-31T13:00:00+01:00"), moment("2030-01-31T12:00:00Z"));
    }

    #[test]
    fn debug_shows_no_part_of_the_url() {
        let args = parse("docket stats --url redis://joe:secret@host").unwrap();
        assert!(!format!("{args:?}").contains("secret"));
        let args = parse("docket move --from redis://joe:secret@a --to redis://joe:secret@b").unwrap();
        assert!(!format!("{args:?}").contains("secret"));
    }
}
