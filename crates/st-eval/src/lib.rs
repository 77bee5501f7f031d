//! Metrics, benchmark protocols and score reports.
