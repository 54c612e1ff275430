//! A leased record, decoded on the client: `scripts/record.lua` has the layout. The server need not
//! decode it for the answer.

use std::time::Duration;

use docket_core::{Error, ErrorKind, Result, Timestamp};

/// The form of a record that has changed since it was added.
const LIVED: u64 = 3;
/// Flags.
const ARGS_APART: u64 = 8;
const MORE: u64 = 64;
const SEQ_BYTES: usize = 6;
/// The id of a call, and its answer.
const CALL_BYTES: usize = 17;

/// The fields of a lease.
#[derive(Debug)]
pub(crate) struct Leased<'a> {
    pub(crate) lane: &'a str,
    /// `None` if they are kept apart.
    pub(crate) args: Option<&'a [u8]>,
    pub(crate) visible: Timestamp,
    pub(crate) due: Timestamp,
    pub(crate) since: Timestamp,
    pub(crate) fence: u64,
    pub(crate) attempts: u32,
    pub(crate) crashes: u32,
    pub(crate) every: Option<Duration>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) max_crashes: Option<u32>,
    pub(crate) undecodable_since: Option<Timestamp>,
}

impl<'a> Leased<'a> {
    pub(crate) fn read(record: &'a [u8]) -> Result<Self> {
        Self::take_from(&mut Bytes(record)).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "lease tasks", "the store holds a record that cannot be read")
        })
    }

    /// Its fields, in the order of `LIVED_AS` and `MORE_AS`.
    fn take_from(bytes: &mut Bytes<'a>) -> Option<Self> {
        let (form, _state, flags) = (bytes.number(1)?, bytes.number(1)?, bytes.number(1)?);
        if form != LIVED {
            return None;
        }
        bytes.text(SEQ_BYTES)?;
        let (visible, due, _added) = (bytes.moment()?, bytes.moment()?, bytes.moment()?);
        let (since, _expires, fence) = (bytes.moment()?, bytes.moment()?, bytes.number(7)?);
        let (args_bytes, calls) = (bytes.length(2)?, bytes.length(1)?);
        let _request = bytes.counted(1)?;
        let lane = std::str::from_utf8(bytes.counted(2)?).ok()?;
        let _worker = bytes.counted(1)?;
        let args = bytes.text(args_bytes)?;
        bytes.text(calls * CALL_BYTES)?;
        let mut leased = Self {
            lane,
            args: (flags & ARGS_APART == 0).then_some(args),
            visible,
            due,
            since,
            fence,
            attempts: 0,
            crashes: 0,
            every: None,
            max_attempts: None,
            max_crashes: None,
            undecodable_since: None,
        };
        if flags & MORE != 0 {
            leased.read_more(bytes)?;
        }
        Some(leased)
    }

    fn read_more(&mut self, bytes: &mut Bytes<'a>) -> Option<()> {
        let some = |count: u32| (count != 0).then_some(count);
        let every = bytes.number(7)?;
        self.every = (every != 0).then(|| Duration::from_micros(every));
        let (_settled_fence, _requeued) = (bytes.number(7)?, bytes.number(7)?);
        (self.attempts, self.crashes) = (bytes.count()?, bytes.count()?);
        let (_failures, _crashed) = (bytes.count()?, bytes.count()?);
        (self.max_attempts, self.max_crashes) = (some(bytes.count()?), some(bytes.count()?));
        let (_args_size, _result_size) = (bytes.count()?, bytes.count()?);
        self.undecodable_since = Some(bytes.moment()?).filter(|since| since.as_micros() != 0);
        Some(())
    }
}

/// The rest of a text; nothing is read from one that is too short.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn text(&mut self, length: usize) -> Option<&'a [u8]> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn number(&mut self, width: usize) -> Option<u64> {
        Some(self.text(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn length(&mut self, width: usize) -> Option<usize> {
        usize::try_from(self.number(width)?).ok()
    }

    /// A text after its length.
    fn counted(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.length(width)?;
        self.text(length)
    }

    fn count(&mut self) -> Option<u32> {
        u32::try_from(self.number(4)?).ok()
    }

    fn moment(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_micros(i64::try_from(self.number(7)?).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Vec<u8> {
        let mut raw = vec![3, 2, 0];
        raw.extend([0, 0, 0, 0, 0, 9]);
        for moment in [50_u64, 30, 20, 40, 0] {
            raw.extend(&moment.to_be_bytes()[1..]);
        }
        raw.extend([0, 0, 0, 0, 0, 1, 2]);
        raw.extend([0, 4, 0]);
        raw.extend(b"\x02rq\x00\x05|work\x01wargs");
        raw
    }

    #[test]
    fn what_a_lease_says_is_read_from_its_record() {
        let raw = record();
        let leased = Leased::read(&raw).unwrap();
        assert_eq!((leased.lane, leased.args, leased.fence), ("|work", Some(&b"args"[..]), 258));
        let moments = [leased.visible, leased.due, leased.since].map(Timestamp::as_micros);
        assert_eq!((moments, leased.attempts, leased.every), ([50, 30, 40], 0, None));
    }

    #[test]
    fn one_that_is_cut_off_is_refused_wherever_it_is() {
        let raw = record();
        for length in 0..raw.len() {
            assert_eq!(Leased::read(&raw[..length]).unwrap_err().kind(), ErrorKind::Corrupt, "{length}");
        }
    }
}
