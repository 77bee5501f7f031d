//! What a repository holds: its commit and its files.

use serde::Deserialize;

use crate::digest::ContentId;
use crate::error::HubError;
use crate::event::{Event, Observer};
use crate::http::{self, Reply};
use crate::hub::Hub;
use crate::name::{self, NameFault};
use crate::repository::{Commit, Repository, Revision};

/// The most files that a repository may list.
const FILES: usize = 5_000_000;
/// What is never encoded in an address: everything else is, slashes between parts apart.
const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A file of a repository at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its path in the repository. [`crate::name::check`] has passed it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Its content.
    pub id: ContentId,
}

/// A repository's files at a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files with sound names, by path.
    pub files: Vec<RemoteFile>,
    /// Names that are refused, and why.
    pub refused: Vec<(String, NameFault)>,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
}

#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

impl Hub {
    /// The commit that a revision is now. Offline, what the cache remembers.
    ///
    /// # Errors
    /// When the repository or the revision does not exist, is closed to us, or the hub cannot be asked.
    pub fn commit(
        &self,
        repository: &Repository,
        revision: &Revision,
        observer: &dyn Observer,
    ) -> Result<Commit, HubError> {
        if let Some(commit) = revision.commit().filter(|_| self.settings().offline) {
            return Ok(commit);
        }
        if self.settings().offline {
            return self
                .cache()
                .reference(repository, revision)
                .ok_or_else(|| self.not_cached(&format!("{repository} at {revision}")));
        }
        let url = format!(
            "{}/revision/{}",
            self.api(repository),
            encoded(revision.as_str(), false)
        );
        let (reply, body) = self.http().ask(&url, &|reason, pause| {
            observer.event(Event::waiting(&url, reason, pause));
        })?;
        if reply.status != 200 {
            return Err(self.refusal(repository, revision.as_str(), None, &url, &reply));
        }
        let wrong = |reason: String| HubError::Answer {
            url: url.clone(),
            reason,
        };
        let info: Info = serde_json::from_slice(&body)
            .map_err(|error| wrong(format!("is no description of a repository: {error}")))?;
        info.sha.parse().map_err(|error| wrong(format!("{error}")))
    }

    /// All files at a commit. Offline, those that the cache holds.
    ///
    /// # Errors
    /// When the hub cannot be asked, or its answer is none.
    pub fn list(
        &self,
        repository: &Repository,
        commit: &Commit,
        observer: &dyn Observer,
    ) -> Result<Listing, HubError> {
        if self.settings().offline {
            return self.cache().list(repository, commit);
        }
        let first = format!(
            "{}/tree/{commit}?recursive=true&expand=false",
            self.api(repository)
        );
        let mut next = Some(first.clone());
        let mut entries: Vec<TreeEntry> = Vec::new();
        while let Some(url) = next.take() {
            let (reply, body) = self.http().ask(&url, &|reason, pause| {
                observer.event(Event::waiting(&url, reason, pause));
            })?;
            if reply.status != 200 {
                return Err(self.refusal(repository, commit.as_str(), None, &url, &reply));
            }
            let page: Vec<TreeEntry> = serde_json::from_slice(&body)
                .map_err(|error| answer(&url, format!("is no list of files: {error}")))?;
            let is_empty = page.is_empty();
            entries.extend(page);
            if entries.len() > FILES {
                return Err(answer(&first, format!("lists more than {FILES} files")));
            }
            next = Reply::text_of(&reply.headers, "link").and_then(|link| next_page(&link));
            if let Some(target) = &next {
                let same = http::join(&url, target).is_ok_and(|target| {
                    target.starts_with(&format!("{}/", self.settings().endpoint))
                });
                if !same || is_empty {
                    return Err(HubError::Target {
                        url,
                        target: target.clone(),
                        reason: "the next page of a list is elsewhere or has no end",
                    });
                }
            }
        }
        listing(repository, entries)
    }

    fn api(&self, repository: &Repository) -> String {
        format!(
            "{}/api/{}/{}",
            self.settings().endpoint,
            repository.kind().plural(),
            repository.id()
        )
    }

    /// The address of a file's content.
    pub(crate) fn content_url(
        &self,
        repository: &Repository,
        commit: &Commit,
        path: &str,
    ) -> String {
        format!(
            "{}/{}/resolve/{commit}/{}",
            self.settings().endpoint,
            repository.page_path(),
            encoded(path, true)
        )
    }

    /// What a status of 400 or more means.
    pub(crate) fn refusal(
        &self,
        repository: &Repository,
        revision: &str,
        path: Option<&str>,
        url: &str,
        reply: &Reply,
    ) -> HubError {
        let endpoint = &self.settings().endpoint;
        let page = format!("{endpoint}/{}", repository.page_path());
        let code = Reply::text_of(&reply.headers, "x-error-code").unwrap_or_default();
        let repository = repository.to_string();
        let has_token = self.settings().token.is_some();
        match (code.as_str(), reply.status) {
            ("GatedRepo", _) => HubError::Gated { repository, page },
            ("RevisionNotFound", _) => HubError::NoRevision {
                repository,
                revision: revision.to_owned(),
                page,
            },
            ("EntryNotFound", _) => HubError::NoFile {
                repository,
                path: path.unwrap_or_default().to_owned(),
            },
            ("RepoNotFound", _) => HubError::NoRepository { repository, page },
            (_, 401) if has_token => HubError::Token {
                page,
                tokens: format!("{endpoint}/settings/tokens"),
            },
            (_, 401 | 404) => HubError::NoRepository { repository, page },
            (_, 403) => HubError::Gated { repository, page },
            (_, status) => HubError::Status {
                url: url.split('?').next().unwrap_or(url).to_owned(),
                status,
                attempts: 1,
            },
        }
    }
}

fn answer(url: &str, reason: String) -> HubError {
    HubError::Answer {
        url: url.split('?').next().unwrap_or(url).to_owned(),
        reason,
    }
}

fn listing(repository: &Repository, entries: Vec<TreeEntry>) -> Result<Listing, HubError> {
    let mut listing = Listing::default();
    for entry in entries {
        if entry.kind != "file" {
            continue;
        }
        if let Err(fault) = name::check(&entry.path) {
            listing.refused.push((entry.path, fault));
            continue;
        }
        let (id, size) = match entry.lfs {
            Some(large) => (ContentId::Sha256(large.oid), large.size),
            None => (ContentId::GitBlob(entry.oid), entry.size),
        };
        if !id.is_sound() {
            return Err(HubError::Answer {
                url: repository.to_string(),
                reason: format!("lists no checksum for {}", name::shown(&entry.path)),
            });
        }
        listing.files.push(RemoteFile {
            path: entry.path,
            size,
            id,
        });
    }
    let colliding: std::collections::BTreeSet<String> =
        name::case_collisions(listing.files.iter().map(|file| file.path.as_str()))
            .into_iter()
            .map(str::to_owned)
            .collect();
    listing.files.retain(|file| !colliding.contains(&file.path));
    listing.refused.extend(
        colliding
            .into_iter()
            .map(|path| (path, NameFault::CaseCollision)),
    );
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    listing.refused.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(listing)
}

/// The address marked `rel="next"` in a `Link` header.
fn next_page(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (target, relation) = part.split_once(';')?;
        let target = target.trim().strip_prefix('<')?.strip_suffix('>')?;
        relation.contains("rel=\"next\"").then(|| target.to_owned())
    })
}

/// `text` for an address, slashes kept or not.
fn encoded(text: &str, keep_slashes: bool) -> String {
    let encode = |part: &str| percent_encoding::utf8_percent_encode(part, PLAIN).to_string();
    if keep_slashes {
        text.split('/').map(encode).collect::<Vec<_>>().join("/")
    } else {
        encode(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Result<Listing, HubError> {
        let repository = "datasets/a/b".parse().unwrap();
        listing(&repository, serde_json::from_str(text).unwrap())
    }

    #[test]
    fn listings_keep_sound_names_and_tell_the_others() {
        let oid = "a".repeat(40);
        let sha = "b".repeat(64);
        let text = format!(
            r#"[{{"type":"directory","path":"d","oid":"x","size":0}},
                {{"type":"file","path":"z.bin","oid":"x","size":130,"lfs":{{"oid":"{sha}","size":5000,"pointerSize":130}}}},
                {{"type":"file","path":"a.json","oid":"{oid}","size":3}},
                {{"type":"file","path":"A.json","oid":"{oid}","size":3}},
                {{"type":"file","path":"../x","oid":"{oid}","size":3}},
                {{"type":"file","path":"d/y","oid":"{oid}","size":3}}]"#
        );
        let listing = entries(&text).unwrap();
        let paths: Vec<_> = listing
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(paths, ["d/y", "z.bin"]);
        assert_eq!(listing.files[1].size, 5000);
        assert_eq!(listing.files[1].id, ContentId::Sha256(sha));
        let refused: Vec<_> = listing
            .refused
            .iter()
            .map(|(path, fault)| (path.as_str(), *fault))
            .collect();
        assert_eq!(
            refused,
            [
                ("../x", NameFault::Parent),
                ("A.json", NameFault::CaseCollision),
                ("a.json", NameFault::CaseCollision),
            ]
        );
    }

    #[test]
    fn a_checksum_that_would_be_a_path_is_refused() {
        let error = entries(r#"[{"type":"file","path":"a","oid":"../../../x","size":3}]"#);
        assert!(error.unwrap_err().to_string().contains("no checksum for a"));
    }

    #[test]
    fn the_next_page_is_found() {
        let link = r#"<https://h/a?x=1>; rel="first", <https://h/b?cursor=c>; rel="next""#;
        assert_eq!(next_page(link).unwrap(), "https://h/b?cursor=c");
        assert_eq!(next_page("<https://h/a>; rel=\"last\""), None);
    }

    #[test]
    fn names_are_encoded_part_by_part() {
        assert_eq!(encoded("a b/ä?#%.json", true), "a%20b/%C3%A4%3F%23%25.json");
        assert_eq!(encoded("refs/pr/1", false), "refs%2Fpr%2F1");
    }
}
