//! Moving tasks to another store.

use async_trait::async_trait;
use docket_core::{Arrival, Destination, Parcel, ParcelId, Relocate, Result, TakenOut, Ticket};

use crate::table::Door;
use crate::{MemoryBackend, check};

#[async_trait]
impl Relocate for MemoryBackend {
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<TakenOut> {
        self.shared().write(|table, now| table.take_out(to, id, limit, now))
    }

    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        self.at_the_door("take parcels in", parcels, Door::Open)
    }

    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        self.at_the_door("turn parcels away", parcels, Door::Closed)
    }

    async fn let_go(&self, tickets: &[Ticket]) -> Result<()> {
        check::batch("let tasks go", tickets.iter().map(|_| 0), 0)?;
        self.shared().write(|table, now| tickets.iter().for_each(|ticket| table.let_go(ticket, now)));
        Ok(())
    }

    async fn put_back(&self, tickets: &[Ticket]) -> Result<()> {
        check::batch("put tasks back", tickets.iter().map(|_| 0), 0)?;
        self.shared().write(|table, now| tickets.iter().for_each(|ticket| table.put_back(ticket, now)));
        Ok(())
    }
}

impl MemoryBackend {
    fn at_the_door(&self, operation: &'static str, parcels: &[Parcel], door: Door) -> Result<Vec<Result<Arrival>>> {
        let bytes_max = self.shared().options.max_payload_bytes;
        check::batch(operation, parcels.iter().map(|parcel| parcel.args.len()), bytes_max)?;
        Ok(self.shared().write(|table, now| {
            let one = |parcel| {
                // A parcel that is too large to accept can still be turned away.
                if door == Door::Open {
                    check::parcel(operation, parcel, bytes_max)?;
                }
                table.take_in(parcel, door, now)
            };
            parcels.iter().map(one).collect()
        }))
    }
}
