//! The marks that people gave to records in `stdata browse`.

use std::path::Path;

use anyhow::ensure;
use st_data::review::Review;

use crate::globals::Globals;

/// The marks that a flag names, which must exist, or those of the data root.
pub(crate) fn marks(named: Option<&Path>, globals: &Globals) -> anyhow::Result<Review> {
    if let Some(path) = named {
        ensure!(path.exists(), "{} does not exist", path.display());
    }
    let kept = globals.root.join(Review::FILE);
    let review = Review::load(named.unwrap_or(&kept))?;
    if !review.is_empty() {
        globals.say(format!("{} marked records are honoured", review.len()));
    }
    Ok(review)
}
