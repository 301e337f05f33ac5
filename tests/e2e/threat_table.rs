//! Checks that each row of the threat table in `tests/README.md` names tests that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ssod_testkit::leaks::files_below;

#[test]
fn every_row_names_existing_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(folder.join("README.md")).unwrap();
    let root = folder.parent().unwrap();
    let folders = ["crates", "daemon", "client", "tests"].map(|name| files_below(&root.join(name)));
    let sources =
        folders.into_iter().flatten().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let sources: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let number = |line: &str| line.strip_prefix("| T")?.split(' ').next()?.parse::<u32>().ok();
    let rows: BTreeMap<u32, &str> = table.lines().filter_map(|line| Some((number(line)?, line))).collect();
    for threat in 1..=36 {
        assert!(rows.contains_key(&threat), "T{threat} has no row");
    }
    for (threat, row) in rows {
        let proofs = row.splitn(3, '|').nth(2).unwrap();
        let names: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "T{threat} names no test");
        for name in names.into_iter().filter(|name| !name.starts_with("cargo ")) {
            let function = name.rsplit("::").next().unwrap();
            assert!(sources.contains(&format!("fn {function}(")), "T{threat}: there is no test {name}");
        }
    }
}
