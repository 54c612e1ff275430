//! Real audio, made and heard: PCM tones in WAV files.

use std::f64::consts::TAU;

/// Samples a second: one channel, 16 bits.
const RATE: u32 = 44_100;
/// Bytes before the samples.
const HEADER_BYTES: u32 = 44;

/// A WAV file with a tone of `pitch` hertz.
pub(super) fn tone(pitch: f64, seconds: u32) -> Vec<u8> {
    let samples = RATE * seconds;
    let data_bytes = samples * 2;
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(HEADER_BYTES - 8 + data_bytes).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend_from_slice(&[1, 0, 1, 0]);
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&(RATE * 2).to_le_bytes());
    // Bytes and bits of a sample.
    wav.extend_from_slice(&[2, 0, 16, 0]);
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&data_bytes.to_le_bytes());
    wav.extend((0..samples).flat_map(|n| sample(pitch, n).to_le_bytes()));
    wav
}

#[expect(clippy::cast_possible_truncation, reason = "a sine times 12,000 is within the range of i16")]
fn sample(pitch: f64, n: u32) -> i16 {
    ((TAU * pitch * f64::from(n) / f64::from(RATE)).sin() * 12_000.0) as i16
}

/// The pitch of a tone in hertz, heard in its first second; `None` if this is no WAV file of ours.
pub(super) fn pitch(wav: &[u8]) -> Option<usize> {
    let samples = wav.strip_prefix(b"RIFF").and_then(|_| wav.get(HEADER_BYTES as usize..))?;
    let samples: Vec<i16> =
        samples.chunks_exact(2).take(RATE as usize).map(|s| i16::from_le_bytes([s[0], s[1]])).collect();
    let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    (!samples.is_empty()).then_some(rises)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_heard_at_its_pitch_and_has_its_length() {
        let wav = tone(440.0, 2);
        assert_eq!(wav.len(), 44 + 2 * 44_100 * 2);
        assert!(pitch(&wav).unwrap().abs_diff(440) <= 1);
        assert_eq!(pitch(b"ID3"), None);
    }
}
