//! Moving tasks from one docket to another, step by step.

use docket_core::{Arrival, Destination, NewTask, Parcel, ParcelId, Ticket, limits};

use super::Stage;

/// Where a case moves its tasks.
pub(crate) fn elsewhere() -> Destination {
    place("elsewhere")
}

pub(crate) fn place(text: &str) -> Destination {
    Destination::new(text).expect("a case uses good places")
}

impl Stage {
    /// Takes out all there is, up to one batch.
    pub(crate) async fn take_out(&self) -> Vec<Parcel> {
        self.take_some_out(limits::BATCH_ITEMS_MAX).await
    }

    pub(crate) async fn take_some_out(&self, limit: usize) -> Vec<Parcel> {
        let parcels = self.store().take_out(&elsewhere(), ParcelId::unique(), limit).await;
        parcels.expect("tasks can be taken out").parcels
    }

    /// Adds a task and takes it out.
    pub(crate) async fn moving(&self, task: NewTask) -> Parcel {
        self.add(task).await;
        let mut parcels = self.take_out().await;
        assert_eq!(parcels.len(), 1, "one task can be taken out: {parcels:?}");
        parcels.remove(0)
    }

    pub(crate) async fn take_in(&self, parcels: &[Parcel]) -> Vec<Arrival> {
        let answers = self.store().take_in(parcels).await.expect("parcels are answered");
        assert_eq!(answers.len(), parcels.len(), "one answer per parcel");
        answers.into_iter().map(|answer| answer.expect("the parcel is judged")).collect()
    }

    pub(crate) async fn turn_away(&self, parcels: &[Parcel]) -> Vec<Arrival> {
        let answers = self.store().turn_away(parcels).await.expect("parcels are answered");
        assert_eq!(answers.len(), parcels.len(), "one answer per parcel");
        answers.into_iter().map(|answer| answer.expect("the parcel is judged")).collect()
    }

    pub(crate) async fn let_go(&self, parcels: &[Parcel]) {
        self.store().let_go(&tickets(parcels)).await.expect("tasks can be let go");
    }

    pub(crate) async fn put_back(&self, parcels: &[Parcel]) {
        self.store().put_back(&tickets(parcels)).await.expect("tasks can be put back");
    }
}

fn tickets(parcels: &[Parcel]) -> Vec<Ticket> {
    parcels.iter().map(Parcel::ticket).collect()
}
