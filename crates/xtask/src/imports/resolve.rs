//! Where a name is defined: the module that a path from another module leads to.

use std::collections::BTreeMap;

use super::scan::{Binding, Import, Module, ModulePath};

/// All modules of a crate.
pub(crate) struct Modules(pub(crate) BTreeMap<ModulePath, Module>);

/// What a path leads to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module itself.
    Module(ModulePath),
    /// Something that this module defines, or imports for itself.
    ItemOf(ModulePath),
}

impl Target {
    /// The module whose file has to be read to know the target.
    pub(crate) fn module(&self) -> &ModulePath {
        match self {
            Self::Module(module) | Self::ItemOf(module) => module,
        }
    }
}

/// More re-exports of re-exports than a crate has: a re-export that names itself ends here.
const MAX_DEPTH: usize = 16;

impl Modules {
    /// Resolves a path that is written in the module `from`. `None` is a name of another crate, or one that is local to
    /// a function.
    pub(crate) fn resolve(&self, from: &ModulePath, path: &[String]) -> Option<Target> {
        self.resolve_at(from, path, 0)
    }

    fn resolve_at(&self, from: &ModulePath, path: &[String], depth: usize) -> Option<Target> {
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
        let through_name = named.find_map(|import| self.through(from, import, rest, depth));
        through_name.or_else(|| self.through_globs(from, path, |_| true, depth))
    }

    /// Follows a path down from a module.
    fn descend(&self, module: ModulePath, path: &[String], depth: usize) -> Option<Target> {
        let here = self.0.get(&module)?;
        let Some((first, rest)) = path.split_first() else { return Some(Target::Module(module)) };
        if here.children.contains(first) {
            return self.descend([module.as_slice(), std::slice::from_ref(first)].concat(), rest, depth);
        }
        let mut reexports = here.imports.iter().filter(|import| import.is_reexport && import.binds(first));
        let reexported = reexports.find_map(|import| self.through(&module, import, rest, depth));
        let target = reexported.or_else(|| {
            let is_own = here.items.contains(first);
            if is_own { None } else { self.through_globs(&module, path, |import| import.is_reexport, depth) }
        });
        Some(target.unwrap_or(Target::ItemOf(module)))
    }

    fn through(&self, from: &ModulePath, import: &Import, rest: &[String], depth: usize) -> Option<Target> {
        self.resolve_at(from, &[import.path.as_slice(), rest].concat(), depth + 1)
    }

    /// Resolves a path whose first name may come from a `use …::*` of the module.
    fn through_globs(
        &self,
        from: &ModulePath,
        path: &[String],
        counts: impl Fn(&Import) -> bool,
        depth: usize,
    ) -> Option<Target> {
        let (first, _) = path.split_first()?;
        let globs = &self.0.get(from)?.imports;
        globs
            .iter()
            .filter(|import| matches!(import.binding, Binding::Everything) && counts(import))
            .find_map(|import| {
                let source = self.resolve_at(from, &import.path, depth + 1)?;
                self.has(source.module(), first).then(|| {
                    self.resolve_at(source.module(), &[&["self".to_owned()], path].concat(), depth + 1)
                })?
            })
    }

    /// Whether a `use …::*` of the module brings that name.
    fn has(&self, module: &ModulePath, name: &str) -> bool {
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
