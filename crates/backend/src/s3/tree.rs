//! Directories: what prefixes and markers amount to.

use super::error::Refusal;
use super::list::{Listing, Page};
use super::{Bucket, Object, delete, directory_facts, key, list};
use crate::{Error, Operation, PathFacts};
use bytes::Bytes;
use futures::future::try_join;
use http::Method;
use node::Facts;
use node::NodePath;
use std::collections::BTreeMap;

/// A name in a directory, or a key that is none.
#[derive(Debug)]
pub(super) enum Child {
    /// It has a name and facts.
    Named(String, Box<Facts>),
    /// The rest of its key below the directory, which is no name.
    Odd(String),
    /// An object that a directory of the same name hides.
    Hidden(String),
}

impl Bucket {
    /// What stands at the path: `None` if nothing does.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn look_at(&self, path: &str) -> Result<Option<Facts>, Error> {
        if path.is_empty() {
            return Ok(Some(directory_facts()));
        }
        let below = self.below(path)?;
        self.wait(async {
            let (page, found) = try_join(
                self.list(Operation::LookAt, path, &below, 1),
                self.find(path),
            )
            .await?;
            if !page.is_empty() {
                return Ok(Some(directory_facts()));
            }
            Ok(found.map(|found| found.object.facts()))
        })
    }

    /// The facts of a path and of all directories above it, from the top, without the root; it
    /// ends where nothing stands.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn on_the_way(&self, path: &NodePath) -> Result<PathFacts, Error> {
        if !path.is_root() && self.is_directory(path.as_str())? {
            // Then so are all above it.
            return Ok(directories(path));
        }
        let mut lineage = Vec::new();
        for at in path.lineage() {
            let Some(facts) = self.look_at(at)? else {
                break;
            };
            lineage.push((at.to_owned(), facts));
        }
        Ok(lineage)
    }

    fn is_directory(&self, path: &str) -> Result<bool, Error> {
        let below = self.below(path)?;
        let page = self.wait(self.list(Operation::LookAt, path, &below, 1))?;
        Ok(!page.is_empty())
    }

    /// Sees to it that objects can be put below the directory: nothing on the way is a file.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn make_parents(&self, path: &NodePath) -> Result<PathFacts, Error> {
        let lineage = self.on_the_way(path)?;
        match lineage.iter().find(|(_, facts)| !facts.is_directory()) {
            Some((at, _)) => Err(self.failed(Operation::Enter, at)(Refusal::NotADirectory)),
            None => Ok(directories(path)),
        }
    }

    /// Puts the directory's marker.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn mark(&self, path: &str) -> Result<(), Error> {
        if path.is_empty() {
            return Ok(());
        }
        let target = format!("/{}", list::escaped(&self.below(path)?, true));
        let headers = [("content-type", "application/x-directory".to_owned())];
        let put = self.request(&Method::PUT, &target, &headers, Bytes::new());
        self.wait(put)
            .map(|_| ())
            .map_err(self.failed(Operation::Create, path))
    }

    /// Marks the directory that `child` is in, if there is nothing else in it. To be called before
    /// the child goes.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn keep_parent(&self, child: &str) -> Result<(), Error> {
        let (parent, _) = child.rsplit_once('/').unwrap_or_default();
        if parent.is_empty() {
            return Ok(());
        }
        let (object, prefix) = (self.key(child)?, self.below(child)?);
        let below = self.below(parent)?;
        let listing = Listing {
            prefix: &below,
            is_shallow: true,
            after: None,
            most: Some(3),
        };
        let page = self.wait(self.page(listing, None));
        let page = page.map_err(self.failed(Operation::List, parent))?;
        let has_others = page.objects.iter().any(|other| other.key != object)
            || page.prefixes.iter().any(|other| *other != prefix);
        if has_others {
            Ok(())
        } else {
            self.mark(parent)
        }
    }

    /// Deletes a file, or an empty directory. It is no error if nothing stands there.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn delete(&self, path: &str, is_directory: bool) -> Result<(), Error> {
        let key = if is_directory {
            self.below(path)?
        } else {
            self.key(path)?
        };
        self.wait(async {
            if is_directory {
                let page = self.list(Operation::Delete, path, &key, 2).await?;
                let is_marker = |object: &Object| object.key == key;
                if !page.objects.iter().all(is_marker) || page.next.is_some() {
                    return Err(self.failed(Operation::Delete, path)(Refusal::NotEmpty));
                }
            }
            let deleted = self.delete_keys(std::slice::from_ref(&key)).await;
            deleted.map_err(self.failed(Operation::Delete, path))
        })
    }

    /// Deletes a directory with all keys below it, odd ones too.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn remove_tree(&self, path: &str) -> Result<(), Error> {
        let below = self.below(path)?;
        let failed = |refusal| self.failed(Operation::Delete, path)(refusal);
        let mut token = None;
        loop {
            let page = self.next_page(&below, token.as_deref()).map_err(failed)?;
            let keys: Vec<_> = page.objects.into_iter().map(|object| object.key).collect();
            self.wait(self.delete_keys(&keys)).map_err(failed)?;
            token = page.next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes of the objects below a directory (or of the one at the path) those that `is_meant`
    /// picks by their path, and their markers once nothing else is left.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn remove_objects(
        &self,
        path: &str,
        mut is_meant: impl FnMut(&str, &Object) -> bool,
    ) -> Result<(), Error> {
        let failed = |refusal| self.failed(Operation::Delete, path)(refusal);
        let below = self.below(path)?;
        let (mut token, mut markers, mut is_left) = (None, Vec::new(), false);
        loop {
            let page = self.next_page(&below, token.as_deref()).map_err(failed)?;
            let mut keys = Vec::new();
            for object in page.objects {
                if is_marker(&object) {
                    markers.push(object.key);
                    continue;
                }
                let rest = object.key.strip_prefix(&self.settings.prefix);
                match rest.map(key::to_path) {
                    Some(Ok(path)) if is_meant(&path, &object) => keys.push(object.key),
                    _ => is_left = true,
                }
            }
            self.wait(self.delete_keys(&keys)).map_err(failed)?;
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        if !is_left {
            for keys in markers.chunks(delete::KEYS) {
                self.wait(self.delete_keys(keys)).map_err(failed)?;
            }
        }
        match self.head(path)? {
            Some(found) if is_meant(path, &found.object) => self.delete(path, false),
            _ => Ok(()),
        }
    }

    /// The facts of a path and of everything below it, parents first. Refused where a key below it
    /// is no path, or is hidden by a directory.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn all_below(&self, path: &str) -> Result<PathFacts, Error> {
        let facts = self
            .look_at(path)?
            .ok_or_else(|| self.failed(Operation::LookAt, path)(Refusal::NotFound))?;
        if !facts.is_directory() {
            let listed = self.wait(self.listed(&self.key(path)?));
            let listed = listed.map_err(self.failed(Operation::List, path))?;
            let facts = listed.map_or(facts, |object| object.facts());
            return Ok(vec![(path.to_owned(), facts)]);
        }
        let below = self.below(path)?;
        let mut tree = BTreeMap::from([(path.to_owned(), facts)]);
        let mut token = None;
        loop {
            let page = self.next_page(&below, token.as_deref());
            let page = page.map_err(self.failed(Operation::List, path))?;
            for object in page.objects {
                self.add(&mut tree, path, &object)?;
            }
            token = page.next;
            if token.is_none() {
                return Ok(tree.into_iter().collect());
            }
        }
    }

    fn add(
        &self,
        tree: &mut BTreeMap<String, Facts>,
        top: &str,
        object: &Object,
    ) -> Result<(), Error> {
        let odd = |reason| self.failed(Operation::Name, &object.key)(Refusal::Key(reason));
        let rest = object.key.strip_prefix(&self.settings.prefix);
        let rest = rest.unwrap_or_default();
        let (rest, facts) = match rest.strip_suffix('/').filter(|_| object.size_bytes == 0) {
            Some(directory) => (directory, directory_facts()),
            None => (rest, object.facts()),
        };
        if rest.len() + 1 == self.below(top)?.len() - self.settings.prefix.len()
            && facts.is_directory()
        {
            return Ok(());
        }
        let path = key::to_path(rest).map_err(odd)?;
        let hidden = |path: &str| Err(self.failed(Operation::Enter, path)(Refusal::NotADirectory));
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            above = parent;
            if above.len() <= top.len() {
                break;
            }
            match tree.get(above) {
                Some(facts) if !facts.is_directory() => return hidden(above),
                Some(_) => {}
                None => {
                    tree.insert(above.to_owned(), directory_facts());
                }
            }
        }
        match tree.get(&path) {
            Some(known) if known.kind != facts.kind => hidden(&path),
            _ => {
                tree.insert(path, facts);
                Ok(())
            }
        }
    }

    /// All that is in a directory; markers are not told. `None` if it is not there.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn children(&self, path: &str) -> Result<Option<Vec<Child>>, Error> {
        let below = self.below(path)?;
        let mut named: BTreeMap<String, Facts> = BTreeMap::new();
        let mut others = Vec::new();
        let (mut token, mut is_there) = (None, path.is_empty());
        loop {
            let listing = Listing {
                prefix: &below,
                is_shallow: true,
                after: None,
                most: None,
            };
            let page = self.wait(self.page(listing, token.as_deref()));
            let page = page.map_err(self.failed(Operation::List, path))?;
            is_there |= !page.is_empty();
            let objects = page.objects.iter().filter(|object| object.key != below);
            let objects = objects.map(|object| (&*object.key, object.facts()));
            let directories = page.prefixes.iter().map(|prefix| {
                (
                    prefix.strip_suffix('/').unwrap_or(prefix),
                    directory_facts(),
                )
            });
            for (key, facts) in objects.chain(directories) {
                let rest = key.strip_prefix(&below).unwrap_or(key);
                let name = match key::to_path(rest) {
                    Ok(name) => name,
                    Err(_) => {
                        others.push(Child::Odd(rest.to_owned()));
                        continue;
                    }
                };
                match named.get(&name) {
                    Some(known) if known.is_directory() => others.push(Child::Hidden(name)),
                    Some(_) => {
                        named.insert(name.clone(), facts);
                        others.push(Child::Hidden(name));
                    }
                    None => {
                        named.insert(name, facts);
                    }
                }
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        let named = named
            .into_iter()
            .map(|(name, facts)| Child::Named(name, Box::new(facts)));
        Ok(is_there.then(|| named.chain(others).collect()))
    }

    async fn list(
        &self,
        operation: Operation,
        path: &str,
        below: &str,
        most: u64,
    ) -> Result<Page, Error> {
        let listing = Listing {
            prefix: below,
            is_shallow: false,
            after: None,
            most: Some(most),
        };
        self.page(listing, None)
            .await
            .map_err(self.failed(operation, path))
    }

    fn next_page(&self, below: &str, token: Option<&str>) -> Result<Page, Refusal> {
        let listing = Listing {
            prefix: below,
            is_shallow: false,
            after: None,
            most: None,
        };
        self.wait(self.page(listing, token))
    }

    /// Whether the bucket answers, and the mount's prefix can be listed.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn ask_for_one(&self) -> Result<(), Error> {
        let prefix = &self.settings.prefix;
        self.wait(self.list(Operation::List, "", prefix, 1))
            .map(|_| ())
    }
}

fn is_marker(object: &Object) -> bool {
    object.key.ends_with('/') && object.size_bytes == 0
}

/// A path and all above it, as directories, from the top.
fn directories(path: &NodePath) -> PathFacts {
    path.lineage()
        .map(|at| (at.to_owned(), directory_facts()))
        .collect()
}
