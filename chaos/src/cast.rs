//! The processes of a run: started, struck, and started again when they end, as a platform does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{DocketName, Store};

use crate::Outcome;
use crate::ledger::{Event, Ledger};
use crate::roles::{Build, Sabotage};

mod actor;

use actor::Actor;

/// The role of an actor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It adds tasks.
    Adder,
    /// It adds tasks in transactions of its own.
    Caller,
    /// It runs them.
    Worker,
    /// It runs them, behind `PgBouncer`.
    Pooled,
}

/// The configuration of every actor.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The docket.
    pub docket: DocketName,
    /// Where ledgers are.
    pub ledgers: PathBuf,
    /// The seed of adders.
    pub seed: u64,
    /// Tasks that each adder adds a second.
    pub rate: u32,
    /// The built-in mistake.
    pub sabotage: Sabotage,
    /// The docket itself, if it is in this process: then the actors are too.
    pub memory: Option<Arc<dyn Store>>,
}

/// One place in the cast, and its current holder.
#[derive(Debug)]
struct Place {
    role: Role,
    number: usize,
    url: String,
    build: Build,
    generation: u32,
    actor: Option<Actor>,
    /// All its holders so far.
    names: Vec<String>,
}

/// All of them.
#[derive(Debug)]
pub struct Cast {
    scene: Scene,
    ledger: Arc<Ledger>,
    places: Vec<Place>,
    ends: Vec<String>,
}

impl Cast {
    /// Nobody yet.
    pub fn new(scene: Scene, ledger: Arc<Ledger>) -> Self {
        Self { scene, ledger, places: Vec::new(), ends: Vec::new() }
    }

    /// Adds a place, and starts its holder.
    pub fn enter(&mut self, role: Role, url: &str) -> Outcome {
        let number = self.places.iter().filter(|place| place.role == role).count();
        let url = url.to_owned();
        let place = Place { role, number, url, build: Build::Old, generation: 0, actor: None, names: Vec::new() };
        self.places.push(place);
        self.start(self.places.len() - 1)
    }

    /// The places of a role.
    pub fn places(&self, role: Role) -> Vec<usize> {
        (0..self.places.len()).filter(|place| self.places[*place].role == role).collect()
    }

    /// The place that a drawn number means.
    pub fn choose(&self, role: Role, target: usize) -> usize {
        let places = self.places(role);
        places[target % places.len()]
    }

    /// The current holder of a place.
    pub fn name(&self, place: usize) -> String {
        self.places[place].names.last().cloned().unwrap_or_default()
    }

    /// All holders so far of the places with this URL.
    pub fn behind(&self, url: &str) -> Vec<String> {
        self.places.iter().filter(|place| place.url == url).flat_map(|place| place.names.clone()).collect()
    }

    /// All names there have been.
    pub fn names(&self) -> Vec<String> {
        self.places.iter().flat_map(|place| place.names.clone()).collect()
    }

    /// Ends by themselves, in words.
    pub fn ends(&self) -> &[String] {
        &self.ends
    }

    /// Starts the next holder of a place, of this build.
    pub fn start_as(&mut self, place: usize, build: Build) -> Outcome {
        self.places[place].build = build;
        self.start(place)
    }

    /// Starts the next holder of a place.
    pub fn start(&mut self, index: usize) -> Outcome {
        let place = &mut self.places[index];
        place.generation += 1;
        let role = match place.role {
            Role::Adder => "adder",
            Role::Caller => "caller",
            Role::Worker => "worker",
            Role::Pooled => "pooled",
        };
        let name = format!("{role}-{}.{}", place.number, place.generation);
        let seed = self.scene.seed ^ (index as u64) << 32 ^ u64::from(place.generation);
        place.actor = Some(Actor::start(&self.scene, place.role, &name, &place.url, place.build, seed)?);
        place.names.push(name);
        Ok(())
    }

    /// SIGKILL; the place stays empty.
    pub async fn kill(&mut self, place: usize) -> Outcome {
        if let Some(actor) = self.places[place].actor.take() {
            actor.kill().await?;
            self.ledger.write(Event::Gone { process: self.name(place) });
        }
        Ok(())
    }

    /// Asks the holder of a place to end, waits, and kills it if it does not.
    pub async fn end(&mut self, place: usize, within: Duration) -> Outcome {
        if let Some(actor) = self.places[place].actor.take() {
            if !actor.end(within).await? {
                self.ends.push(format!("{} did not end within {within:?}", self.name(place)));
            }
            self.ledger.write(Event::Gone { process: self.name(place) });
        }
        Ok(())
    }

    /// SIGSTOP.
    pub fn pause(&self, place: usize) -> Outcome {
        if let Some(actor) = &self.places[place].actor {
            actor.pause()?;
            self.ledger.write(Event::Paused { process: self.name(place) });
        }
        Ok(())
    }

    /// SIGCONT.
    pub fn resume(&self, place: usize) -> Outcome {
        if let Some(actor) = &self.places[place].actor {
            self.ledger.write(Event::Resumed { process: self.name(place) });
            actor.resume()?;
        }
        Ok(())
    }

    /// Restarts holders that have ended by themselves.
    pub fn tend(&mut self) -> Outcome {
        for index in 0..self.places.len() {
            let ended = match &mut self.places[index].actor {
                Some(actor) => actor.ended()?,
                None => None,
            };
            if let Some(how) = ended {
                let name = self.name(index);
                self.ledger.write(Event::Gone { process: name.clone() });
                self.ends.push(format!("{name} ended by itself: {how}"));
                self.start(index)?;
            }
        }
        Ok(())
    }
}
