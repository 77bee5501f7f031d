//! Names of sources, and sets of them, as small numbers: a file may be wanted by several.

use std::collections::HashMap;

/// The number of a set of sources.
pub(super) type SetId = u32;

/// Every source's name and every set of sources that some file is wanted by.
#[derive(Debug)]
pub(super) struct Sources {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    sets: Vec<Vec<u32>>,
    set_numbers: HashMap<Vec<u32>, SetId>,
    joined: HashMap<(SetId, u32), SetId>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            numbers: HashMap::new(),
            sets: vec![Vec::new()],
            set_numbers: HashMap::from([(Vec::new(), Self::NOBODY)]),
            joined: HashMap::new(),
        }
    }
}

impl Sources {
    /// The empty set.
    pub(super) const NOBODY: SetId = 0;

    /// The number of a source.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = small(self.names.len());
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The set with one source more.
    pub(super) fn with(&mut self, set: SetId, source: u32) -> SetId {
        if let Some(&joined) = self.joined.get(&(set, source)) {
            return joined;
        }
        let mut members = self.sets[set as usize].clone();
        if let Err(place) = members.binary_search(&source) {
            members.insert(place, source);
        }
        let joined = if let Some(&known) = self.set_numbers.get(&members) {
            known
        } else {
            let number = small(self.sets.len());
            self.sets.push(members.clone());
            self.set_numbers.insert(members, number);
            number
        };
        self.joined.insert((set, source), joined);
        joined
    }

    /// Both sets together.
    pub(super) fn union(&mut self, set: SetId, other: SetId) -> SetId {
        let members = self.sets[other as usize].clone();
        members
            .into_iter()
            .fold(set, |set, source| self.with(set, source))
    }

    /// The sources of a set, by number, rising.
    pub(super) fn members(&self, set: SetId) -> &[u32] {
        &self.sets[set as usize]
    }

    /// Names, by number.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

/// Sources and their sets are counted in hundreds.
fn small(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than four thousand million sources")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_the_same_in_any_order() {
        let mut sources = Sources::default();
        let [a, b] = ["a", "b"].map(|name| sources.number(name));
        assert_eq!(sources.number("a"), a);
        let one = sources.with(Sources::NOBODY, a);
        let both = sources.with(one, b);
        let other = sources.with(Sources::NOBODY, b);
        assert_eq!(sources.with(other, a), both);
        assert_eq!(sources.with(both, a), both);
        assert_eq!(sources.union(one, other), both);
        assert_eq!(sources.members(both), [a, b]);
    }
}
