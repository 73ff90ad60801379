//! Vectors of length one. Their numbers are exact in binary, whatever they are sent as.

/// How many numbers a vector has where nobody asks for more or fewer.
pub(super) const USUAL: usize = 16;

/// The most numbers that may be asked for.
pub(super) const LONGEST: usize = 3_072;

/// A power of four, and what each of so many numbers is if their squares add up to one: either.
type Share = (usize, [f32; 2]);

const SHARES: [Share; 6] = [
    (1_024, [0.031_25, -0.031_25]),
    (256, [0.062_5, -0.062_5]),
    (64, [0.125, -0.125]),
    (16, [0.25, -0.25]),
    (4, [0.5, -0.5]),
    (1, [1.0, -1.0]),
];

/// A vector of length one. It is the same for the same seed, which is the size of what it stands
/// for: a stand-in understands nothing.
pub(super) fn unit(dimensions: usize, seed: usize) -> Vec<f32> {
    let share = SHARES.iter().find(|(count, _)| *count <= dimensions);
    let Some((count, [above, below])) = share else { return Vec::new() };
    let mut bits = u64::try_from(seed).unwrap_or(u64::MAX);
    let mut vector: Vec<f32> = std::iter::repeat_with(|| {
        // Knuth's generator, of which the highest bit is the best.
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if bits.leading_zeros() == 0 { *below } else { *above }
    })
    .take(*count)
    .collect();
    vector.resize(dimensions, 0.0);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_of_any_length_has_length_one() {
        for dimensions in 1..=LONGEST {
            let vector = unit(dimensions, dimensions);
            assert_eq!(vector.len(), dimensions);
            let length: f32 = vector.iter().map(|number| number.powi(2)).sum();
            assert!((length.total_cmp(&1.0)).is_eq(), "{dimensions}");
        }
    }

    #[test]
    fn what_differs_in_size_differs_in_its_vector() {
        let vectors: Vec<_> = (0..50).map(|seed| unit(USUAL, seed)).collect();
        assert_eq!(unit(USUAL, 7), vectors[7]);
        assert!(vectors.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
