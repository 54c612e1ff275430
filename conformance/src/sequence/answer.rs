//! Making a call on a store, and converting its answer for comparison.

use std::collections::BTreeMap;

use docket_core::{
    AckAnswer, AddAnswer, Arrival, CancelAnswer, Error, ErrorKind, Fence, HeartbeatAnswer, Lease, LeaseReply,
    LeaseToken, Parcel, RequeueAnswer, ScheduleAnswer, Swept, TakenOut, TestStore, Ticket,
};

use super::issue::Issued;
use super::op::Step;

/// A store's answer; a refused item is compared by the kind of its error.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Answer {
    Add(Vec<Result<AddAnswer, ErrorKind>>),
    Schedule(Vec<Result<ScheduleAnswer, ErrorKind>>),
    Lease(LeaseReply),
    Heartbeat(Vec<Result<HeartbeatAnswer, ErrorKind>>),
    Ack(Vec<Result<AckAnswer, ErrorKind>>, Swept),
    Cancel(Result<CancelAnswer, ErrorKind>),
    Requeue(Result<RequeueAnswer, ErrorKind>),
    TakeOut(Result<TakenOut, ErrorKind>),
    Arrive(Vec<Result<Arrival, ErrorKind>>),
    Done,
    Clear(u64),
}

impl Answer {
    pub(super) async fn of(store: &dyn TestStore, call: &Issued) -> Result<Self, Error> {
        Ok(match call {
            Issued::Add(tasks) => Self::Add(kinds(store.add(tasks).await?)),
            Issued::Schedule(tasks) => Self::Schedule(kinds(store.schedule(tasks).await?)),
            // The time of the poll is not compared.
            Issued::Lease(request) => Self::Lease(LeaseReply { looked_at: None, ..store.lease(request).await? }),
            Issued::Heartbeat(beat) => Self::Heartbeat(kinds(store.heartbeat(beat).await?)),
            Issued::Ack(acks) => {
                let reply = store.ack(acks).await?;
                Self::Ack(kinds(reply.answers), reply.swept)
            }
            Issued::Cancel(key, id) => Self::Cancel(store.cancel(key, *id).await.map_err(|error| error.kind())),
            Issued::Requeue(key, fence) => {
                Self::Requeue(store.requeue(key, *fence).await.map_err(|error| error.kind()))
            }
            Issued::TakeOut(to, id, limit) => {
                Self::TakeOut(store.take_out(to, *id, *limit).await.map_err(|error| error.kind()))
            }
            Issued::Move(step, parcels) => Self::of_step(store, *step, parcels).await?,
            Issued::Clear => Self::Clear(store.clear().await?),
        })
    }

    async fn of_step(store: &dyn TestStore, step: Step, parcels: &[Parcel]) -> Result<Self, Error> {
        let tickets: Vec<Ticket> = parcels.iter().map(Parcel::ticket).collect();
        match step {
            Step::TakeIn => return Ok(Self::Arrive(kinds(store.take_in(parcels).await?))),
            Step::TurnAway => return Ok(Self::Arrive(kinds(store.turn_away(parcels).await?))),
            Step::LetGo => store.let_go(&tickets).await?,
            Step::PutBack => store.put_back(&tickets).await?,
        }
        Ok(Self::Done)
    }

    pub(super) fn parcels(&self) -> &[Parcel] {
        match self {
            Self::TakeOut(Ok(taken)) => &taken.parcels,
            _ => &[],
        }
    }

    pub(super) fn leases(&self) -> &[Lease] {
        match self {
            Self::Lease(reply) => &reply.leases,
            _ => &[],
        }
    }

    fn leases_mut(&mut self) -> &mut [Lease] {
        match self {
            Self::Lease(reply) => &mut reply.leases,
            _ => &mut [],
        }
    }
}

fn kinds<T>(answers: Vec<docket_core::Result<T>>) -> Vec<Result<T, ErrorKind>> {
    answers.into_iter().map(|answer| answer.map_err(|error| error.kind())).collect()
}

/// Which fence of the store is which of the model. A store may skip numbers; it may not go back.
#[derive(Debug, Default)]
pub(super) struct Fences {
    of_model: BTreeMap<Fence, Fence>,
}

impl Fences {
    /// Pairs the leases of two answers, and gives those of the store the fences of the model.
    pub(super) fn pair(&mut self, model: &Answer, store: &mut Answer) -> Result<(), String> {
        for (ours, theirs) in model.leases().iter().zip(store.leases_mut()) {
            self.learn(ours.token.fence, theirs.token.fence)?;
            theirs.token.fence = ours.token.fence;
        }
        if let Answer::TakeOut(Ok(taken)) = store {
            for parcel in &mut taken.parcels {
                parcel.fence = parcel.fence.map(|fence| self.of_model(fence).unwrap_or(fence));
            }
        }
        Ok(())
    }

    /// Takes in that both have drawn a fence for the same event.
    pub(super) fn learn(&mut self, ours: Fence, theirs: Fence) -> Result<(), String> {
        let latest = self.of_model.values().next_back().copied();
        match self.of_model.get(&ours) {
            Some(known) if *known != theirs => return Err(format!("{ours} was {known} and is now {theirs}")),
            None if latest.is_some_and(|latest| latest >= theirs) => {
                return Err(format!("the fence went back: {theirs} after {latest:?}"));
            }
            _ => {}
        }
        self.of_model.insert(ours, theirs);
        Ok(())
    }

    /// The store's fence for one of the model's.
    pub(super) fn of_store(&self, fence: Fence) -> Fence {
        self.of_model.get(&fence).copied().unwrap_or(fence)
    }

    /// The model's fence for one of the store's.
    pub(super) fn of_model(&self, fence: Fence) -> Option<Fence> {
        self.of_model.iter().find(|(_, theirs)| **theirs == fence).map(|(ours, _)| *ours)
    }

    /// The call with the fences of the store in its tokens.
    pub(super) fn translate(&self, call: &Issued) -> Issued {
        let mut call = call.clone();
        let token = |token: &mut LeaseToken| token.fence = self.of_store(token.fence);
        match &mut call {
            Issued::Heartbeat(beat) => beat.tokens.iter_mut().for_each(token),
            Issued::Ack(acks) => acks.iter_mut().for_each(|ack| token(&mut ack.token)),
            Issued::Move(_, parcels) => {
                for fence in parcels.iter_mut().filter_map(|parcel| parcel.fence.as_mut()) {
                    *fence = self.of_store(*fence);
                }
            }
            Issued::Requeue(_, Some(fence)) => *fence = self.of_store(*fence),
            _ => {}
        }
        call
    }
}
