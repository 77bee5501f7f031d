//! The learning rate as a pure function of the step.

use std::f64::consts::PI;

use crate::recipe::{Curve, SchedulePlan};

/// The factor on all learning rates at `step` of `steps`, both counted from 0, before a phase's own factor.
///
/// The warm-up rises as `transformers` has it: step 0 of a warm-up has the factor 0. A run of one step has no warm-up.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "steps are far below 2^52")]
pub fn factor(plan: &SchedulePlan, step: u64, steps: u64) -> f64 {
    let total = steps as f64;
    // Whole steps, as `transformers` rounds them up.
    let warmup = if steps > 1 {
        (plan.warmup * total).ceil()
    } else {
        0.0
    };
    let at = step as f64;
    if at < warmup {
        return at / warmup;
    }
    let hold = (plan.hold * total).round();
    let left = (total - warmup - hold).max(1.0);
    let passed = ((at - warmup - hold) / left).clamp(0.0, 1.0);
    let curve = match plan.kind {
        Curve::Constant => 1.0,
        Curve::Linear => 1.0 - passed,
        Curve::Cosine => 0.5 * (1.0 + (PI * passed).cos()),
    };
    plan.floor + (1.0 - plan.floor) * curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_holds_and_falls_to_the_floor() {
        let plan = SchedulePlan {
            kind: Curve::Linear,
            warmup: 0.1,
            hold: 0.4,
            floor: 0.02,
        };
        assert!(factor(&plan, 0, 100).abs() < 1e-12);
        assert!((factor(&plan, 5, 100) - 0.5).abs() < 1e-12);
        assert!((factor(&plan, 10, 100) - 1.0).abs() < 1e-12);
        assert!((factor(&plan, 50, 100) - 1.0).abs() < 1e-12);
        assert!((factor(&plan, 75, 100) - 0.51).abs() < 1e-12);
        assert!((factor(&plan, 100, 100) - 0.02).abs() < 1e-12);
    }

    #[test]
    fn cosine_is_half_way_in_the_middle() {
        let plan = SchedulePlan {
            kind: Curve::Cosine,
            warmup: 0.0,
            hold: 0.0,
            floor: 0.0,
        };
        assert!((factor(&plan, 50, 100) - 0.5).abs() < 1e-12);
        assert!((factor(&plan, 0, 1) - 1.0).abs() < 1e-12);
    }
}
