//! When to try again: pauses that double, with chance in them, and what the server asks for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use crate::error::HubError;

/// The longest pause of our own.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// Counts failures in a row.
pub(crate) struct Backoff {
    attempts: u32,
    first: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(attempts: u32, first: Duration) -> Self {
        Self {
            attempts: attempts.max(1),
            first,
            failures: 0,
        }
    }

    /// Something was gained: the next failure is a first one.
    pub(crate) fn gained(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row so far.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure, and says how long to wait before the next attempt; nothing when there is to be none.
    ///
    /// The pause is random between half of and the whole of `first · 2^(failures-1)`, so that many clients that failed
    /// together do not come back together. What the server asked for is waited at least.
    ///
    /// # Errors
    /// When the server asks for more than five minutes.
    pub(crate) fn failed(
        &mut self,
        asked: Option<Duration>,
        host: &str,
    ) -> Result<Option<Duration>, HubError> {
        self.failures += 1;
        if self.failures >= self.attempts {
            return Ok(None);
        }
        let whole = self
            .first
            .saturating_mul(1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX))
            .min(LONGEST);
        let own = whole / 2 + whole.mul_f64(0.5 * chance());
        match asked {
            Some(wait) if wait > LONGEST_ASKED => Err(HubError::Wait {
                host: host.to_owned(),
                wait,
            }),
            Some(wait) => Ok(Some(own.max(wait))),
            None => Ok(Some(own)),
        }
    }
}

/// A number in `0..1`, another one each time. Only pauses depend on it.
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

/// What a `Retry-After` header asks for: seconds, or a date.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = http_date(header)?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that servers may send today (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let rest = text.split_once(", ")?.1.strip_suffix(" GMT")?;
    let [day, month, year, clock] = rest.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{clock}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_vary_and_end() {
        let first = Duration::from_millis(100);
        let mut seen = Vec::new();
        for _ in 0..20 {
            let mut backoff = Backoff::new(4, first);
            for step in 0..3 {
                let pause = backoff.failed(None, "h").unwrap().unwrap();
                let whole = first * (1 << step);
                assert!(pause >= whole / 2 && pause <= whole, "{step}: {pause:?}");
                seen.push(pause);
            }
            assert!(backoff.failed(None, "h").unwrap().is_none());
        }
        seen.sort();
        seen.dedup();
        assert!(seen.len() > 20, "the pauses do not vary");
    }

    #[test]
    fn what_is_gained_starts_the_count_anew() {
        let mut backoff = Backoff::new(2, Duration::ZERO);
        assert!(backoff.failed(None, "h").unwrap().is_some());
        backoff.gained();
        assert!(backoff.failed(None, "h").unwrap().is_some());
        assert!(backoff.failed(None, "h").unwrap().is_none());
    }

    #[test]
    fn the_server_is_waited_for_within_reason() {
        let mut backoff = Backoff::new(9, Duration::ZERO);
        let asked = Duration::from_secs(7);
        assert_eq!(backoff.failed(Some(asked), "h").unwrap(), Some(asked));
        let error = backoff.failed(Some(Duration::from_hours(1)), "h.example");
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("h.example asks to wait 3600 s")
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = humantime::parse_rfc3339("1994-11-06T08:49:00Z").unwrap();
        let read = |text| retry_after(text, now);
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(37))
        );
        assert_eq!(read("Sun, 06 Nov 1994 08:40:00 GMT"), Some(Duration::ZERO));
        for wrong in ["", "soon", "-1", "NaN", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
