//! Times that sources write as text.

use super::Reject;

/// Seconds of a clock time `H:MM:SS.mmm`, with any number of digits for the hours and at least minutes and seconds.
///
/// # Errors
/// When the text is no such time, or its minutes or seconds reach 60.
pub(super) fn clock_seconds(text: &str) -> Result<f64, Reject> {
    let wrong = || Reject::shape(format!("`{text}` is no time of the form H:MM:SS.mmm"));
    let mut parts = text.trim().rsplit(':');
    let seconds = parts.next().filter(|part| plain(part)).ok_or_else(wrong)?;
    let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
    let minutes: u32 = whole(parts.next()).ok_or_else(wrong)?;
    let hours: u32 = match parts.next() {
        None => 0,
        hours => whole(hours).ok_or_else(wrong)?,
    };
    if parts.next().is_some() || minutes >= 60 || seconds >= 60.0 {
        return Err(wrong());
    }
    // Milliseconds are added as whole numbers, so that 0:12:30.040 is the double nearest to 750.04.
    let millis = (seconds * 1000.0).round() + 60_000.0 * f64::from(minutes);
    Ok((millis + 3_600_000.0 * f64::from(hours)) / 1000.0)
}

/// Seconds of an ISO 8601 duration of hours, minutes and seconds, `PT00H01M03S`; every part may be missing but one.
///
/// # Errors
/// When the text is no such duration.
pub(super) fn iso_seconds(text: &str) -> Result<f64, Reject> {
    let wrong = || Reject::shape(format!("`{text}` is no duration of the form PT00H00M00S"));
    let mut rest = text.trim().strip_prefix("PT").ok_or_else(wrong)?;
    let mut total = None;
    for (unit, seconds) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
        if let Some((number, after)) = rest.split_once(unit) {
            let number: f64 = Some(number)
                .filter(|number| plain(number))
                .and_then(|number| number.parse().ok())
                .ok_or_else(wrong)?;
            total = Some(total.unwrap_or(0.0) + number * seconds);
            rest = after;
        }
    }
    total.filter(|_| rest.is_empty()).ok_or_else(wrong)
}

/// Digits with at most one dot between them: what `parse` takes without signs, exponents, `inf` and `nan`.
fn plain(number: &str) -> bool {
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn whole(part: Option<&str>) -> Option<u32> {
    let part = part?;
    let digits = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    digits.then(|| part.parse().ok()).flatten()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the numbers must be met to the bit")]
mod tests {
    use super::*;

    #[test]
    fn clock_times_are_seconds() {
        for (text, seconds) in [
            ("0:00:04.200", 4.2),
            ("0:12:30.040", 750.04),
            ("1:02:08.433", 3728.433),
            ("01:10:00.033", 4200.033),
            ("00:00:00", 0.0),
            ("02:05.5", 125.5),
        ] {
            assert_eq!(clock_seconds(text).unwrap(), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_no_clock_time_is_refused() {
        for text in [
            "",
            "12",
            "0:60:00",
            "0:00:60.0",
            "1:2:3:4",
            "0:-1:00",
            "0:00:inf",
            "a:b:c",
            "0::1",
            "0:0:1e3",
            "0:00:1.2.3",
            "+1:00:00",
        ] {
            assert!(clock_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_seconds() {
        assert_eq!(iso_seconds("PT00H00M12S").unwrap(), 12.0);
        assert_eq!(iso_seconds("PT00H01M03S").unwrap(), 63.0);
        assert_eq!(iso_seconds("PT1H").unwrap(), 3600.0);
        for text in ["", "PT", "12", "PT12", "PT1S2M", "P1D", "PT-1S", "PTinfS"] {
            assert!(iso_seconds(text).is_err(), "{text}");
        }
    }
}
