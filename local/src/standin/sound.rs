//! The one sound a stand-in makes: a fifth of a second of 400 Hz.

/// Samples in a second. There is one channel of 16 bits.
const RATE: u32 = 24_000;

/// Samples in half a wave.
const HALF_WAVE: usize = 30;

const SAMPLES: usize = 4_800;

/// The bytes of all samples.
const LENGTH: u32 = 9_600;

/// How far a sample is from silence.
const LOUD: i16 = 2_000;
const LOUD_BELOW: i16 = -2_000;

/// The samples alone, little end first.
pub(super) fn pcm() -> Vec<u8> {
    let above = std::iter::repeat_n(LOUD, HALF_WAVE);
    let below = std::iter::repeat_n(LOUD_BELOW, HALF_WAVE);
    above.chain(below).cycle().take(SAMPLES).flat_map(i16::to_le_bytes).collect()
}

/// The same as a WAV file.
pub(super) fn wav() -> Vec<u8> {
    const AFTER_RIFF: u32 = LENGTH + 36;
    const BYTES_PER_SECOND: u32 = RATE * 2;
    let header = [
        *b"RIFF",
        AFTER_RIFF.to_le_bytes(),
        *b"WAVE",
        *b"fmt ",
        16_u32.to_le_bytes(),
        // Plain samples in one channel.
        [1, 0, 1, 0],
        RATE.to_le_bytes(),
        BYTES_PER_SECOND.to_le_bytes(),
        // Bytes and bits of a sample.
        [2, 0, 16, 0],
        *b"data",
        LENGTH.to_le_bytes(),
    ];
    [header.concat(), pcm()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_as_long_as_its_header_says() {
        let wav = wav();
        let number = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().unwrap());
        assert_eq!(usize::try_from(number(4)).unwrap(), wav.len() - 8);
        assert_eq!(usize::try_from(number(40)).unwrap(), wav.len() - 44);
        assert_eq!(wav[44..], pcm());
    }
}
