//! Random numbers for balancing: SplitMix64, seeded by whoever holds the state, so that tests can replay a run.

use std::cell::Cell;

/// The next 64 bits.
pub(crate) fn next(state: &Cell<u64>) -> u64 {
    let seed = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    state.set(seed);
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number below `bound`; 0 when that is 0. The bias for bounds far below 2^64 cannot be noticed.
pub(crate) fn below(state: &Cell<u64>, bound: usize) -> usize {
    ((u128::from(next(state)) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_bound_are_spread_evenly_over_all_of_it() {
        let state = Cell::new(7);
        let mut counts = [0_u32; 5];
        for _ in 0..50_000 {
            counts[below(&state, 5)] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(below(&state, 0), 0);
        assert_eq!(below(&state, 1), 0);
    }
}
