//! Looking at many names, one after the other, without a request for each.

use super::list::Listing;
use super::{Bucket, directory_facts};
use crate::{Error, Operation};
use node::Facts;
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// What a page of a directory's listing told, for as long as it may be believed; on a disk, the
/// directory itself.
#[derive(Debug, Default)]
pub struct ListingCache {
    /// Where the directory is that a name was looked at in last, and the open directory.
    pub(crate) directory: Option<(String, OwnedFd)>,
    /// The directory that was asked about last, and the key.
    asked: Option<(String, String)>,
    page: Option<Seen>,
}

/// All that stands between two keys: past `after`, up to and with `end`, if there is one.
#[derive(Debug)]
struct Seen {
    after: String,
    end: Option<String>,
    /// By the key, of a directory without the slash at its end.
    facts: HashMap<String, Facts>,
}

impl Seen {
    /// Whether whatever stands under this key is in it, also if it is a directory.
    fn covers(&self, key: &str) -> bool {
        let is_before_end = |end: &String| format!("{key}/") <= *end;
        *self.after < *key && self.end.as_ref().is_none_or(is_before_end)
    }
}

impl Bucket {
    /// What stands at the path, as [`Bucket::look_at`] says. From the second name of a directory on,
    /// a page of its listing is fetched, which answers for the names that follow in their order.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn look_again(
        &self,
        cache: &mut ListingCache,
        path: &str,
    ) -> Result<Option<Facts>, Error> {
        let (directory, _) = path.rsplit_once('/').unwrap_or_default();
        let key = self.key(path)?;
        let before = cache.asked.replace((directory.to_owned(), key.clone()));
        let before = before.filter(|(asked, _)| asked == directory);
        let Some((_, before)) = before.filter(|_| !path.is_empty()) else {
            cache.page = None;
            return self.look_at(path);
        };
        if !cache.page.as_ref().is_some_and(|page| page.covers(&key)) && before < key {
            cache.page = Some(self.seen(directory, before)?);
        }
        match &cache.page {
            Some(page) if page.covers(&key) => Ok(page.facts.get(&key).copied()),
            _ => self.look_at(path),
        }
    }

    fn seen(&self, directory: &str, after: String) -> Result<Seen, Error> {
        let prefix = self.below(directory)?;
        let listing = Listing {
            prefix: &prefix,
            is_shallow: true,
            after: Some(&after),
            most: None,
        };
        let page = self.wait(self.page(listing, None));
        let page = page.map_err(self.failed(Operation::List, directory))?;
        // Past the last key nothing is known, if there is more: nor anything at all of a page that
        // is empty or, as some servers list, not in the order of its keys.
        let keys = page.objects.iter().map(|object| &object.key);
        let is_in_order = keys.is_sorted() && page.prefixes.is_sorted();
        let last = page.objects.last().map(|object| object.key.clone());
        let last = last.max(page.prefixes.last().cloned());
        let last = last.filter(|_| is_in_order);
        let end = page.next.map(|_| last.unwrap_or_else(|| after.clone()));
        let objects = page.objects.into_iter();
        let objects = objects.map(|object| (object.key.clone(), object.facts()));
        // Of an object and a directory of the same name the directory is told.
        let directories = page.prefixes.iter().map(|prefix| {
            let key = prefix.strip_suffix('/').unwrap_or(prefix);
            (key.to_owned(), directory_facts())
        });
        Ok(Seen {
            after,
            facts: objects.chain(directories).collect(),
            end,
        })
    }
}
