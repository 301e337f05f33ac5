//! The names that one source file declares and uses. It reads tokens, not a syntax tree, because much of the code is in
//! the arguments of macros (`select!`, `format!`, `json!`), which a syntax tree leaves unparsed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// A module's path from the crate's root. The path of the root is empty.
pub(crate) type ModulePath = Vec<String>;

/// A module of a file, or an inline module.
#[derive(Default)]
pub(crate) struct Module {
    /// The modules that it declares.
    pub(crate) children: BTreeSet<String>,
    /// The functions, types, traits and constants that it defines.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) paths: Vec<UsedPath>,
}

/// One name of a `use` declaration.
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) binding: Binding,
    /// Whether other modules may import the name from here.
    pub(crate) is_reexport: bool,
    pub(crate) line: usize,
}

/// What a `use` declaration brings into scope.
pub(crate) enum Binding {
    Name(String),
    Everything,
}

/// A path of at least two segments, outside `use` declarations.
pub(crate) struct UsedPath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// The modules of one file, and its child modules that have their own files.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) modules: BTreeMap<ModulePath, Module>,
    pub(crate) child_files: Vec<ModulePath>,
}

/// Scans the source of the module `path`. Ignores code that only tests compile.
pub(crate) fn scan(path: &ModulePath, source: &str) -> Result<Scan> {
    let tokens: TokenStream = source.parse().map_err(|error| anyhow!("{}: {error}", path.join("::")))?;
    let mut scan = Scan::default();
    scan.scan_module(path, tokens);
    Ok(scan)
}

impl Scan {
    fn scan_module(&mut self, path: &ModulePath, tokens: TokenStream) {
        self.modules.entry(path.clone()).or_default();
        self.scan_tokens(path, Level::Module, tokens);
    }

    fn scan_tokens(&mut self, path: &ModulePath, level: Level, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut is_public = false;
        while let Some(first) = rest.first() {
            let was_public = std::mem::take(&mut is_public);
            rest = match (first, rest.get(1)) {
                (TokenTree::Punct(hash), Some(TokenTree::Group(attribute))) if hash.as_char() == '#' => {
                    let after = rest.get(2..).unwrap_or_default();
                    if is_test_only(attribute) {
                        after_item(after)
                    } else {
                        self.scan_attribute(path, attribute);
                        after
                    }
                }
                (TokenTree::Ident(word), next) if word == "pub" => {
                    is_public = true;
                    let is_restricted = matches!(next, Some(TokenTree::Group(group)) if has_delimiter(group, Delimiter::Parenthesis));
                    rest.get(if is_restricted { 2 } else { 1 }..).unwrap_or_default()
                }
                // `use<'a>` is a bound, not a declaration.
                (TokenTree::Ident(word), Some(next)) if word == "use" && !is_punct(next, '<') => {
                    let end = rest.iter().position(|token| is_punct(token, ';')).unwrap_or(rest.len());
                    let imports = use_tree(rest.get(1..end).unwrap_or_default(), &[], was_public);
                    self.module_mut(path).imports.extend(imports);
                    rest.get(end..).unwrap_or_default()
                }
                (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if word == "mod" => {
                    self.add_child_module(path, &name.to_string(), rest.get(2));
                    rest.get(3..).unwrap_or_default()
                }
                (TokenTree::Ident(word), Some(TokenTree::Ident(name)))
                    if level == Level::Module && ITEM_KEYWORDS.contains(&word.to_string().as_str()) =>
                {
                    self.module_mut(path).items.insert(name.to_string());
                    rest.get(1..).unwrap_or_default()
                }
                (TokenTree::Group(group), _) => {
                    self.scan_tokens(path, Level::Inner, group.stream());
                    rest.get(1..).unwrap_or_default()
                }
                _ => self.scan_path(path, rest),
            };
        }
    }

    fn module_mut(&mut self, path: &ModulePath) -> &mut Module {
        self.modules.entry(path.clone()).or_default()
    }

    fn add_child_module(&mut self, parent: &ModulePath, name: &str, body: Option<&TokenTree>) {
        self.module_mut(parent).children.insert(name.to_owned());
        let child = [parent.as_slice(), &[name.to_owned()]].concat();
        match body {
            Some(TokenTree::Group(body)) => self.scan_module(&child, body.stream()),
            _ => self.child_files.push(child),
        }
    }

    /// Scans an attribute, including the paths in the strings of serde's attributes.
    fn scan_attribute(&mut self, path: &ModulePath, attribute: &Group) {
        self.scan_tokens(path, Level::Inner, attribute.stream());
        let mut tokens = attribute.stream().into_iter();
        if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(arguments))) =
            (tokens.next(), tokens.next())
            && name == "serde"
        {
            for token in arguments.stream() {
                let line = token.span().start().line;
                let text = token.to_string();
                let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
                    continue;
                };
                let segments: Vec<String> = inner.split("::").map(str::to_owned).collect();
                if segments.len() > 1 {
                    self.module_mut(path).paths.push(UsedPath { segments, line });
                }
            }
        }
    }

    /// Records the path at the start of the tokens, if there is one, and returns the tokens after it.
    fn scan_path<'t>(&mut self, module: &ModulePath, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        let mut segments = Vec::new();
        let mut rest = tokens;
        // A path that starts with `::` names another crate, or continues a type in angle brackets.
        let is_rooted = after_colons(rest).map(|after| rest = after).is_some();
        while let Some((TokenTree::Ident(segment), after)) = rest.split_first() {
            segments.push(segment.to_string());
            rest = after;
            match after_colons(after) {
                Some(after) => rest = after,
                None => break,
            }
        }
        if segments.len() > 1 && !is_rooted {
            let line = tokens.first().map_or(0, |token| token.span().start().line);
            self.module_mut(module).paths.push(UsedPath { segments, line });
        }
        if rest.len() == tokens.len() { rest.get(1..).unwrap_or_default() } else { rest }
    }
}

/// The position of tokens. Only tokens directly in a module define items that other modules can import.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Module,
    Inner,
}

/// The keywords before the name of a new item.
const ITEM_KEYWORDS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

/// Returns the imports of one tree of a `use` declaration: `a::b`, `a as b`, `a::{b, c}`, `a::*`.
fn use_tree(tokens: &[TokenTree], prefix: &[String], is_reexport: bool) -> Vec<Import> {
    let mut imports = Vec::new();
    for tree in tokens.split(|token| is_punct(token, ',')) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut rest = tree;
        let line = tree.last().map_or(0, |token| token.span().start().line);
        let import = |path, binding| Import { path, binding, is_reexport, line };
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                TokenTree::Ident(word) if word == "as" => {
                    alias = after.first().map(ToString::to_string);
                    rest = &[];
                }
                // In braces, `self` is the module before the braces.
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    imports.extend(use_tree(&inner, &path, is_reexport));
                    path.clear();
                }
                token if is_punct(token, '*') => {
                    imports.push(import(std::mem::take(&mut path), Binding::Everything));
                }
                _ => {}
            }
        }
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            imports.push(import(path, Binding::Name(name)));
        }
    }
    imports
}

/// Returns the tokens after the item at the start. An item ends with its first block, or with a semicolon.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => has_delimiter(group, Delimiter::Brace),
        token => is_punct(token, ';'),
    };
    let end = tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1);
    tokens.get(end..).unwrap_or_default()
}

/// Returns whether the attribute is `#[cfg(test)]` or a condition that requires it.
fn is_test_only(attribute: &Group) -> bool {
    let mut tokens = attribute.stream().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(condition))) => {
            name == "cfg" && requires_test(&condition)
        }
        _ => false,
    }
}

fn requires_test(condition: &Group) -> bool {
    let tokens: Vec<TokenTree> = condition.stream().into_iter().collect();
    tokens.iter().enumerate().any(|(index, token)| match token {
        TokenTree::Ident(word) => word == "test",
        TokenTree::Group(group) => {
            let operator = index.checked_sub(1).and_then(|before| tokens.get(before));
            let is_all = matches!(operator, Some(TokenTree::Ident(word)) if word == "all");
            is_all && requires_test(group)
        }
        _ => false,
    })
}

/// Returns the tokens after a `::`, if the tokens start with one.
fn after_colons(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [TokenTree::Punct(first), second, rest @ ..]
            if first.as_char() == ':' && first.spacing() == Spacing::Joint && is_punct(second, ':') =>
        {
            Some(rest)
        }
        _ => None,
    }
}

fn has_delimiter(group: &Group, delimiter: Delimiter) -> bool {
    group.delimiter() == delimiter
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}
