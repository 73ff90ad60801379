//! The law of holds: every amount that moves between a balance and what is out, as arithmetic.
//!
//! `balance` and everything out change together only by entries of the ledger and by closes, and a
//! close changes them by exactly what the records say. The budgets of keys and accounts are second
//! balances under the same law.

use crate::money::Pico;

/// What a call is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What goes into its record: the cost, and never more than the hold.
    pub charged: Pico,
    /// What the operator bears.
    pub loss: Pico,
}

/// What a call is charged that costs `cost` and has `held`.
pub fn charge(cost: Pico, held: Pico) -> Charge {
    let charged = cost.min(held);
    Charge { charged, loss: cost.less(charged) }
}

/// What goes back of a hold.
pub fn settle(held: Pico, charged: Pico) -> Pico {
    held.less(charged)
}

/// What the close of an hour does to a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// What goes back: what was out and no record says was spent. Never below zero.
    pub returned: Pico,
    /// What the records say was spent beyond what was out. It is nothing while the law holds.
    pub short: Pico,
}

/// The close of an hour that has `out` outstanding and whose records come to `spent`.
pub fn close(out: Pico, spent: Pico) -> Close {
    let zero = Pico::ZERO;
    Close { returned: out.less(spent).max(zero), short: spent.less(out).max(zero) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_made_or_lost(held in 0_i128..1 << 100, cost in 0_i128..1 << 100) {
            let (held, cost) = (Pico::new(held), Pico::new(cost));
            let Charge { charged, loss } = charge(cost, held);
            prop_assert!(charged <= held && loss >= Pico::ZERO);
            prop_assert_eq!(charged.checked_add(loss), Some(cost));
            let returned = settle(held, charged);
            prop_assert_eq!(returned.checked_add(charged), Some(held));
            // A settle that is lost comes back with the close, to the unit.
            prop_assert_eq!(close(held, charged), Close { returned, short: Pico::ZERO });
            prop_assert_eq!(close(charged, charged), Close { returned: Pico::ZERO, short: Pico::ZERO });
        }
    }

    #[test]
    fn a_close_never_lowers_a_balance() {
        let closed = close(Pico::new(3), Pico::new(5));
        assert_eq!(closed, Close { returned: Pico::ZERO, short: Pico::new(2) });
    }
}
