//! Which media files and clips are one, under whatever names.

use super::audit::Map;
use super::examine::View;
use super::identity::identity;
use super::report::Evidence;

/// Joins numbers into classes (union-find with path halving).
#[derive(Debug, Clone)]
pub(super) struct Classes {
    parents: Vec<u32>,
}

impl Classes {
    pub(super) fn new(length: usize) -> Self {
        Self {
            parents: (0..u32::try_from(length).unwrap_or(u32::MAX)).collect(),
        }
    }

    /// The lowest number of the class.
    pub(super) fn of(&mut self, number: u32) -> u32 {
        let mut at = number as usize;
        while self.parents[at] as usize != at {
            self.parents[at] = self.parents[self.parents[at] as usize];
            at = self.parents[at] as usize;
        }
        self.parents[at]
    }

    pub(super) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.of(a), self.of(b));
        self.parents[a.max(b) as usize] = a.min(b);
    }

    fn all(mut self) -> Vec<u32> {
        (0..self.parents.len())
            .map(|number| self.of(u32::try_from(number).unwrap_or(u32::MAX)))
            .collect()
    }
}

/// What was seen on the disk: groups of media, or of clips, that are the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    /// Media paths (numbers of the audit) with the same bytes.
    pub(super) bytes: Vec<Vec<u32>>,
    /// Clips (numbers of the view) with the same frames, and how well their frames correlate.
    pub(super) frames: Vec<(u32, u32, f64)>,
}

/// Which media and clips are one.
pub(super) struct Sameness {
    /// The identity of each media path.
    pub(super) identities: Vec<Option<String>>,
    /// The class of each media path.
    pub(super) media: Vec<u32>,
    /// The class of each clip.
    pub(super) clips: Vec<u32>,
    /// The class of each media path by its bytes alone.
    bytes: Vec<u32>,
    /// The class of each clip by its frames alone.
    pub(super) frames: Vec<u32>,
    /// How well the frames of two clips correlate, lower number first.
    pub(super) correlations: Map<(u32, u32), f64>,
}

impl Sameness {
    pub(super) fn of(view: &View<'_>, seen: &Seen) -> Self {
        let audit = view.audit;
        let mut identities: Vec<Option<String>> = vec![None; audit.media.list.len()];
        let mut known = vec![false; identities.len()];
        for number in view.order.iter().chain(&view.benchmark) {
            let print = view.print(*number);
            let at = print.media as usize;
            if !known[at] {
                let path = &audit.media.list[at];
                identities[at] = identity(path, view.source(print), print.image);
                known[at] = identities[at].is_some();
            }
        }
        let mut media = Classes::new(identities.len());
        let mut bytes = Classes::new(identities.len());
        let mut first: Map<&str, u32> = Map::default();
        for (number, identity) in (0..).zip(&identities) {
            if let Some(identity) = identity {
                media.join(*first.entry(identity).or_insert(number), number);
            }
        }
        for same in &seen.bytes {
            for pair in same.windows(2) {
                media.join(pair[0], pair[1]);
                bytes.join(pair[0], pair[1]);
            }
        }
        let media = media.all();
        let mut clips = Classes::new(view.clip_keys.len());
        let mut frames = Classes::new(view.clip_keys.len());
        let mut by_media: Map<(u32, Option<[u32; 2]>), u32> = Map::default();
        for (number, (file, split)) in (0..).zip(&view.clip_keys) {
            let key = (media[*file as usize], *split);
            clips.join(*by_media.entry(key).or_insert(number), number);
        }
        let mut correlations = Map::default();
        for (a, b, correlation) in &seen.frames {
            clips.join(*a, *b);
            frames.join(*a, *b);
            correlations.insert((*a.min(b), *a.max(b)), *correlation);
        }
        Self {
            identities,
            media,
            clips: clips.all(),
            bytes: bytes.all(),
            frames: frames.all(),
            correlations,
        }
    }

    /// How two clips' media were found to be one, and in words; nothing when they are not.
    pub(super) fn evidence(&self, view: &View<'_>, a: u32, b: u32) -> (Vec<Evidence>, String) {
        let (media_a, media_b) = (
            view.clip_keys[a as usize].0 as usize,
            view.clip_keys[b as usize].0 as usize,
        );
        let mut evidence = Vec::new();
        let mut words = Vec::new();
        if media_a == media_b {
            evidence.push(Evidence::SamePath);
        }
        if let (Some(one), Some(other)) = (&self.identities[media_a], &self.identities[media_b])
            && one == other
        {
            evidence.push(Evidence::SameId);
            words.push(one.clone());
        }
        if media_a != media_b && self.bytes[media_a] == self.bytes[media_b] {
            evidence.push(Evidence::SameBytes);
            words.push("the same bytes".to_owned());
        }
        if a != b && self.frames[a as usize] == self.frames[b as usize] {
            evidence.push(Evidence::SameFrames);
            let found = self.correlations.get(&(a.min(b), a.max(b)));
            words.push(found.map_or_else(
                || "the same frames as a third".to_owned(),
                |found| format!("frames correlate by {found:.3}"),
            ));
        }
        (evidence, words.join("; "))
    }
}
