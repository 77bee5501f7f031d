//! When each frame of a video is shown, learnt from its packets without decoding them.

use std::path::Path;
use std::time::Instant;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::packet::Ref;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, ffi};

use crate::video::Limits;
use crate::{MediaError, ffmpeg_log};

/// One packet of the video stream, in decoding order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketInfo {
    /// Presentation time in the stream's time base.
    pub(crate) pts: Option<i64>,
    /// Whether decoding can start here.
    pub(crate) key: bool,
    /// Whether its picture is shown (an edit list may drop it).
    pub(crate) shown: bool,
}

impl PacketInfo {
    pub(crate) fn of(packet: &Packet) -> Self {
        Self {
            pts: packet.pts(),
            key: packet.is_key(),
            shown: !is_discarded(packet),
        }
    }
}

/// The packets of a video stream and the order in which their pictures are shown.
#[derive(Debug, Default)]
pub(crate) struct PacketIndex {
    /// In decoding order.
    pub(crate) packets: Vec<PacketInfo>,
    /// (presentation time, position in `packets`) of each shown packet, by time: entry `i` is frame `i`.
    pub(crate) frames: Vec<(i64, usize)>,
    /// Why reading stopped before the end of the file, if it did.
    pub(crate) cut: Option<String>,
}

/// Packets `start..=end` in decoding order, beginning at a key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl PacketIndex {
    /// Reads all packets of `stream`.
    pub(crate) fn read(
        path: &Path,
        input: &mut Input,
        stream: usize,
        limits: &Limits,
        begun: Instant,
    ) -> Result<Self, MediaError> {
        let mut index = Self::default();
        let mut packet = Packet::empty();
        ffmpeg_log::clear();
        loop {
            limits.check_time(path, begun)?;
            match packet.read(input) {
                Ok(()) if packet.stream() == stream => index.packets.push(PacketInfo::of(&packet)),
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => break,
                Err(error) => {
                    index.cut = Some(ffmpeg_log::take(error));
                    break;
                }
            }
        }
        index.sort();
        Ok(index)
    }

    fn sort(&mut self) {
        let shown = self
            .packets
            .iter()
            .enumerate()
            .filter(|(_, packet)| packet.shown);
        self.frames = shown
            .filter_map(|(at, packet)| Some((packet.pts?, at)))
            .collect();
        self.frames.sort_unstable();
    }

    /// Whether every shown packet has a time of its own, so that packets and frames correspond.
    pub(crate) fn has_distinct_times(&self) -> bool {
        let shown = self.packets.iter().filter(|packet| packet.shown).count();
        shown == self.frames.len() && self.frames.windows(2).all(|pair| pair[0].0 != pair[1].0)
    }

    /// The frame shown at `pts`.
    pub(crate) fn frame_at(&self, pts: i64) -> Option<usize> {
        self.frames
            .binary_search_by_key(&pts, |(time, _)| *time)
            .ok()
    }

    /// The packets that have to be decoded for the wanted frames (ascending), as few as possible.
    ///
    /// A frame needs all packets from the last key frame that comes before it both in decoding and in presentation
    /// order (pictures that lead an open GOP lean on the GOP before).
    pub(crate) fn runs(&self, wanted: &[u64]) -> Vec<Run> {
        let mut runs: Vec<Run> = wanted
            .iter()
            .filter_map(|frame| self.frames.get(usize::try_from(*frame).ok()?))
            .map(|(pts, end)| Run {
                start: self.key_before(*pts, *end),
                end: *end,
            })
            .collect();
        runs.sort_unstable_by_key(|run| (run.start, run.end));
        let mut merged: Vec<Run> = Vec::new();
        for run in runs {
            match merged.last_mut() {
                Some(last) if run.start <= last.end + 1 => last.end = last.end.max(run.end),
                _ => merged.push(run),
            }
        }
        merged
    }

    fn key_before(&self, pts: i64, position: usize) -> usize {
        let before = self.packets[..=position]
            .iter()
            .rposition(|p| p.key && p.pts.is_some_and(|key| key <= pts));
        before.unwrap_or(0)
    }

    /// Position of the last key packet at or before `position`.
    pub(crate) fn group_start(&self, position: usize) -> usize {
        self.packets[..=position]
            .iter()
            .rposition(|packet| packet.key)
            .unwrap_or(0)
    }
}

/// Number of entries in the container's own index of the stream, 0 when it has none.
pub(crate) fn declared_packets(input: &Input, stream: usize) -> u64 {
    let Some(stream) = input.stream(stream) else {
        return 0;
    };
    #[expect(
        unsafe_code,
        reason = "the container's index is reachable through FFmpeg's C interface only"
    )]
    // SAFETY: the stream belongs to the open input, which outlives the call.
    let entries = unsafe { ffi::avformat_index_get_entries_count(stream.as_ptr()) };
    u64::try_from(entries).unwrap_or(0)
}

fn is_discarded(packet: &Packet) -> bool {
    #[expect(unsafe_code, reason = "the safe interface drops the discard flag")]
    // SAFETY: the packet is valid for as long as it is borrowed.
    let flags = unsafe { (*packet.as_ptr()).flags };
    flags & ffi::AV_PKT_FLAG_DISCARD != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(packets: &[(i64, bool)]) -> PacketIndex {
        let packets = packets
            .iter()
            .map(|&(pts, key)| PacketInfo {
                pts: Some(pts),
                key,
                shown: true,
            })
            .collect();
        let mut index = PacketIndex {
            packets,
            ..PacketIndex::default()
        };
        index.sort();
        index
    }

    #[test]
    fn runs_start_at_the_key_frame_before_and_touching_runs_join() {
        // Two closed groups of I P B, the B shown before the P.
        let index = index(&[
            (0, true),
            (2, false),
            (1, false),
            (3, true),
            (5, false),
            (4, false),
        ]);
        assert_eq!(index.runs(&[0]), [Run { start: 0, end: 0 }]);
        assert_eq!(index.runs(&[4]), [Run { start: 3, end: 5 }]);
        assert_eq!(
            index.runs(&[0, 3]),
            [Run { start: 0, end: 0 }, Run { start: 3, end: 3 }]
        );
        assert_eq!(index.runs(&[1, 5]), [Run { start: 0, end: 4 }]);
        assert!(index.runs(&[6]).is_empty());
    }

    #[test]
    fn a_picture_that_leads_an_open_group_needs_the_group_before() {
        // I0 P2 then I4 with B3 after it in decoding order, shown before it.
        let index = index(&[(0, true), (2, false), (4, true), (3, false)]);
        assert_eq!(index.runs(&[2]), [Run { start: 0, end: 3 }]);
        assert_eq!(index.runs(&[3]), [Run { start: 2, end: 2 }]);
    }
}
