//! Resolves names: finds the module to which a path in another module leads.

use std::collections::BTreeMap;

use super::scan::{Binding, Import, Module, ModulePath};

/// All modules of a crate.
pub(crate) struct Modules(pub(crate) BTreeMap<ModulePath, Module>);

/// The module or the item to which a path leads.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ResolvedPath {
    /// A module itself.
    Module(ModulePath),
    /// An item that this module defines, or imports for itself.
    ItemOf(ModulePath),
}

impl ResolvedPath {
    /// Returns the module itself, or the module of the item.
    pub(crate) fn module(&self) -> &ModulePath {
        match self {
            Self::Module(module) | Self::ItemOf(module) => module,
        }
    }
}

/// Longer than any real chain of re-exports. It ends the resolution of a re-export that names itself.
const MAX_DEPTH: usize = 16;

impl Modules {
    /// Resolves a path in the module `from`. Returns `None` for a name of another crate, or a name that is local to a
    /// function.
    pub(crate) fn resolve(&self, from: &ModulePath, path: &[String]) -> Option<ResolvedPath> {
        self.resolve_at(from, path, 0)
    }

    fn resolve_at(&self, from: &ModulePath, path: &[String], depth: usize) -> Option<ResolvedPath> {
        let (first, rest) = path.split_first()?;
        let module = self.0.get(from)?;
        if depth > MAX_DEPTH {
            return None;
        }
        match first.as_str() {
            "crate" => return self.descend(Vec::new(), rest, depth),
            "self" => return self.descend(from.clone(), rest, depth),
            "super" => {
                let mut parent = from.clone();
                parent.pop()?;
                // Every further `super` is relative to the parent.
                return match rest.first() {
                    Some(next) if next == "super" => self.resolve_at(&parent, rest, depth + 1),
                    _ => self.descend(parent, rest, depth),
                };
            }
            _ => {}
        }
        if module.children.contains(first) {
            return self.descend(from.clone(), path, depth);
        }
        let mut named = module.imports.iter().filter(|import| import.binds(first) && import.path != path);
        let by_name = named.find_map(|import| self.resolve_import(from, import, rest, depth));
        by_name.or_else(|| self.resolve_through_globs(from, path, |_| true, depth))
    }

    /// Resolves a path that is relative to a module.
    fn descend(&self, module: ModulePath, path: &[String], depth: usize) -> Option<ResolvedPath> {
        let here = self.0.get(&module)?;
        let Some((first, rest)) = path.split_first() else { return Some(ResolvedPath::Module(module)) };
        if here.children.contains(first) {
            return self.descend([module.as_slice(), std::slice::from_ref(first)].concat(), rest, depth);
        }
        let mut reexports = here.imports.iter().filter(|import| import.is_reexport && import.binds(first));
        let reexported = reexports.find_map(|import| self.resolve_import(&module, import, rest, depth));
        let target = reexported.or_else(|| {
            let is_own = here.items.contains(first);
            if is_own {
                None
            } else {
                self.resolve_through_globs(&module, path, |import| import.is_reexport, depth)
            }
        });
        Some(target.unwrap_or(ResolvedPath::ItemOf(module)))
    }

    fn resolve_import(
        &self,
        from: &ModulePath,
        import: &Import,
        rest: &[String],
        depth: usize,
    ) -> Option<ResolvedPath> {
        self.resolve_at(from, &[import.path.as_slice(), rest].concat(), depth + 1)
    }

    /// Resolves a path whose first name is imported by a `use …::*` of the module.
    fn resolve_through_globs(
        &self,
        from: &ModulePath,
        path: &[String],
        is_candidate: impl Fn(&Import) -> bool,
        depth: usize,
    ) -> Option<ResolvedPath> {
        let (first, _) = path.split_first()?;
        let globs = &self.0.get(from)?.imports;
        globs
            .iter()
            .filter(|import| matches!(import.binding, Binding::Everything) && is_candidate(import))
            .find_map(|import| {
                let source = self.resolve_at(from, &import.path, depth + 1)?;
                self.exports(source.module(), first).then(|| {
                    self.resolve_at(source.module(), &[&["self".to_owned()], path].concat(), depth + 1)
                })?
            })
    }

    /// Returns whether a `use …::*` of the module imports the name.
    fn exports(&self, module: &ModulePath, name: &str) -> bool {
        self.0.get(module).is_some_and(|module| {
            module.children.contains(name)
                || module.items.contains(name)
                || module.imports.iter().any(|import| import.binds(name))
        })
    }
}

impl Import {
    fn binds(&self, name: &str) -> bool {
        matches!(&self.binding, Binding::Name(bound) if bound == name)
    }
}
