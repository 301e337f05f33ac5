//! Finds the import cycles of one crate, as a pure function of its source texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;

use super::resolve::{Modules, ResolvedPath};
use super::scan::{Binding, ModulePath, scan};

/// A source file of a crate.
pub(crate) struct SourceFile {
    /// Its path relative to the repository, as in the output.
    pub(crate) name: String,
    pub(crate) module: ModulePath,
    pub(crate) text: String,
}

/// Files that import one another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    edges: Vec<Edge>,
}

/// The imports of one file by another file.
#[derive(Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    lines: BTreeSet<usize>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: BTreeSet<&str> = self.edges.iter().map(|edge| edge.from.as_str()).collect();
        write!(formatter, "{} files import one another", files.len())?;
        for file in files {
            write!(formatter, "\n  {file}")?;
            for edge in self.edges.iter().filter(|edge| edge.from == file) {
                let lines: Vec<String> = edge.lines.iter().map(ToString::to_string).collect();
                let word = if lines.len() == 1 { "line" } else { "lines" };
                write!(formatter, "\n    imports {} ({word} {})", edge.to, lines.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Maps an importing and an imported file to the lines of the imports.
type Edges = BTreeMap<(usize, usize), BTreeSet<usize>>;

/// Finds every group of files that import one another.
pub(crate) fn cycles(files: &[SourceFile]) -> Result<Vec<Cycle>> {
    let edges = edges(files)?;
    let reachable: Vec<BTreeSet<usize>> = (0..files.len()).map(|file| reachable(file, &edges)).collect();
    let reaches = |from: usize, to: usize| reachable.get(from).is_some_and(|reached| reached.contains(&to));
    let mut cycles = Vec::new();
    let mut grouped = BTreeSet::new();
    for file in 0..files.len() {
        if !reaches(file, file) || grouped.contains(&file) {
            continue;
        }
        let group: BTreeSet<usize> =
            (0..files.len()).filter(|other| reaches(file, *other) && reaches(*other, file)).collect();
        let name = |index: usize| files.get(index).map(|file| file.name.clone()).unwrap_or_default();
        let inside = edges.iter().filter(|((from, to), _)| group.contains(from) && group.contains(to));
        let edges = inside
            .map(|((from, to), lines)| Edge { from: name(*from), to: name(*to), lines: lines.clone() })
            .collect();
        cycles.push(Cycle { edges });
        grouped.extend(group);
    }
    Ok(cycles)
}

fn reachable(file: usize, edges: &Edges) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![file];
    while let Some(from) = pending.pop() {
        let next = edges.range((from, 0)..=(from, usize::MAX)).map(|((_, to), _)| *to);
        pending.extend(next.filter(|to| reached.insert(*to)));
    }
    reached
}

fn edges(files: &[SourceFile]) -> Result<Edges> {
    let mut modules = Modules(BTreeMap::new());
    let mut file_of = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for (path, module) in scan(&file.module, &file.text)?.modules {
            file_of.insert(path.clone(), index);
            modules.0.insert(path, module);
        }
    }
    let mut edges = Edges::new();
    for (path, module) in &modules.0 {
        let imports = module.imports.iter().filter_map(|import| {
            let target = modules.resolve(path, &import.path)?;
            let is_name = matches!(import.binding, Binding::Name(_));
            // An imported module is only a shorthand for the paths below it, and each use of such a path counts itself.
            let is_shorthand = is_name && !import.is_reexport && matches!(target, ResolvedPath::Module(_));
            (!is_shorthand).then_some((target, import.line))
        });
        let paths =
            module.paths.iter().filter_map(|used| Some((modules.resolve(path, &used.segments)?, used.line)));
        for (target, line) in imports.chain(paths) {
            if let (Some(from), Some(to)) = (file_of.get(path), file_of.get(target.module()))
                && from != to
            {
                edges.entry((*from, *to)).or_default().insert(line);
            }
        }
    }
    Ok(edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the cycles of an invented crate, each as the names of its files.
    fn cycles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let found = cycles(&sources(files)).unwrap();
        let names = |cycle: &Cycle| -> BTreeSet<String> {
            cycle.edges.iter().map(|edge| edge.from.clone()).collect()
        };
        found.iter().map(|cycle| names(cycle).into_iter().collect()).collect()
    }

    fn sources(files: &[(&str, &str)]) -> Vec<SourceFile> {
        let source = |(module, text): &(&str, &str)| SourceFile {
            name: if module.is_empty() { "lib".to_owned() } else { (*module).to_owned() },
            module: module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            text: (*text).to_owned(),
        };
        files.iter().map(source).collect()
    }

    #[test]
    fn two_files_that_import_each_other_are_a_cycle_with_its_lines() {
        let files = sources(&[
            ("", "mod a;\nmod b;"),
            ("a", "use crate::b::{\n    Other,\n    B,\n};\npub struct A;\nfn f() { crate::b::g(); }"),
            ("b", "use std::fmt;\nuse super::a::A;\npub struct B;\npub struct Other;\npub fn g() {}"),
        ]);
        let found: Vec<String> = cycles(&files).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["2 files import one another\n  a\n    imports b (lines 2, 3, 6)\n  b\n    imports a (line 2)"]
        );
    }

    #[test]
    fn a_crate_without_cycles_passes() {
        let files = [
            ("", "mod a;\nmod b;\nmod c;\npub use c::C;\nfn main() { c::run(); }"),
            ("a", "pub struct A;"),
            ("b", "use crate::a::A;\nuse tokio::time;\nfn f() { time::sleep(); Self::new(); }"),
            ("c", "use super::b;\nuse crate::a::A;\nfn run() { b::f(); }"),
        ];
        assert_eq!(cycles_of(&files), Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_parent_that_only_declares_its_child_does_not_import_it() {
        let child = ("", "mod a;\npub struct Root;");
        assert!(cycles_of(&[child, ("a", "use super::Root;")]).is_empty());
    }

    #[test]
    fn a_parent_that_uses_its_child_does_import_it() {
        let child = ("a", "use super::Root;");
        for parent in [
            "mod a; pub struct Root; fn f() { a::g(); }",
            "mod a; use a::g; pub struct Root;",
            "mod a; pub use a::g; pub struct Root;",
            "mod a; pub use self::a::*; pub struct Root;",
            "mod a; pub struct Root; fn f() { println!(\"{}\", a::g()); }",
            "mod a; pub struct Root; #[serde(with = \"a::g\")] struct S;",
        ] {
            assert_eq!(cycles_of(&[("", parent), child]), [["a", "lib"]], "{parent}");
        }
    }

    #[test]
    fn a_reexport_leads_to_the_file_that_defines_the_name() {
        let root = "mod a; mod b; pub(crate) use a::{A, inner as renamed};";
        let a = ("a", "pub struct A; pub mod inner { pub fn f() {} }");
        assert!(
            cycles_of(&[("", root), a, ("b", "use crate::A; fn f() { crate::renamed::f(); }")]).is_empty()
        );
        let importer = ("a", "use crate::b::B; pub struct A;");
        assert_eq!(cycles_of(&[("", root), importer, ("b", "use crate::A; pub struct B;")]), [["a", "b"]]);
    }

    #[test]
    fn a_glob_reexport_leads_to_the_file_that_defines_the_name() {
        let root = "mod a; mod b; pub use a::*; pub struct Root;";
        let a = ("a", "use crate::b::B; pub struct A;");
        assert_eq!(cycles_of(&[("", root), a, ("b", "use crate::A; pub struct B;")]), [["a", "b"]]);
        assert!(cycles_of(&[("", root), ("a", "pub struct A;"), ("b", "use crate::A;")]).is_empty());
    }

    #[test]
    fn a_name_that_a_parent_imports_for_itself_belongs_to_the_parent() {
        let root = "mod a; mod b; use a::A; fn f() { b::g(); }";
        assert_eq!(
            cycles_of(&[("", root), ("a", "pub struct A;"), ("b", "use crate::A; pub fn g() {}")]),
            [["b", "lib"]]
        );
    }

    #[test]
    fn an_imported_module_counts_only_by_the_paths_that_are_used_below_it() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "pub mod child; use crate::b; fn f() { b::g(); }"),
            ("a::child", "pub fn h() {}"),
            ("b", "use crate::a; pub fn g() { a::child::h(); }"),
        ];
        assert!(cycles_of(&files).is_empty());
        let back = ("b", "use crate::a; pub fn g() { a::f(); }");
        assert_eq!(cycles_of(&[files[0], files[1], files[2], back]), [["a", "b"]]);
    }

    #[test]
    fn an_inline_module_belongs_to_its_file() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "pub struct A; mod inner { use super::super::b; use super::*; fn f(_: A) { b::g(); } }"),
            ("b", "pub fn g() {}\npub mod other { use crate::a::A; }"),
        ];
        assert_eq!(cycles_of(&files), [["a", "b"]]);
    }

    #[test]
    fn code_that_only_tests_compile_is_ignored() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "use crate::b::B; pub struct A;"),
            (
                "b",
                "pub struct B; #[cfg(all(test, unix))] mod tests { use crate::a::A; }
                 impl B { #[cfg(test)] fn f() { crate::a::g(); } }
                 #[cfg(test)] use crate::a::A;",
            ),
        ];
        assert!(cycles_of(&files).is_empty());
        let production = ("b", "pub struct B; #[cfg(not(test))] use crate::a::A;");
        assert_eq!(cycles_of(&[files[0], files[1], production]), [["a", "b"]]);
    }

    #[test]
    fn visibilities_and_method_calls_are_not_imports() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "use crate::b::B; pub(crate) mod inner { pub(in crate::a) fn f() {} }"),
            ("b", "pub struct B; pub(super) fn g() -> impl Fn() + use<> { x.collect::<Vec<_>>(); }"),
        ];
        assert!(cycles_of(&files).is_empty());
    }
}
