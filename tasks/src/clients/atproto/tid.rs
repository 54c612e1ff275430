//! Record keys that sort by time.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use docket_core::{Error, Timestamp};

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 13;
/// The low bits separate ids created in the same microsecond.
const CLOCK_ID_BITS: u32 = 10;

/// A timestamp identifier: microseconds since 1970 and a clock id, as 13 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(u64);

/// The latest made by [`Tid::new`] in this process.
static LATEST: AtomicU64 = AtomicU64::new(0);

impl Tid {
    /// A new one, later than every other this process has made; another process differs by its random clock id.
    #[expect(clippy::new_without_default, reason = "no two are equal, so none is the default")]
    pub fn new() -> Self {
        let micros = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0);
        let drawn = micros << CLOCK_ID_BITS | fastrand::u64(..1 << CLOCK_ID_BITS);
        let after = |latest: u64| latest.max(drawn.saturating_sub(1)) + 1;
        let latest = LATEST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |latest| Some(after(latest)));
        Self(latest.map_or(drawn, after))
    }

    /// The TID of a time: always the same. One user plays one track at a time.
    pub fn at(moment: Timestamp) -> Self {
        Self(u64::try_from(moment.as_micros()).unwrap_or(0) << CLOCK_ID_BITS & (u64::MAX >> 1))
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(LENGTH);
        for position in (0..LENGTH).rev() {
            text.push(char::from(ALPHABET[(self.0 >> (5 * position) & 31) as usize]));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tid({self})")
    }
}

impl FromStr for Tid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::invalid("read a TID", format!("invalid TID {text:?}"));
        // Thirteen characters hold 65 bits: the first one may not reach the sign, nor the one beyond it.
        if text.len() != LENGTH || !matches!(text.as_bytes()[0], b'2'..=b'7' | b'a'..=b'j') {
            return Err(wrong());
        }
        text.bytes()
            .try_fold(0, |bits, byte| {
                let value = ALPHABET.iter().position(|known| *known == byte)?;
                Some(bits << 5 | value as u64)
            })
            .map(Self)
            .ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_the_specification_does() {
        // From its page of syntax: the smallest, and the examples it calls valid.
        assert_eq!(Tid(0).to_string(), "2222222222222");
        for text in ["3jzfcijpj2z2a", "7777777777777", "3zzzzzzzzzzzz", "2222222222222", "jzzzzzzzzzzzz"] {
            assert_eq!(text.parse::<Tid>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "3jzfcijpj2z21",
            "0000000000000",
            "3JZFCIJPJ2Z2A",
            "3jzfcijpj2z2aa",
            "3jzfcijpj2z2",
            "zzzzzzzzzzzzz",
            "kjzfcijpj2z2a",
            "3jzf-cij-pj2z-2a",
        ] {
            assert!(text.parse::<Tid>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_has_one_and_it_reads_back() {
        let tid = Tid::at(Timestamp::from_micros(1_767_225_600_123_456));
        assert_eq!(tid.to_string(), "3mbd3546cm222");
        assert_eq!(tid, Tid::at(Timestamp::from_micros(1_767_225_600_123_456)));
        assert!(tid < Tid::at(Timestamp::from_micros(1_767_225_600_123_457)));
        assert!(Tid::at(Timestamp::from_micros(i64::MAX)).to_string().parse::<Tid>().is_ok());
    }

    #[test]
    fn new_ones_only_grow_on_every_thread() {
        let made: Vec<Tid> = std::thread::scope(|scope| {
            let make = || (0..10_000).map(|_| Tid::new()).collect::<Vec<_>>();
            let threads = [scope.spawn(make), scope.spawn(make)].map(|thread| thread.join().unwrap());
            assert!(threads.iter().all(|made| made.is_sorted()));
            threads.concat()
        });
        let distinct: std::collections::BTreeSet<Tid> = made.iter().copied().collect();
        assert_eq!(distinct.len(), made.len());
    }
}
